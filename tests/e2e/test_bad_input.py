"""What callers get wrong, each answered in the envelope with what to do about it."""

from typing import Any

import pytest
import requests

from infra.local_system import LocalSystem
from tests.e2e.conftest import Caller, picture

MISSING = "00000000-0000-4000-8000-000000000000"


def refusal(answer: requests.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The ``info`` of a refusal, whose outside is as the contract has it."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["version", "success", "info", "result"]
    assert body["version"] == "1.0.2"
    assert body["success"] is False
    assert body["result"] == {}
    info: dict[str, Any] = body["info"]
    assert info["error"]
    assert info["message"]
    assert info["request_id"]
    assert info.get("field") == field
    assert "Traceback" not in answer.text
    return info


@pytest.mark.parametrize(
    "header",
    [None, "", "Token", "Token ", "Token x", "Bearer smx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Token smx_" + "a" * 43],
    ids=["none", "empty", "no token", "blank token", "too short", "another scheme", "unknown"],
)
@pytest.mark.parametrize("path", ["/api/search/?query=dog", "/api/collections/", f"/collections/download/{MISSING}/"])
def test_without_a_valid_token_nothing_is_told(nobody: Caller, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert refusal(nobody("GET", path, headers=headers), 403)["error"] == "forbidden"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/collections/{}/"),
        ("POST", "/api/collections/{}/sync/"),
        ("GET", "/api/collections/{}/sync-status/"),
        ("POST", "/api/collections/{}/upload/"),
    ],
)
class TestACollection:
    def test_of_another_account_is_not_found(
        self, stranger: Caller, stack: LocalSystem, method: str, path: str
    ) -> None:
        files = {"file": ("a.jpg", picture("owl.jpg"))} if path.endswith("upload/") else None
        info = refusal(stranger(method, path.format(stack.managed_collection), files=files), 404)
        missing = refusal(stranger(method, path.format(MISSING), files=files), 404)
        assert info["message"] == missing["message"]

    @pytest.mark.parametrize("uuid", ["1", "not-a-uuid", MISSING.replace("-", ""), "%00", "é"])
    def test_with_a_malformed_identifier_is_not_found(self, api: Caller, method: str, path: str, uuid: str) -> None:
        refusal(api(method, path.format(uuid)), 404)


def test_a_file_of_another_account_is_not_found(api: Caller, stranger: Caller) -> None:
    found = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"][0]
    refusal(stranger("GET", found["download_url"]), 404)
    refusal(stranger("GET", found["thumbnail"]), 404)


def test_a_missing_or_malformed_file_is_not_found(api: Caller, stack: LocalSystem) -> None:
    for name in (MISSING, "nonsense"):
        refusal(api("GET", f"/collections/download/{name}/"), 404)
        refusal(api("GET", f"/media/{stack.collection}/{name}.jpg"), 404)
        refusal(api("GET", f"/media/{name}/{MISSING}.jpg"), 404)


def test_a_thumbnail_with_another_ending_is_not_found(api: Caller) -> None:
    found = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"][0]
    refusal(api("GET", found["thumbnail"].replace(".jpg", ".png")), 404)
    refusal(api("GET", found["thumbnail"].replace(".jpg", "")), 404)


@pytest.mark.parametrize("query", [None, "", "   ", "\t\n", "x" * 1001])
def test_a_text_search_needs_a_query_of_at_most_a_thousand_characters(api: Caller, query: str | None) -> None:
    refusal(api("GET", "/api/search/", params={"query": query}), 400, field="query")


def test_a_query_of_exactly_a_thousand_characters_is_taken(api: Caller) -> None:
    assert api("GET", "/api/search/", params={"query": "é" * 1000}).status_code == 200


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1.5", "", "1e2", "٣", "9" * 400])
def test_limit_is_a_whole_number_from_1_to_100(api: Caller, limit: str) -> None:
    refusal(api("GET", "/api/search/", params={"query": "dog", "limit": limit}), 400, field="limit")
    sent = api("POST", "/api/search/", params={"limit": limit}, files={"file": picture("owl.jpg")})
    refusal(sent, 400, field="limit")


UPLOADS = ["/api/search/", "/api/collections/{managed}/upload/"]


@pytest.mark.parametrize("path", UPLOADS)
class TestAnUpload:
    @pytest.fixture
    def send(self, api: Caller, stack: LocalSystem, path: str) -> Any:
        target = path.format(managed=stack.managed_collection)
        return lambda **options: api("POST", target, **options)

    def test_needs_a_part_named_file(self, send: Any) -> None:
        refusal(send(files={"picture": ("a.jpg", picture("owl.jpg"))}), 400, field="file")

    def test_takes_one_file_not_two(self, send: Any) -> None:
        parts = [("file", ("a.jpg", picture("owl.jpg"))), ("file", ("b.jpg", picture("pig.jpg")))]
        refusal(send(files=parts), 400, field="file")

    def test_needs_a_form(self, send: Any, path: str) -> None:
        refusal(send(), 400, field="file")
        # With JSON, an upload is prepared for a file that is sent to S3.
        refusal(send(json={"file": "a.jpg"}), 400, field="size" if path.endswith("upload/") else "file")
        refusal(send(data=picture("owl.jpg"), headers={"Content-Type": "image/jpeg"}), 400, field="file")
        refusal(send(data=b"x", headers={"Content-Type": "multipart/form-data"}), 400, field="file")
        broken = {"Content-Type": "multipart/form-data; boundary=abc"}
        refusal(send(data=b"--abc\r\nno end", headers=broken), 400, field="file")

    @pytest.mark.parametrize(
        "body",
        [b"", b"just words", b"\x00" * 64, b"%PDF-1.7\n", picture("owl.jpg")[:2000], picture("owl.jpg")[:-4000]],
        ids=["empty", "words", "zeros", "a document", "a stump", "a truncated picture"],
    )
    def test_needs_a_whole_picture(self, send: Any, body: bytes) -> None:
        refusal(send(files={"file": ("a.jpg", body)}), 400, field="file")

    def test_larger_than_fits_through_is_too_large(self, send: Any) -> None:
        padded = picture("owl.jpg") + b"\x00" * 4_500_000
        assert "4,500,000" in refusal(send(files={"file": ("a.jpg", padded)}), 413, field="file")["message"]


def test_a_picture_with_a_wrong_ending_is_taken_for_what_it_is(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    made = api.result("POST", path, files={"file": ("notes.txt", picture("pig.jpg"), "text/plain")})
    assert (made["file"], made["mime_type"]) == ("notes.txt", "image/jpeg")
    found = api.result("POST", "/api/search/", files={"file": ("x.exe", picture("pig.jpg"))})["files"]
    assert {file["distance"] for file in found[:2]} == {0.0}


@pytest.mark.parametrize("name", ["..", "a/..", "\\", "x" * 256])
def test_a_file_name_that_is_none_is_refused(api: Caller, stack: LocalSystem, name: str) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    refusal(api("POST", path, files={"file": (name, picture("pig.jpg"))}), 400, field="file")


def test_a_failed_upload_leaves_the_file_of_that_name_as_it_was(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    api.result("POST", path, files={"file": ("kept.jpg", picture("hammer.jpg"))})
    refusal(api("POST", path, files={"file": ("kept.jpg", b"no picture")}), 400, field="file")
    found = api.result("POST", "/api/search/", files={"file": picture("hammer.jpg")})["files"]
    assert ("kept.jpg", 0.0) in [(file["file_name"], file["distance"]) for file in found]


def test_a_customers_collection_takes_no_uploads(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.collection}/upload/"
    refusal(api("POST", path, files={"file": ("a.jpg", picture("owl.jpg"))}), 400)


PATHS = [
    ("/api/search/", "GET, POST"),
    ("/api/collections/", "GET, POST"),
    (f"/api/collections/{MISSING}/sync/", "DELETE, POST"),
    (f"/api/collections/{MISSING}/explain/", "GET"),
    ("/api/collections/check/", "POST"),
    (f"/api/collections/{MISSING}/", "DELETE, GET, PATCH"),
    (f"/api/collections/{MISSING}/files/", "GET"),
    (f"/api/collections/{MISSING}/upload/{MISSING}/complete/", "POST"),
    (f"/api/files/{MISSING}/", "DELETE, GET"),
    (f"/api/files/{MISSING}/similar/", "GET"),
    (f"/api/files/{MISSING}/retry/", "POST"),
    ("/api/account/", "GET"),
    ("/api/tokens/", "GET, POST"),
    (f"/api/tokens/{MISSING}/", "DELETE"),
    (f"/api/collections/{MISSING}/sync-status/", "GET"),
    (f"/api/collections/{MISSING}/upload/", "POST"),
    (f"/media/{MISSING}/{MISSING}.jpg", "GET"),
    (f"/collections/download/{MISSING}/", "GET"),
]


@pytest.mark.parametrize(("path", "allowed"), PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_told_the_right_ones(api: Caller, path: str, allowed: str, method: str) -> None:
    if method in allowed.split(", "):
        return
    answer = api(method, path)
    refusal(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/api/", "/api/nothing/", "/api/search/more/", "/favicon.ico", "/media/x/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_not_found(api: Caller, nobody: Caller, path: str, method: str) -> None:
    refusal(api(method, path), 404)
    refusal(nobody(method, path), 404)


@pytest.mark.parametrize("body", [b"", b"{", b"name=x", b"[]", b'"s3"', b"null", b"3", b"\xff\xfe", b"[" * 100_000])
def test_a_collection_is_made_from_a_json_object(api: Caller, body: bytes) -> None:
    refusal(api("POST", "/api/collections/", data=body, headers={"Content-Type": "application/json"}), 400)


GOOD = {
    "type": "s3",
    "name": "n",
    "bucket": "a-bucket",
    "folder": "/f",
    "region": "eu-west-1",
    "role_arn": "arn:aws:iam::123456789012:role/similarix-x",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", None),
        ("type", "ftp"),
        ("type", 3),
        ("name", None),
        ("name", "  "),
        ("name", "n" * 101),
        ("bucket", None),
        ("bucket", "Not_A_Bucket"),
        ("bucket", "ab"),
        ("bucket", "192.168.0.1"),
        ("folder", 7),
        ("folder", "f" * 901),
        ("region", "moon"),
        ("role_arn", None),
        ("role_arn", "arn:aws:iam::123456789012:role/admin"),
        ("auto_sync_interval", "hourly"),
        ("colour", "red"),
    ],
)
def test_a_wish_that_cannot_be_met_names_the_field(api: Caller, field: str, value: object) -> None:
    wish = {**GOOD, field: value} if value is not None else {k: v for k, v in GOOD.items() if k != field}
    refusal(api("POST", "/api/collections/", json=wish), 400, field=field)
