"""Each operation of the OpenAPI document has a method of either client, which sends what the document admits."""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from multipart import MultipartParser, parse_options_header

from similarix_sdk import AsyncClient, Client, File, Filter, PreparedPicture, Text
from similarix_sdk.drivers import AsyncDriver, BlockingDriver
from similarix_sdk.models import FoundFile
from tests import loops
from tests.fakes.http_api import BASE_URL, HttpApi

ID = "8ff9ef69-fd22-4308-ad1e-22c59500d944"
DOCUMENT = json.loads(HttpApi().api.send("GET", "/api/openapi.json")["body"])
JPEG = b"\xff\xd8\xff a picture"
FILTER: Filter = {
    "path": ["2024/", "*.jpg"],
    "format": "jpeg",
    "orientation": "square",
    "size": {"gte": 1, "lt": 9},
    "width": {"gt": 1},
    "height": {"lte": 5},
    "modified": {"gte": datetime(2025, 1, 2, tzinfo=UTC)},
    "taken": {"exists": True},
    "metadata": {"product_id": "A1"},
}
OPTIONS: dict[str, Any] = {
    "limit": 5,
    "collections": [ID, ID],
    "max_distance": 0.5,
    "cutoff": "auto",
    "include": ["path", "width"],
    "filter": FILTER,
    "fold_duplicates": True,
}
HOOK = "https://shop.example/hooks"
LINK = f"{BASE_URL}/media/{ID}/{ID}.jpg?expires=1&signature=s"
FOUND = FoundFile(
    uuid=ID, file_name="a.jpg", file_size=1, md5="0", thumbnail=LINK, s3_uri="s3://b/k", download_url="https://api"
)
KEY: dict[str, Any] = {"idempotency_key": "k"}
SERVER = {"endpoint": "https://s3.example.com", "access_key_id": "AKID", "secret_access_key": "a-secret-key"}
UPLOAD: dict[str, Any] = {"path": "2024/a.jpg", "replace": True, "metadata": {"a": [1]}, **KEY}

# The operation's id, with a call of the method that reaches it.
CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("searchByText", lambda c: c.search("owl", without=["snow"], like=[ID], unlike=[ID], match="content", **OPTIONS)),
    ("searchByText", lambda c: c.search(upload=ID, cursor="x")),
    ("searchByText", lambda c: c.search_all("owl", **OPTIONS)),
    ("searchByPicture", lambda c: c.search("owl", picture=JPEG, without=["snow"], **OPTIONS)),
    (
        "searchByTerms",
        lambda c: c.search(terms=[Text("owl"), File(ID, -1), PreparedPicture(ID, 0.5)], match="content", **OPTIONS),
    ),
    ("searchByFile", lambda c: c.similar(ID, cursor="x", **OPTIONS)),
    ("searchByFile", lambda c: c.similar_all(ID, **OPTIONS)),
    ("prepareSearchUpload", lambda c: c.search_uploads.prepare(5, "image/jpeg", **KEY)),
    ("showSearchUpload", lambda c: c.search_uploads.get(ID)),
    ("deleteSearchUpload", lambda c: c.search_uploads.delete(ID)),
    ("listCollections", lambda c: c.collections.list()),
    ("createCollection", lambda c: c.collections.create_managed("n", **KEY)),
    (
        "createCollection",
        lambda c: c.collections.connect(
            "a-bucket",
            name="n",
            region="eu-west-1",
            role_arn="arn:aws:iam::123456789012:role/r",
            folder="/f",
            auto_sync_interval="daily",
            auto_sync_at=3,
            include=["*.jpg"],
            exclude=[],
            **KEY,
        ),
    ),
    ("checkBucket", lambda c: c.collections.check("a-bucket", region="eu-west-1", folder="/f", role_arn="arn:aws:r")),
    ("checkBucket", lambda c: c.collections.check("a-bucket", **SERVER)),
    ("createCollection", lambda c: c.collections.connect("a-bucket", name="n", **SERVER)),
    ("changeCollection", lambda c: c.collections.change(ID, access_key_id="AKID", secret_access_key="a-secret-key")),
    ("showCollection", lambda c: c.collections.get(ID)),
    ("changeCollection", lambda c: c.collections.change(ID, name="n", role_arn="arn:aws:r", exclude=None, include=[])),
    ("changeCollection", lambda c: c.collections.change(ID, auto_sync_interval="daily", auto_sync_at=None)),
    ("deleteCollection", lambda c: c.collections.delete(ID)),
    ("startSync", lambda c: c.syncs.start(ID, confirm_removals=True, retry_failed=True, **KEY)),
    ("startSync", lambda c: c.syncs.preview(ID)),
    ("cancelSync", lambda c: c.syncs.cancel(ID)),
    ("showSyncStatus", lambda c: c.syncs.status(ID)),
    ("showSyncStatus", lambda c: c.syncs.follow(ID)),
    ("findDuplicates", lambda c: c.duplicates.find(ID, **KEY)),
    ("listDuplicates", lambda c: c.duplicates.list(ID, tiers=["identical"], limit=3)),
    ("explainObject", lambda c: c.collections.explain(ID, key="f/a.jpg")),
    ("explainObject", lambda c: c.collections.explain(ID, path="a.jpg")),
    ("uploadPicture", lambda c: c.uploads.send(ID, JPEG, **UPLOAD)),
    ("uploadPicture", lambda c: c.uploads.send(ID, JPEG, only_new=True)),
    ("prepareUpload", lambda c: c.uploads.prepare(ID, size=5, mime_type="image/jpeg", **UPLOAD)),
    ("listUploads", lambda c: c.uploads.list(ID, limit=2)),
    ("fetchPicture", lambda c: c.uploads.fetch(ID, "https://pictures.example/a.jpg", **UPLOAD)),
    ("fetchPicture", lambda c: c.uploads.send(ID, "https://pictures.example/a.jpg")),
    ("showUpload", lambda c: c.uploads.get(ID, ID)),
    ("cancelUpload", lambda c: c.uploads.cancel(ID, ID)),
    ("completeUpload", lambda c: c.uploads.complete(ID, ID, **KEY)),
    (
        "listFiles",
        lambda c: c.files.list(
            ID, state="failed", reason="empty", sort="-size", filter=FILTER, limit=3, include=["path"]
        ),
    ),
    ("listFiles", lambda c: c.files.find(ID, "2024/a.jpg")),
    ("showFile", lambda c: c.files.get(ID, include=["path"])),
    ("deleteFile", lambda c: c.files.delete(ID)),
    ("changeFile", lambda c: c.files.change(ID, metadata={"a": None}, path="b.jpg")),
    ("retryFile", lambda c: c.files.retry(ID, **KEY)),
    ("downloadFile", lambda c: c.files.link(ID, inline=True)),
    ("showThumbnail", lambda c: c.files.thumbnail(FOUND, size=256)),
    ("showThumbnail", lambda c: c.files.read_thumbnail(ID, ID, size=1024)),
    ("deleteFiles", lambda c: c.files.delete_many([ID], **KEY)),
    ("deleteFiles", lambda c: c.files.delete_matching(ID, FILTER, dry_run=True, cursor="x", **KEY)),
    ("showAccount", lambda c: c.account.get()),
    ("deleteAccount", lambda c: c.account.delete(confirm=ID)),
    ("exportAccount", lambda c: c.account.export(limit=3)),
    ("listTokens", lambda c: c.tokens.list()),
    (
        "createToken",
        lambda c: c.tokens.create(
            "n",
            "read",
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            collections=[ID],
            origins=["https://a.example"],
            **KEY,
        ),
    ),
    ("listWebhooks", lambda c: c.webhooks.list()),
    ("createWebhook", lambda c: c.webhooks.create(HOOK, ["file.failed"], collections=[ID], description="d", **KEY)),
    ("showWebhook", lambda c: c.webhooks.get(ID)),
    ("changeWebhook", lambda c: c.webhooks.change(ID, url=HOOK, events=["file.failed"], enabled=False)),
    ("changeWebhook", lambda c: c.webhooks.change(ID, collections=None, description=None)),
    ("deleteWebhook", lambda c: c.webhooks.delete(ID)),
    ("rotateSecret", lambda c: c.webhooks.rotate_secret(ID, **KEY)),
    ("testWebhook", lambda c: c.webhooks.test(ID, **KEY)),
    ("listDeliveries", lambda c: c.webhooks.deliveries(ID, state="failed", limit=2)),
    ("showDelivery", lambda c: c.webhooks.delivery(ID, "msg_1")),
    ("replayDelivery", lambda c: c.webhooks.replay(ID, "msg_1", **KEY)),
    ("revokeToken", lambda c: c.tokens.revoke(ID)),
]


class DocumentedServer(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers each request with the document's example, after it has compared the request with the document."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.sent: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        operation = _operation(request)
        self.called.append(operation["operationId"])
        self.sent |= _checked_parameters(operation, request) | _checked_body(operation, request)
        status, response = next(item for item in operation["responses"].items() if item[0].startswith("2"))
        if operation["operationId"] == "startSync" and b"dry_run" in request.content:
            status, response = "200", operation["responses"]["200"]
        if operation["operationId"] == "downloadFile":
            status, response = "200", operation["responses"]["200"]
        example = response["content"].get("application/json", {}).get("example")
        return (
            httpx.Response(int(status), content=JPEG) if example is None else httpx.Response(int(status), json=example)
        )


def _operation(request: httpx.Request) -> dict[str, Any]:
    path = request.url.path.removeprefix("/live")
    assert str(request.url).startswith(BASE_URL)
    fitting = [
        methods[request.method.lower()]
        for template, methods in sorted(DOCUMENT["paths"].items(), key=lambda item: item[0].count("{"))
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and request.method.lower() in methods
    ]
    assert fitting, f"{request.method} {path} is not in the document"
    return dict(fitting[0])


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = DOCUMENT
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _checked_parameters(operation: dict[str, Any], request: httpx.Request) -> set[str]:
    declared = [_resolved(parameter) for parameter in operation.get("parameters", [])]
    names = {parameter["name"] for parameter in declared if parameter["in"] == "query"}
    sent = {re.sub(r"^metadata\.\w+", "metadata.NAME", name) for name in request.url.params}
    assert sent <= names
    assert {p["name"] for p in declared if p.get("required") and p["in"] == "query"} <= sent
    headers = {parameter["name"].lower() for parameter in declared if parameter["in"] == "header"}
    assert ("idempotency-key" in request.headers) == ("idempotency-key" in headers)
    assert "if-none-match" in headers or "if-none-match" not in request.headers
    return {name.partition(".")[0] for name in sent}


def _checked_body(operation: dict[str, Any], request: httpx.Request) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {})
    if not request.content:
        assert not operation.get("requestBody", {}).get("required")
        return set()
    kind, options = parse_options_header(request.headers["content-type"])
    schema = _resolved(content[kind]["schema"])
    if kind == "application/json":
        _check_object(schema, json.loads(request.content))
        return set(json.loads(request.content))
    parts = {part.name for part in MultipartParser(io.BytesIO(request.content), options["boundary"])}
    assert {"file"} <= parts <= set(schema["properties"])
    return parts


def _check_object(schema: dict[str, Any], value: Any) -> None:
    schema = _resolved(schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        fitting = [choice for choice in map(_resolved, choices) if set(value) <= set(choice.get("properties", {}))]
        assert fitting, f"{value} fits none of {choices}"
        schema = fitting[0]
    if "properties" in schema:
        assert set(schema.get("required", [])) <= set(value) <= set(schema["properties"])


def blocking(server: DocumentedServer, call: Callable[[Any], Any]) -> Any:
    value = call(Client("smx_t", BASE_URL, driver=BlockingDriver(httpx.Client(transport=server))))
    return next(iter(value)) if type(value).__name__ == "Pages" else value


def asynchronous(server: DocumentedServer, call: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        value = call(AsyncClient("smx_t", BASE_URL, driver=AsyncDriver(httpx.AsyncClient(transport=server))))
        return await anext(aiter(value)) if hasattr(value, "__aiter__") else await value

    return loops.run(run())


@pytest.mark.parametrize("run", [blocking, asynchronous])
@pytest.mark.parametrize(("operation", "call"), CALLS, ids=lambda item: item if isinstance(item, str) else "")
def test_a_method_sends_what_the_document_admits_and_understands_its_example(
    operation: str, call: Callable[[Any], Any], run: Callable[..., Any]
) -> None:
    server = DocumentedServer()
    run(server, call)
    assert server.called == [operation]


def test_every_operation_of_the_document_has_a_method() -> None:
    documented = {
        operation["operationId"]
        for methods in DOCUMENT["paths"].values()
        for method, operation in methods.items()
        if method in ("get", "post", "patch", "delete")
    }
    assert documented == {operation for operation, _ in CALLS}


# The query of a form goes in the query string, and an upload's id in a search without a form.
OF_A_SEARCH_BY_PICTURE = {"like", "unlike", "upload", "match", "cursor"}
# Every link has its signature, and an iterator sends the cursors that it gets.
NOT_GIVEN = {"expires", "signature", "cursor"}


@pytest.mark.parametrize("operation", sorted({operation for operation, _ in CALLS}))
def test_methods_can_send_all_that_an_operation_takes(operation: str) -> None:
    server = DocumentedServer()
    for reached, call in CALLS:
        if reached == operation:
            blocking(server, call)
    (documented,) = (
        item
        for methods in DOCUMENT["paths"].values()
        for item in methods.values()
        if item.get("operationId") == operation
    )
    takes = {
        parameter["name"].partition(".")[0]
        for parameter in map(_resolved, documented.get("parameters", []))
        if parameter["in"] == "query"
    }
    for content in documented.get("requestBody", {}).get("content", {}).values():
        schema = _resolved(content["schema"])
        for choice in map(_resolved, schema.get("oneOf") or schema.get("anyOf") or [schema]):
            takes |= set(choice["properties"])
    assert takes - server.sent <= (OF_A_SEARCH_BY_PICTURE if operation == "searchByPicture" else NOT_GIVEN)


def test_both_clients_read_the_same_from_an_answer() -> None:
    for _, call in CALLS:
        assert blocking(DocumentedServer(), call) == asynchronous(DocumentedServer(), call)


def test_a_call_without_a_method_of_its_own_is_made_by_its_path() -> None:
    envelope = blocking(DocumentedServer(), lambda c: c.request("GET", "/api/collections/"))
    assert envelope.result["collections"][0]["uuid"]
    with pytest.raises(ValueError, match="slash"):
        blocking(DocumentedServer(), lambda c: c.request("GET", "https://elsewhere.example/"))
