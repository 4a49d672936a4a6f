"""Headers of responses: the request's id, the token's rate, when to try again, and what credentials lack."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from chalicelib.api.openapi.document import RATE_HEADERS, build_document
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from tests.fakes.accounts import FakeAccounts
from tests.fakes.api import FakeApi, form_body, part
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import documented_routes

UPLOAD, UPLOADS = "/api/collections/{uuid}/upload", "/api/collections/{uuid}/uploads"


class Application:
    """The API on fakes, with an account that has limits of its own."""

    def __init__(self, **limits: int) -> None:
        self.adapters = replace(FakeAdapters.fresh(), accounts=FakeAccounts())
        self.services: Services = services_on(self.adapters)
        self.account = self.services.accounts.open("a customer", Subscription("pro", limits)).uuid
        self._api = FakeApi(self.services)

    def token(self, scope: Scope = Scope.ADMIN) -> str:
        return self.services.accounts.issue_token(self.account, NewToken("n", scope))[0]

    def send(self, method: str, route: str, authorization: str | None, **options: Any) -> dict[str, Any]:
        headers = {"authorization": authorization} if authorization is not None else {}
        return self._api.send(method, route, headers=headers | options.pop("headers", {}), **options)

    def search(self, secret: str) -> dict[str, Any]:
        return self.send("GET", "/api/search", f"Token {secret}", query={"query": ["an owl"]})


def info(response: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(response["body"])["info"]
    return result


@pytest.mark.parametrize("route", documented_routes(), ids=lambda route: f"{route.method} {route.path}")
def test_every_response_has_the_requests_id_and_a_refusal_has_it_in_its_body_too(route: Any) -> None:
    application = Application()
    names = [name.strip("{}") for name in route.path.split("/") if name.startswith("{")]
    path = dict.fromkeys(names, "00000000-0000-4000-8000-000000000000")
    for authorization in (None, f"Token {application.token(Scope.SEARCH)}", f"Token {application.token()}"):
        response = application.send(route.method, route.path, authorization, path=path)
        assert response["headers"]["X-Request-Id"]
        if response["statusCode"] >= 400:
            assert info(response)["request_id"] == response["headers"]["X-Request-Id"]


class TestRates:
    def test_each_search_says_what_is_left_of_the_tokens_rate(self) -> None:
        application = Application(searches_a_minute=3)
        secret = application.token()
        responses = [application.search(secret) for _ in range(4)]
        assert [response["statusCode"] for response in responses] == [200, 200, 200, 429]
        assert {response["headers"]["RateLimit-Policy"] for response in responses} == {'"search";q=3;w=60'}
        assert [response["headers"]["RateLimit"] for response in responses] == [
            '"search";r=2;t=20',
            '"search";r=1;t=40',
            '"search";r=0;t=60',
            '"search";r=0;t=20',
        ]

    def test_a_refused_search_says_when_the_next_one_is_served(self) -> None:
        application = Application(searches_a_minute=3)
        secret = application.token()
        while (response := application.search(secret))["statusCode"] == 200:
            pass
        assert response["headers"]["Retry-After"] == "20"
        assert info(response)["error"] == "rate_limited"
        assert "3 requests" in info(response)["message"]
        application.services.wait(19)
        assert application.search(secret)["statusCode"] == 429
        application.services.wait(1)
        assert application.search(secret)["statusCode"] == 200

    def test_each_token_has_a_rate_of_its_own(self) -> None:
        application = Application(searches_a_minute=1)
        one, another = application.token(), application.token()
        assert [application.search(secret)["statusCode"] for secret in (one, one, another)] == [200, 429, 200]

    def test_uploads_count_apart_from_searches_also_when_they_are_refused(self) -> None:
        application = Application(searches_a_minute=1, uploads_a_minute=1)
        secret = application.token()
        path = {"uuid": "00000000-0000-4000-8000-000000000000"}
        assert application.search(secret)["statusCode"] == 200
        responses = [
            application.send(
                "POST", UPLOAD, f"Token {secret}", path=path, body=form_body([part("file", b"a", "a.jpg")])
            )
            for _ in range(2)
        ]
        assert [response["statusCode"] for response in responses] == [404, 429]
        assert {response["headers"]["RateLimit-Policy"] for response in responses} == {'"upload";q=1;w=60'}

    def test_requests_that_are_not_limited_have_no_such_header(self) -> None:
        application = Application()
        response = application.send("GET", "/api/collections", f"Token {application.token()}")
        assert not [name for name in response["headers"] if name.startswith("RateLimit")]

    def test_a_request_that_its_token_may_not_make_does_not_count(self) -> None:
        application = Application(uploads_a_minute=1)
        path = {"uuid": "00000000-0000-4000-8000-000000000000"}
        for _ in range(3):
            response = application.send("POST", UPLOAD, f"Token {application.token(Scope.READ)}", path=path)
            assert response["statusCode"] == 403
            assert "RateLimit" not in response["headers"]
        assert application.adapters.rate_buckets.attempts == 0


class TestCredentials:
    @pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "BEARER"])
    def test_a_token_is_taken_in_either_scheme_in_any_case(self, scheme: str) -> None:
        application = Application()
        response = application.send("GET", "/api/account", f"{scheme} {application.token()}")
        assert response["statusCode"] == 200
        assert "WWW-Authenticate" not in response["headers"]

    def test_a_request_without_a_token_is_told_which_schemes_there_are(self) -> None:
        response = Application().send("GET", "/api/account", None)
        assert response["statusCode"] == 403
        assert response["headers"]["WWW-Authenticate"] == 'Token realm="Similarix", Bearer realm="Similarix"'

    @pytest.mark.parametrize("authorization", ["Token smx_0000000000000000000000", "Basic dTpw", "Token"])
    def test_a_wrong_token_is_called_invalid(self, authorization: str) -> None:
        response = Application().send("GET", "/api/account", authorization)
        assert response["headers"]["WWW-Authenticate"].endswith('Bearer realm="Similarix", error="invalid_token"')

    def test_a_token_of_too_narrow_a_scope_is_told_which_one_is_needed(self) -> None:
        application = Application()
        response = application.send("GET", "/api/tokens", f"Token {application.token(Scope.READ)}")
        assert response["headers"]["WWW-Authenticate"].endswith('error="insufficient_scope", scope="admin"')

    def test_a_refusal_that_other_credentials_do_not_change_has_no_challenge(self) -> None:
        application = Application(collections=0)
        secret = application.token()
        body = json.dumps({"type": "managed", "name": "n"}).encode()
        headers = {"content-type": "application/json"}
        response = application.send("POST", "/api/collections", f"Token {secret}", body=body, headers=headers)
        assert (response["statusCode"], info(response)["error"]) == (403, "quota_exceeded")
        assert "WWW-Authenticate" not in response["headers"]
        assert "resets_at" not in info(response)


def test_a_month_whose_uploads_are_used_up_says_when_the_next_one_begins() -> None:
    application = Application(uploads_a_month=1)
    secret, headers = application.token(), {"content-type": "application/json"}
    created = application.send(
        "POST", "/api/collections", f"Token {secret}", body=b'{"type": "managed", "name": "n"}', headers=headers
    )
    path = {"uuid": json.loads(created["body"])["result"]["collection"]["uuid"]}
    new = json.dumps({"path": "a.jpg", "size": 1, "mime_type": "image/jpeg"}).encode()
    first, second = (
        application.send("POST", UPLOADS, f"Token {secret}", path=path, body=new, headers=headers) for _ in range(2)
    )
    assert (first["statusCode"], second["statusCode"]) == (201, 403)
    assert info(second)["error"] == "quota_exceeded"
    now, resets_at = application.adapters.clock(), datetime.fromisoformat(info(second)["resets_at"])
    assert (resets_at.day, resets_at.hour, resets_at.minute) == (1, 0, 0)
    assert 0 < (resets_at - now).days <= 31


def test_searches_uploads_and_checks_of_named_servers_are_limited_and_nothing_else() -> None:
    assert {(route.method, route.path) for route in documented_routes() if route.rate_limited} == {
        ("GET", "/api/search"),
        ("POST", "/api/search"),
        ("POST", "/api/search/terms"),
        ("POST", "/api/search/uploads"),
        ("GET", "/api/files/{uuid}/similar"),
        ("POST", UPLOAD),
        ("POST", UPLOADS),
        ("POST", f"{UPLOADS}/fetch"),
        ("POST", "/api/collections"),
        ("POST", "/api/collections/check"),
        ("PATCH", "/api/collections/{uuid}"),
    }


def test_a_collection_counts_for_the_rate_only_where_a_server_is_asked_that_the_caller_names() -> None:
    application = Application(uploads_a_minute=3)
    application.adapters.sources.bucket("a-bucket").put("a.jpg", b"a picture")
    secret = application.token()
    key = {"access_key_id": "AKID", "secret_access_key": "the-secret"}
    on_server = {"bucket": "a-bucket", "endpoint": "https://s3.example.com"}
    on_aws = {"bucket": "a-bucket", "region": "eu-west-1"}

    def send(method: str, route: str, **body: Any) -> dict[str, Any]:
        uuids = {"path": {"uuid": made["uuid"]}} if "{uuid}" in route else {}
        text, headers = json.dumps(body).encode(), {"content-type": "application/json"}
        return application.send(method, route, f"Token {secret}", body=text, headers=headers, **uuids)

    for _ in range(4):
        assert send("POST", "/api/collections", type="managed", name="n")["statusCode"] == 201
        for source in (on_aws, on_server):  # without a role or a key nothing is asked
            response = send("POST", "/api/collections/check", **source)
            assert (response["statusCode"], "RateLimit" in response["headers"]) == (200, False)
    created = send("POST", "/api/collections", type="s3", name="n", **on_server, **key)
    assert (created["statusCode"], created["headers"]["RateLimit"]) == (201, '"upload";r=2;t=20')
    made = json.loads(created["body"])["result"]["collection"]
    assert send("PATCH", "/api/collections/{uuid}", name="other")["headers"].get("RateLimit") is None
    assert send("PATCH", "/api/collections/{uuid}", **key)["headers"]["RateLimit"] == '"upload";r=1;t=40'
    assert send("POST", "/api/collections/check", **on_server, **key)["statusCode"] == 200
    asked = len(application.adapters.access_checker.checked)
    refused = [
        send("POST", "/api/collections/check", **on_server, **key),
        send("POST", "/api/collections", type="s3", name="n", **on_server, **key),
        send("PATCH", "/api/collections/{uuid}", **key),
    ]
    assert [(response["statusCode"], info(response)["error"]) for response in refused] == [(429, "rate_limited")] * 3
    assert len(application.adapters.access_checker.checked) == asked
    assert send("POST", "/api/collections", type="managed", name="n")["statusCode"] == 201


def test_the_document_names_the_headers_of_limited_operations_and_of_no_other() -> None:
    routes = documented_routes()
    paths = build_document(routes)["paths"]
    for route in routes:
        responses = paths[f"{route.path}/" if route.operation.trailing_slash else route.path][route.method.lower()]
        success = responses["responses"][str(route.operation.status)]
        documented = set(success.get("headers", {})) & set(RATE_HEADERS)
        assert documented == (set(RATE_HEADERS) if route.rate_limited else set()), route.path
