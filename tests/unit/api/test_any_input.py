"""Whatever a caller sends, to any route: no request fails on our side, and a message repeats little of it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.domain.texts import EXCERPT_LIMIT
from tests.fakes.api import BOUNDARY, FakeApi, form_body, part
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.strict import strict
from tests.isolation import WIDEST_SCOPE, Kind, Party, documented_routes, inputs, slots

MESSAGE_LIMIT = 800  # characters of an error's message, with what it repeats
ROUTES = documented_routes()
# With lone surrogates, NUL and bidi controls, and longer than any key.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=[])),
    st.sampled_from(["", "\0", "a\0b", "\ud800", "\udfff.jpg", "\u202egpj.exe", "\x1b]0;x\x07", "..", "x" * 3000]),
    st.text(min_size=1, max_size=3).map(lambda text: text * 1500),
)
NUMBERS = st.integers() | st.floats() | st.just(10**400) | st.just(-1)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PARAMETERS = sorted({name for route in ROUTES for place, name in inputs(route) if place == "query"})
FIELDS = sorted({name for route in ROUTES for place, name in inputs(route) if place == "body"})
VALID = {
    "type": "s3",
    "name": "n",
    "bucket": "a-bucket",
    "region": "eu-west-1",
    "size": 5,
    "mime_type": "image/png",
    "file": "a.jpg",
    "scope": "read",
    "role_arn": "arn:aws:iam::123456789012:role/similarix-x",
    "dry_run": True,
    "expires_at": "9999-12-31T23:59:59.999999-23:59",
}
COLLECTION_FIELDS = sorted(
    name
    for route in ROUTES
    for place, name in inputs(route)
    if (route.method, route.path, place) == ("POST", "/api/collections", "body")
)
# Without these, another parameter of the request is refused first.
VALID_QUERY = {"query": ["owl"], "expires": ["99999999999"], "signature": ["x"]}
CHARSETS = ("punycode", "bogus", "rot13", "zlib", "utf-16", "utf-7", "idna", "undefined", "unicode_escape", "latin-1")


def cursors() -> st.SearchStrategy[str]:
    """Anything in a cursor's form, and what is none."""

    def encode(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return TEXTS | JSON.map(encode) | st.lists(JSON, min_size=2, max_size=2).map(encode)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, str | None]:
    """A body, and its content type."""
    kind = draw(st.sampled_from(("json", "form", "bytes", "none")))
    if kind == "json":
        known = draw(st.fixed_dictionaries({}, optional={name: JSON | st.just(VALID.get(name)) for name in FIELDS}))
        extra = draw(st.dictionaries(TEXTS, JSON, max_size=2))
        return json.dumps({**known, **extra}).encode(), "application/json"
    if kind == "form":
        parts = [part("file", draw(st.binary(max_size=40)), draw(st.none() | TEXTS))]
        for name, value, charset in draw(
            st.lists(
                st.tuples(st.sampled_from(PARAMETERS) | TEXTS, TEXTS | cursors(), st.sampled_from(CHARSETS)), max_size=3
            )
        ):
            encoded = value.encode("utf-8", "surrogatepass")
            parts.append(part(name, encoded, None, f"text/plain; charset={charset}"))
        return form_body(parts), f"multipart/form-data; boundary={BOUNDARY}"
    if kind == "bytes":
        return draw(st.binary(max_size=200)), draw(st.sampled_from(("application/json", None)) | TEXTS)
    return b"", None


@st.composite
def paths(draw: st.DrawFn, route: DocumentedRoute, own: dict[Kind, str]) -> dict[str, str]:
    """Values of the path's parameters: the caller's own, or anything."""
    taken = [slot for slot in slots(route) if slot.place == "path"]
    return {slot.name: draw(st.just(own[slot.kind]) | TEXTS) for slot in taken}


class Caller:
    """A fresh system with an account that has one of each resource."""

    def __init__(self) -> None:
        self.api = FakeApi(services_on(strict(FakeAdapters.fresh())))
        tokens = self.api.open_account("n")
        self.party = Party.with_one_of_each(self.api, tokens[WIDEST_SCOPE], b"a picture", tokens)
        self.tokens = tokens


@pytest.fixture(scope="module", params=ROUTES, ids=lambda route: f"{route.method} {route.path}")
def route(request: pytest.FixtureRequest) -> DocumentedRoute:
    route: DocumentedRoute = request.param
    return route


@pytest.fixture(scope="module")
def caller(route: DocumentedRoute) -> Caller:  # a route that deletes must not leave the next one without
    return Caller()


@settings(max_examples=20)
@given(data=st.data())
def test_no_input_of_any_route_fails_on_our_side(route: DocumentedRoute, caller: Caller, data: st.DataObject) -> None:
    body, content_type = data.draw(bodies())
    headers = {"authorization": f"Token {data.draw(st.sampled_from(sorted(caller.tokens.values())) | TEXTS)}"}
    headers |= {} if content_type is None else {"content-type": content_type}
    headers |= data.draw(st.fixed_dictionaries({}, optional={"if-none-match": TEXTS | st.just("*"), "host": TEXTS}))
    query = data.draw(
        st.dictionaries(st.sampled_from(PARAMETERS) | TEXTS, st.lists(TEXTS | cursors(), max_size=2), max_size=4)
    )
    check(
        caller.api.send(
            route.method,
            route.path,
            path=data.draw(paths(route, dict(caller.party.ids))),
            query=query,
            headers=headers,
            body=body,
        )
    )


def check(response: dict[str, Any]) -> dict[str, Any]:
    """The response's ``info``, after a look at what every response must be."""
    assert response["statusCode"] < 500, response
    response["body"].encode()
    if response["headers"].get("Content-Type") != "application/json":
        return {}
    info: dict[str, Any] = json.loads(response["body"])["info"]
    if response["statusCode"] >= 400:
        for shown in (info["message"], info.get("field", "")):
            assert shown.isprintable()
        assert len(info["message"]) <= MESSAGE_LIMIT
        assert len(info.get("field", "")) <= EXCERPT_LIMIT + 1
    return info


class TestWhatCannotBeStored:
    """Each place where a text may stand: 400 with the name of the field, 404 for an identifier."""

    caller = Caller()
    texts = pytest.mark.parametrize("text", ["\0", "a\ud800", "\udc00b"])

    def send(self, method: str, route: str, **request: Any) -> dict[str, Any]:
        headers = {"authorization": f"Token {self.caller.party.token}", **request.pop("headers", {})}
        return self.caller.api.send(method, route, headers=headers, **request)

    def send_json(self, method: str, route: str, body: Any) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        return self.send(method, route, headers=headers, body=json.dumps(body).encode())

    def send_form(
        self,
        route: DocumentedRoute,
        path: dict[str, str],
        parts: list[bytes],
        query: dict[str, list[str]] | None = None,
    ) -> dict[str, Any]:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.send(route.method, route.path, path=path, query=query, headers=headers, body=form_body(parts))

    @texts
    @pytest.mark.parametrize("field", COLLECTION_FIELDS)
    def test_of_a_collection_is_refused_with_its_field(self, field: str, text: str) -> None:
        for value in (text, [text]):
            response = self.send_json("POST", "/api/collections", {**VALID, field: value})
            assert (response["statusCode"], check(response)["field"]) == (400, field)

    @texts
    def test_deep_in_a_body_is_refused_with_the_outermost_field(self, text: str) -> None:
        response = self.send_json("POST", "/api/tokens", {"name": [{"deep": [{"deeper": text}]}]})
        assert (response["statusCode"], check(response)["field"]) == (400, "name")
        response = self.send_json("POST", "/api/tokens", {"name": {text: 1}})
        assert (response["statusCode"], check(response)["field"]) == (400, "name")

    @texts
    def test_as_a_fields_name_is_refused(self, text: str) -> None:
        assert self.send_json("POST", "/api/tokens", {text: 1})["statusCode"] == 400

    @texts
    @pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
    def test_of_a_query_or_form_is_refused_with_the_parameters_name(self, route: DocumentedRoute, text: str) -> None:
        own = {slot.name: self.caller.party.ids[slot.kind] for slot in slots(route) if slot.place == "path"}
        taken = [name for place, name in inputs(route) if place == "query"]
        for name in taken:
            query = {other: VALID_QUERY[other] for other in taken if other in VALID_QUERY} | {name: [text]}
            if ("form", name) in inputs(route):
                file, field = part("file", b"x", "a"), part(name, text.encode("utf-8", "surrogatepass"))
                responses = [self.send_form(route, own, [file], query), self.send_form(route, own, [file, field])]
            else:
                responses = [self.send(route.method, route.path, path=own, query=query)]
            for response in responses:
                assert (response["statusCode"], check(response)["field"]) == (400, name)

    @texts
    def test_in_a_path_is_not_found(self, text: str) -> None:
        for route in ROUTES:
            taken = [slot.name for slot in slots(route) if slot.place == "path"]
            if taken:
                response = self.send(route.method, route.path, path=dict.fromkeys(taken, text))
                assert response["statusCode"] == 404, route.path


def forged(genuine: str, position: object) -> str:
    """A cursor with the digest of a genuine one and another position."""
    digest, _ = json.loads(base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)))
    return base64.urlsafe_b64encode(json.dumps([digest, position]).encode()).decode().rstrip("=")


class TestCursors:
    """A cursor has a digest of its request, which is no secret: a caller can put another position beside it."""

    app = TestWhatCannotBeStored()

    def page(self, route: str, cursor: str | None, **query: str) -> dict[str, Any]:
        own = {"uuid": self.app.caller.party.ids[Kind.COLLECTION]} if "{uuid}" in route else {}
        parameters = {**query, "limit": "1", **({} if cursor is None else {"cursor": cursor})}
        return self.app.send("GET", route, path=own, query={name: [value] for name, value in parameters.items()})

    @pytest.mark.parametrize(
        ("route", "query"),
        [("/api/search", {"query": "owl"}), ("/api/collections/{uuid}/files", {"state": "indexed"})],
        ids=["search", "files"],
    )
    @settings(max_examples=50)
    @given(position=JSON | st.tuples(NUMBERS, TEXTS) | st.just([0.5, 1]) | st.just([True, "x"]))
    @example(position="")
    @example(position=[10**400, "00000000-0000-4000-8000-000000000000"])
    @example(position=[float("nan"), "00000000-0000-4000-8000-000000000000"])
    @example(position="x" * 2000)
    def test_position_of_another_form_is_refused(self, route: str, query: dict[str, str], position: Any) -> None:
        genuine = json.loads(self.page(route, None, **query)["body"])["info"]["next_cursor"]
        response = self.page(route, forged(genuine, position), **query)
        if response["statusCode"] != 200:
            assert (response["statusCode"], check(response)["field"]) == (400, "cursor")
        elif position is not None:
            assert "search" in route
            assert isinstance(position, list | tuple)

    @pytest.mark.parametrize("key", ["\ud800", "\0", "", "x" * 1025, 1, None])
    def test_position_of_an_export_with_a_key_that_no_table_has_is_refused(self, key: object) -> None:
        route = "/api/account/export"
        genuine = json.loads(self.page(route, None)["body"])["info"]["next_cursor"]
        for position in (
            ["items", key],
            ["deliveries", "e", key],
            ["deliveries", key, "d"],
            ["files", self.app.caller.party.ids[Kind.COLLECTION], key],
        ):
            response = self.page(route, forged(genuine, position))
            assert (response["statusCode"], check(response)["field"]) == (400, "cursor")

    def test_cursor_of_another_endpoint_is_refused(self) -> None:
        of_files = self.app.caller.party.ids[Kind.CURSOR]
        response = self.page("/api/search", of_files, query="owl")
        assert (response["statusCode"], check(response)["field"]) == (400, "cursor")

    @pytest.mark.parametrize("cursor", ["=", "é", "bm8", "x" * 4097, "W10"])
    def test_malformed_cursor_is_refused(self, cursor: str) -> None:
        response = self.page("/api/search", cursor, query="owl")
        assert (response["statusCode"], check(response)["field"]) == (400, "cursor")


def sent_form(*fields: bytes) -> dict[str, Any]:
    caller = TestWhatCannotBeStored.caller
    headers = {
        "authorization": f"Token {caller.party.token}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    return caller.api.send("POST", "/api/search", headers=headers, body=form_body([*fields, part("file", b"x", "a")]))


class TestForms:
    @pytest.mark.parametrize("charset", CHARSETS)
    def test_charset_of_a_part_is_ignored(self, charset: str) -> None:
        response = sent_form(part("limit", b"5", content_type=f"text/plain; charset={charset}"))
        assert response["statusCode"] == 200

    def test_field_that_is_not_utf8_is_refused_with_its_name(self) -> None:
        response = sent_form(part("limit", b"\xff5", content_type="text/plain; charset=latin-1"))
        assert (response["statusCode"], check(response)["field"]) == (400, "limit")

    def test_field_that_is_too_long_is_refused_with_its_name(self) -> None:
        response = sent_form(part("limit", b"a-" + b"9" * 450_000, content_type="text/plain; charset=punycode"))
        assert (response["statusCode"], check(response)["field"]) == (400, "limit")

    def test_form_with_too_many_parts_is_refused(self) -> None:
        assert sent_form(*[part("x", b"1")] * 40)["statusCode"] == 400

    @pytest.mark.parametrize("name", ["x\0", "n" * 1000 + "\0"])
    def test_name_that_cannot_be_stored_is_refused(self, name: str) -> None:
        assert sent_form(part(name, b"1"))["statusCode"] == 400


@pytest.mark.parametrize("length", [200, 5_000_000])
def test_an_unknown_field_is_shown_by_its_beginning(length: int) -> None:
    response = TestWhatCannotBeStored().send_json("POST", "/api/tokens", {"\x1b" + "f" * length: 1})
    info = check(response)
    assert response["statusCode"] == 400
    assert info["field"] == "\ufffd" + "f" * (EXCERPT_LIMIT - 1) + "…"
    assert info["field"] in info["message"]
