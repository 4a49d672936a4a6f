"""Every identifier that a route takes, generated from the table of routes; and two accounts that try each other's.

``slots`` lists the places of a route where an identifier goes. A route that names a parameter that is unknown here
fails the tests until ``_kind`` says what it identifies, or ``NO_IDENTIFIERS`` that it identifies nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import uuid4

from chalicelib.api.dispatch import Dispatcher
from chalicelib.api.openapi.examples import example
from chalicelib.api.openapi.filters import FILTER_NAMES
from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.api.openapi.schemas import SCHEMAS
from chalicelib.api.routes import blueprints
from chalicelib.domain.accounts import Scope


class Kind(StrEnum):
    """What an identifier identifies."""

    COLLECTION = "collection"
    FILE = "file"
    THUMBNAIL = "thumbnail"
    UPLOAD = "upload"
    SEARCH_UPLOAD = "search upload"
    TOKEN = "token"  # a kind
    WEBHOOK = "webhook"
    DELIVERY = "delivery"
    KEY = "key"
    CURSOR = "cursor"


# What identifies nothing of ours. A bucket and a role are AWS's: the role's external id guards them. A server and its
# access key are the caller's own.
NO_IDENTIFIERS = {
    *("query", "without", "cutoff", "limit", "max_distance", "state", "If-None-Match"),
    *("type", "name", "bucket", "folder", "region", "role_arn", "auto_sync_interval", "auto_sync_at"),
    *("endpoint", "access_key_id", "secret_access_key"),
    *("include", "exclude", "reason", "sort", "match", "fold_duplicates", "tier"),
    *("path", "metadata"),  # within a collection or file that is identified apart
    "filter",  # its collection is tried in tests/unit/api/test_file_deletion.py
    *("expires", "signature", "inline", "url"),
    *("file", "path", "replace", "size", "mime_type", "scope", "expires_at", "origins"),
    *("events", "description", "enabled"),
    *("dry_run", "confirm_removals", "retry_failed", "confirm"),
}
WIDEST_SCOPE = list(Scope)[-1]
MISSING_ID = "00000000-0000-4000-8000-000000000000"
RECEIVER = "https://192.0.2.1/hooks"  # an address of no server, which nothing is sent to
MALFORMED = ("1", "not-a-uuid", MISSING_ID.replace("-", ""), MISSING_ID + "0", "é", "%00", "..", "x" * 3000)


@dataclass(frozen=True)
class Slot:
    """A place in a request where an identifier goes; ``place`` is path, query, form or body."""

    place: str
    name: str
    kind: Kind


def _no_services() -> Any:
    raise AssertionError("nothing is requested")


def documented_routes() -> list[DocumentedRoute]:
    dispatcher = Dispatcher(_no_services)
    blueprints(dispatcher)
    return dispatcher.documented_routes


def slots(route: DocumentedRoute) -> list[Slot]:
    """The identifiers that a route takes; raises LookupError for a parameter that is unknown here."""
    named = inputs(route)
    named += [("path", part[1:-1]) for part in route.path.split("/") if part.startswith("{")]
    found = [(place, name, _kind(route.path, place, name)) for place, name in dict.fromkeys(named)]
    return [Slot(place, name, kind) for place, name, kind in found if kind is not None]


def inputs(route: DocumentedRoute) -> list[tuple[str, str]]:
    """The place and name of each parameter and field that a route documents."""
    named = [(parameter["in"], parameter["name"]) for parameter in route.operation.parameters]
    content = (route.operation.body or {}).get("content", {})
    if "multipart/form-data" in content:  # its options may stand in the form too
        named += [("form", name) for place, name in named if place == "query"]
    for media_type, described in content.items():
        place = "form" if media_type == "multipart/form-data" else "body"
        named += [(place, name) for name in _properties(described["schema"])]
    return list(dict.fromkeys(named))


def _properties(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _properties(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    for part in schema.get("oneOf", ()):
        yield from _properties(part)
    yield from schema.get("properties", {})


def _kind(path: str, place: str, name: str) -> Kind | None:
    if place == "path":
        by_path = {
            ("uuid", "/api/collections/"): Kind.COLLECTION,
            ("uuid", "/api/files/"): Kind.FILE,
            ("uuid", "/collections/download/"): Kind.FILE,
            ("id", "/api/collections/{uuid}/uploads/"): Kind.UPLOAD,
            ("id", "/api/search/uploads/"): Kind.SEARCH_UPLOAD,
            ("id", "/api/tokens/"): Kind.TOKEN,
            ("id", "/api/webhooks/"): Kind.WEBHOOK,
            ("delivery", "/api/webhooks/"): Kind.DELIVERY,
            ("collection", "/media/"): Kind.COLLECTION,
            ("file", "/media/"): Kind.THUMBNAIL,
        }
        kinds = [kind for (parameter, start), kind in by_path.items() if parameter == name and path.startswith(start)]
        if len(kinds) == 1:
            return kinds[0]
    elif name in NO_IDENTIFIERS or name in (*FILTER_NAMES, "filter"):
        return None
    elif name == "upload":
        return Kind.SEARCH_UPLOAD
    elif name in ("collection", "collections", "files", "key", "cursor"):
        return Kind(name.removesuffix("s"))
    elif name in ("like", "unlike"):
        return Kind.FILE
    raise LookupError(f"{path} takes '{name}' in its {place}: say in tests/isolation.py what that identifies.")


class Api(Protocol):
    """Sends a request with a token to a route, and returns its status and body.

    Args:
        path: the values of the path's parameters, not encoded.
        picture: sent as the part ``file`` of a form, with ``form`` as its other fields; a form may have no file.
    """

    def __call__(
        self,
        token: str | None,
        method: str,
        route: str,
        *,
        path: Mapping[str, str] = ...,
        query: Mapping[str, str] = ...,
        form: Mapping[str, str] = ...,
        picture: bytes | None = ...,
        file_name: str = ...,
        json: Any = ...,
    ) -> tuple[int, Any]: ...


@dataclass(frozen=True)
class Party:
    """An account with one of each resource: ``ids`` by kind, and its ``secrets``, which no other account may learn."""

    api: Api
    token: str
    ids: Mapping[Kind, str]
    secrets: tuple[str, ...]
    tokens: Mapping[Scope, str] = field(default_factory=dict)

    @classmethod
    def with_one_of_each(cls, api: Api, token: str, picture: bytes, tokens: Mapping[Scope, str]) -> "Party":
        name = f"{uuid4().hex}.jpg"
        body: Any = {"type": "managed", "name": f"of {name}"}
        collection = _result(api(token, "POST", "/api/collections", json=body))["collection"]["uuid"]
        of_collection = {"uuid": collection}
        for file_name in (name, f"second-{name}"):
            sent = api(
                token,
                "POST",
                "/api/collections/{uuid}/upload",
                path=of_collection,
                picture=picture,
                file_name=file_name,
            )
            _result(sent)
        body = {"path": f"pending-{name}", "size": 5000, "mime_type": "image/jpeg"}
        prepared = _result(api(token, "POST", "/api/collections/{uuid}/uploads", path=of_collection, json=body))
        to_search_by = {"size": 5000, "mime_type": "image/jpeg"}
        search_upload = _result(api(token, "POST", "/api/search/uploads", json=to_search_by))["upload"]["id"]
        status, listed = api(
            token, "GET", "/api/collections/{uuid}/files", path=of_collection, query={"limit": "1", "state": "indexed"}
        )
        assert status == 200, listed
        (file,) = listed["result"]["files"]
        listed_tokens = _result(api(token, "GET", "/api/tokens"))["tokens"]
        body = {"url": RECEIVER, "events": ["file.indexed"], "collections": [collection]}
        webhook = _result(api(token, "POST", "/api/webhooks", json=body))["webhook"]["id"]
        tested = _result(api(token, "POST", "/api/webhooks/{id}/test", path={"id": webhook}))
        ids = {
            Kind.COLLECTION: collection,
            Kind.FILE: file["uuid"],
            Kind.THUMBNAIL: f"{file['uuid']}.jpg",
            Kind.UPLOAD: prepared["upload"]["id"],
            Kind.SEARCH_UPLOAD: search_upload,
            Kind.TOKEN: listed_tokens[0]["id"],
            Kind.WEBHOOK: webhook,
            Kind.DELIVERY: tested["delivery"]["id"],
            Kind.KEY: file["s3_uri"].split("/", 3)[3],
            Kind.CURSOR: listed["info"]["next_cursor"],
        }
        uploads = prepared["upload"]["id"], search_upload
        secrets = (
            name,
            collection,
            file["uuid"],
            *uploads,
            webhook,
            tested["delivery"]["id"],
            *(t["id"] for t in listed_tokens),
        )
        return cls(api, token, ids, secrets, tokens)

    def snapshot(self) -> dict[str, Any]:
        """All that the account can read of itself, by path.

        Without what passes with time alone: when its tokens were last used, until when its links work, and since when
        its webhook fails.
        """
        of_collection = {"uuid": self.ids[Kind.COLLECTION]}
        seen = {
            "/api/account": self.api(self.token, "GET", "/api/account"),
            "/api/collections": self.api(self.token, "GET", "/api/collections"),
            "/api/collections/{uuid}/files": self.api(
                self.token, "GET", "/api/collections/{uuid}/files", path=of_collection
            ),
            "/api/search": self.api(self.token, "GET", "/api/search", query={"query": "an owl"}),
        }
        tokens = [token["id"] for token in _result(self.api(self.token, "GET", "/api/tokens"))["tokens"]]
        webhooks = [
            (webhook["id"], webhook["url"], webhook["events"], webhook["collections"], webhook["previous_secret_until"])
            for webhook in _result(self.api(self.token, "GET", "/api/webhooks"))["webhooks"]
        ]
        known = {"/api/tokens": tokens, "/api/webhooks": webhooks}
        return {path: _without_expiry(_result(answer)) for path, answer in seen.items()} | known


def _without_expiry(shown: Any) -> Any:
    """The same without the queries of signed links, each of which changes once a day."""
    if isinstance(shown, dict):
        return {name: _without_expiry(value) for name, value in shown.items()}
    if isinstance(shown, list):
        return [_without_expiry(value) for value in shown]
    return shown.partition("?expires=")[0] if isinstance(shown, str) else shown


def _result(answer: tuple[int, Any]) -> Any:
    status, body = answer
    assert status < 300, body
    return body["result"]


@dataclass(frozen=True)
class Attempt:
    """A request with a malformed identifier, or with a foreign one and the same with one that is ``missing``."""

    name: str
    given: Mapping[Slot, str]
    missing: Mapping[Slot, str]
    secrets: tuple[str, ...]


def attempts(route: DocumentedRoute, victim: Party, thief: Party) -> Iterator[Attempt]:
    """Each slot with the victim's identifier and malformed ones, the others with the thief's own; then all at once."""
    taken = slots(route)
    own = {slot: thief.ids[slot.kind] for slot in taken if slot.place == "path" or _required(route, slot)}
    for slot in taken:
        missing = {**own, slot: _missing(slot, victim)}
        yield Attempt(f"the victim's {slot.name}", {**own, slot: victim.ids[slot.kind]}, missing, victim.secrets)
        for value in MALFORMED:
            if slot.place == "path" or slot.kind is not Kind.KEY:
                yield Attempt(f"{slot.name} {value[:40]}", {**own, slot: value}, {}, victim.secrets)
        if slot.kind is Kind.KEY:
            deeper = f"{thief.ids[Kind.KEY].rpartition('/')[0]}/../../../{victim.ids[Kind.KEY]}"
            yield Attempt("a way up to the victim's key", {**own, slot: deeper}, missing, victim.secrets)
    if len(taken) > 1:
        everything = {slot: victim.ids[slot.kind] for slot in taken}
        missing = {slot: _missing(slot, victim) for slot in taken}
        yield Attempt("all of the victim's", everything, missing, victim.secrets)


def _required(route: DocumentedRoute, slot: Slot) -> bool:
    return any(p["name"] == slot.name and p["in"] == slot.place and p["required"] for p in route.operation.parameters)


def _missing(slot: Slot, victim: Party) -> str:
    match slot.kind:
        case Kind.THUMBNAIL:
            return f"{MISSING_ID}.jpg"
        case Kind.KEY:
            return f"{victim.ids[Kind.KEY].rpartition('/')[0]}/{MISSING_ID}.jpg"
        case Kind.CURSOR:
            return "bm8tY3Vyc29y"
        case Kind.DELIVERY:
            return f"msg_{'0' * 32}"
    return MISSING_ID


def send(
    party: Party, token: str | None, route: DocumentedRoute, values: Mapping[Slot, str], picture: bytes
) -> tuple[int, Any]:
    """Send a request with these identifiers; everything else in it is valid."""
    content = (route.operation.body or {}).get("content", {})
    by_place: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "form": {}, "body": {}}
    for parameter in route.operation.parameters:
        # A search without a query, a file or a picture is refused before its collections are looked up.
        if parameter["in"] == "query" and (parameter["required"] or parameter["name"] == "query"):
            by_place["query"][parameter["name"]] = "owl"
    for slot, value in values.items():
        is_list = slot.name in ("collections", "files") or (slot.place, slot.kind) == ("body", Kind.COLLECTION)
        by_place[slot.place][slot.name] = [value] if is_list else value
    options: dict[str, Any] = {place: by_place[place] for place in ("path", "query", "form")}
    if _names_upload(values):  # else the text, or the picture, would be found whatever the upload is
        by_place["query"].pop("query", None)
    in_body = {slot.place for slot in values} & {"form", "body"} == {"body"}
    if "multipart/form-data" in content and not in_body:
        options["picture"] = None if _names_upload(values) else picture
    elif "application/json" in content:
        options["query"] = {slot.name: value for slot, value in values.items() if slot.place == "query"}
        json = content["application/json"]
        options["json"] = {**(json.get("example") or example(json["schema"])), **by_place["body"]}
    return party.api(token, route.method, route.path, **options)


def _names_upload(values: Mapping[Slot, str]) -> bool:
    """Whether a search has an uploaded picture as its query."""
    return any(slot.name == "upload" for slot in values)


def check(route: DocumentedRoute, victim: Party, thief: Party, picture: bytes) -> None:
    """With every scope, the victim's identifiers get the responses of missing ones, and show nothing."""
    before, own_before = victim.snapshot(), thief.snapshot()
    reached = set()
    for scope, token in thief.tokens.items():
        for attempt in attempts(route, victim, thief):
            case = f"{route.method} {route.path}, {scope} token, {attempt.name}"
            status, body = send(thief, token, route, attempt.given, picture)
            assert status < 500, f"{case}: {body}"
            text = _without(str(body), *attempt.given.values())
            assert not [secret for secret in attempt.secrets if secret in text], f"{case}: {body}"
            if attempt.missing:
                missing_status, missing_body = send(thief, token, route, attempt.missing, picture)
                assert status == missing_status, f"{case}: {body}"
                assert text == _without(str(missing_body), *attempt.missing.values()), case
            if status == 403:
                continue
            reached.add(scope)
            if status == 200 and route.path == "/api/files/delete":
                assert [file["outcome"] for file in body["result"]["files"]] == ["not_found"], case
            elif status == 200:  # an explanation says that the key is outside the folder, and no more
                assert body["result"]["in_bucket"] == {
                    "exists": None,
                    "etag": None,
                    "size": None,
                    "reason": "The key is outside the collection's folder.",
                }, case
            else:
                assert status in (400, 404), f"{case}: {body}"
    assert reached, f"{route.method} {route.path}: no scope gets beyond 403"
    check_unchanged(victim.snapshot(), before)
    check_unchanged(thief.snapshot(), own_before)


def check_unchanged(after: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for path, shown in before.items():
        assert after[path] == shown, f"{path} was {shown}, and is {after[path]}"


def _without(text: str, *values: str) -> str:
    """The text of a response without the identifiers that the request named."""
    names = [value.rpartition("/")[2] for value in values]  # of keys; an explanation repeats them
    for value in sorted({*values, *names} - {""}, key=len, reverse=True):
        text = text.replace(value, "…")
    return text
