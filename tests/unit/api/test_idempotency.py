"""Requests with an idempotency key: what they make is made once, and each of them gets the same answer."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.dispatch import Dispatcher
from chalicelib.api.idempotency import given_answer, kept_answer
from chalicelib.api.routes import blueprints
from chalicelib.domain.accounts import Scope, generate_secret
from chalicelib.domain.idempotency import ANSWERS_KEPT
from tests.fakes.api import BOUNDARY, FakeApi, form_body, part
from tests.fakes.application import FakeAdapters, services_on

MANAGED = {"type": "managed", "name": "n"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


class Shop:
    """An account that sends requests with keys."""

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.api = FakeApi(services_on(self.ports))
        self.tokens = self.api.open_account("a shop")

    def send(
        self,
        method: str,
        route: str,
        body: bytes,
        key: str | None = KEY,
        *,
        scope: Scope = Scope.ADMIN,
        content_type: str = "application/json",
        **request: Any,
    ) -> dict[str, Any]:
        headers = {"authorization": f"Token {self.tokens[scope]}", "content-type": content_type}
        headers |= {"idempotency-key": key} if key is not None else {}
        return self.api.send(method, route, headers=headers, body=body, **request)

    def create(self, key: str | None = KEY, **options: Any) -> dict[str, Any]:
        """The response to a request for a new collection."""
        return self.send("POST", "/api/collections", json.dumps(MANAGED).encode(), key, **options)

    def collections(self) -> list[Any]:
        body = json.loads(self.send("GET", "/api/collections", b"", None)["body"])
        return list(body["result"]["collections"])


@pytest.fixture
def shop() -> Shop:
    return Shop()


def replayed(response: dict[str, Any]) -> bool:
    return response["headers"].get("Idempotent-Replayed") == "true"


def without_request(response: dict[str, Any]) -> Any:
    """Status, body and location, which a replayed answer has of the first one."""
    return response["statusCode"], response["body"], response["headers"].get("Location")


def test_ten_equal_requests_make_one_collection_and_get_one_answer(shop: Shop) -> None:
    first, *others = [shop.create() for _ in range(10)]
    assert first["statusCode"] == 201
    assert not replayed(first)
    assert all(replayed(other) for other in others)
    assert {str(without_request(other)) for other in others} == {str(without_request(first))}
    assert len(shop.collections()) == 1
    assert len({other["headers"]["X-Request-Id"] for other in (first, *others)}) == 10


def test_the_key_may_stand_in_quotation_marks_as_the_draft_writes_it(shop: Shop) -> None:
    shop.create()
    assert replayed(shop.create(f'"{KEY}"'))


def test_another_key_or_none_makes_another_collection(shop: Shop) -> None:
    for key in (KEY, "another", None, None):
        assert not replayed(shop.create(key))
    assert len(shop.collections()) == 4


@pytest.mark.parametrize("key", ["", " ", '"', '"a', 'a"', "two words", "é", "x" * 256, "a\\b"])
def test_a_malformed_key_is_refused_and_nothing_is_made(shop: Shop, key: str) -> None:
    response = shop.create(key)
    info = json.loads(response["body"])["info"]
    assert (response["statusCode"], info["error"], info["field"]) == (400, "invalid_request", "Idempotency-Key")
    assert shop.collections() == []


def test_a_key_with_another_payload_is_refused(shop: Shop) -> None:
    shop.create()
    response = shop.send("POST", "/api/collections", json.dumps({**MANAGED, "name": "another"}).encode())
    assert (response["statusCode"], json.loads(response["body"])["info"]["error"]) == (422, "idempotency_key_reused")
    assert len(shop.collections()) == 1


def test_a_key_is_its_tokens_and_its_routes_own(shop: Shop) -> None:
    shop.create()
    assert not replayed(shop.create(scope=Scope.WRITE))
    token = {"name": "t", "scope": "read"}
    assert shop.send("POST", "/api/tokens", json.dumps(token).encode())["statusCode"] == 201


def test_a_refused_request_may_be_corrected_under_its_key(shop: Shop) -> None:
    assert shop.send("POST", "/api/collections", b"{}")["statusCode"] == 400
    assert shop.create()["statusCode"] == 201


def test_a_form_is_the_same_whatever_its_boundary_and_makes_one_file(shop: Shop) -> None:
    own = {"uuid": json.loads(shop.create()["body"])["result"]["collection"]["uuid"]}

    def upload(boundary: str, picture: bytes) -> dict[str, Any]:
        body = form_body([part("file", picture, "a.jpg")]).replace(BOUNDARY.encode(), boundary.encode())
        form = f"multipart/form-data; boundary={boundary}"
        return shop.send("POST", "/api/collections/{uuid}/upload", body, "k", path=own, content_type=form)

    first, again, other = upload("one", b"a picture"), upload("two", b"a picture"), upload("one", b"another picture")
    assert (first["statusCode"], replayed(again), other["statusCode"]) == (201, True, 422)
    assert without_request(first) == without_request(again)
    for boundary in ("i", "form", "a"):  # that occur in the form itself
        assert replayed(upload(boundary, b"a picture"))
        assert upload(boundary, b"another picture")["statusCode"] == 422


def test_the_secret_of_a_token_is_given_again_and_never_kept_in_clear(shop: Shop) -> None:
    body = json.dumps({"name": "t", "scope": "read"}).encode()
    first, again = (shop.send("POST", "/api/tokens", body) for _ in range(2))
    secret = json.loads(first["body"])["result"]["secret"]
    assert without_request(first) == without_request(again)
    (kept,) = shop.ports.idempotent_answers.kept.values()
    assert secret not in str(kept.answer)
    assert secret.encode().hex() not in str(kept.answer)
    works = shop.api.send("GET", "/api/account", headers={"authorization": f"Token {secret}"})
    assert works["statusCode"] == 200


SECRETS = st.builds(lambda _: generate_secret(), st.integers())


@given(SECRETS, SECRETS, SECRETS)
def test_a_kept_secret_is_read_with_the_callers_own_secret_alone(bearer: str, other: str, secret: str) -> None:
    answer = {"status": 201, "result": {"b": 1, "secret": secret, "a": 2}, "info": {}, "location": None}
    text = kept_answer(answer, "secret", bearer)
    assert given_answer(text, bearer) == answer
    assert list(given_answer(text, bearer)["result"]) == ["b", "secret", "a"]
    assert secret not in text
    assert secret.encode().hex() not in text
    assert text != kept_answer(answer, "secret", bearer), "each has a nonce of its own"
    try:
        read = given_answer(text, other)["result"]["secret"]
    except UnicodeDecodeError:
        return
    assert read != secret


def test_an_answer_is_kept_for_a_day(shop: Shop) -> None:
    shop.create()
    shop.ports.clock.pass_by(ANSWERS_KEPT - timedelta(seconds=1))
    assert replayed(shop.create())
    shop.ports.clock.pass_by(timedelta(seconds=1))
    assert not replayed(shop.create())


def test_a_deletion_whose_answer_is_too_large_to_be_kept_is_answered_and_repeated_without_its_paths(shop: Shop) -> None:
    own = {"uuid": json.loads(shop.create()["body"])["result"]["collection"]["uuid"]}
    folders = "/".join(["\u4e2d" * 80] * 3)
    files = []
    for number in range(320):
        form = form_body([part("file", b"a picture", "a.jpg"), part("path", f"{folders}/{number}.jpg".encode())])
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        made = shop.send("POST", "/api/collections/{uuid}/upload", form, None, path=own, content_type=content_type)
        files.append(json.loads(made["body"])["result"]["uuid"])
    body = json.dumps({"files": [*files, "none"]}).encode()
    first, again = (shop.send("POST", "/api/files/delete", body) for _ in range(2))
    assert (first["statusCode"], again["statusCode"], replayed(again)) == (200, 200, True)
    told, repeated = (json.loads(response["body"])["result"] for response in (first, again))
    assert all(file["path"].startswith(folders) for file in told["files"][:-1])
    assert repeated == {**told, "files": [{**file, "path": None} for file in told["files"]]}
    assert [file["outcome"] for file in repeated["files"]] == ["deleted"] * 320 + ["not_found"]


def test_requests_that_change_nothing_take_no_key(shop: Shop) -> None:
    shop.create("another")
    for _ in range(2):
        response = shop.api.send(
            "GET",
            "/api/search",
            query={"query": ["owl"]},
            headers={"authorization": f"Token {shop.tokens[Scope.SEARCH]}", "idempotency-key": KEY},
        )
        assert response["statusCode"] == 200
        assert not replayed(response)


def test_every_post_takes_a_key_unless_it_changes_nothing() -> None:
    dispatcher = Dispatcher(lambda: pytest.fail("nothing is requested"))
    blueprints(dispatcher)
    takes = {path for (method, path), options in dispatcher.options.items() if options.takes_key}
    posts = {path for method, path in dispatcher.options if method == "POST"}
    assert posts - takes == {"/api/search", "/api/search/terms", "/api/collections/check"}
    assert {path for (method, path) in dispatcher.options if method != "POST"} & takes <= posts
