"""What each route demands of a token: the table, and the application that keeps to it."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.api.dispatch import Dispatcher, RouteOptions
from chalicelib.api.routes import blueprints, register_routes
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from tests.fakes.accounts import FakeAccounts
from tests.fakes.application import CONFIG, FakeAdapters

# By method and path: the scope, and whether plans without the API have the route.
TABLE = {
    ("GET", "/api/search"): (Scope.SEARCH, False),
    ("POST", "/api/search"): (Scope.SEARCH, False),
    ("POST", "/api/search/terms"): (Scope.SEARCH, False),
    ("POST", "/api/search/uploads"): (Scope.SEARCH, False),
    ("GET", "/api/search/uploads/{id}"): (Scope.SEARCH, False),
    ("DELETE", "/api/search/uploads/{id}"): (Scope.SEARCH, False),
    ("GET", "/api/files/{uuid}/similar"): (Scope.SEARCH, False),
    ("GET", "/media/{collection}/{file}"): (Scope.SEARCH, False),
    ("GET", "/collections/download/{uuid}"): (Scope.SEARCH, True),
    ("GET", "/api/collections"): (Scope.READ, True),
    ("GET", "/api/collections/{uuid}"): (Scope.READ, True),
    ("GET", "/api/collections/{uuid}/files"): (Scope.READ, True),
    ("GET", "/api/collections/{uuid}/sync-status"): (Scope.READ, False),
    ("GET", "/api/collections/{uuid}/duplicates"): (Scope.READ, False),
    ("GET", "/api/collections/{uuid}/explain"): (Scope.READ, False),
    ("GET", "/api/files/{uuid}"): (Scope.READ, True),
    ("GET", "/api/account"): (Scope.READ, True),
    ("POST", "/api/collections"): (Scope.WRITE, False),
    ("POST", "/api/collections/check"): (Scope.WRITE, False),
    ("PATCH", "/api/collections/{uuid}"): (Scope.WRITE, False),
    ("DELETE", "/api/collections/{uuid}"): (Scope.WRITE, True),
    ("POST", "/api/collections/{uuid}/sync"): (Scope.WRITE, False),
    ("POST", "/api/collections/{uuid}/duplicates"): (Scope.WRITE, False),
    ("DELETE", "/api/collections/{uuid}/sync"): (Scope.WRITE, False),
    ("POST", "/api/collections/{uuid}/upload"): (Scope.WRITE, False),
    ("POST", "/api/collections/{uuid}/uploads"): (Scope.WRITE, False),
    ("POST", "/api/collections/{uuid}/uploads/fetch"): (Scope.WRITE, False),
    ("GET", "/api/collections/{uuid}/uploads"): (Scope.READ, True),
    ("GET", "/api/collections/{uuid}/uploads/{id}"): (Scope.READ, True),
    ("DELETE", "/api/collections/{uuid}/uploads/{id}"): (Scope.WRITE, True),
    ("POST", "/api/collections/{uuid}/uploads/{id}/complete"): (Scope.WRITE, False),
    ("DELETE", "/api/files/{uuid}"): (Scope.WRITE, True),
    ("POST", "/api/files/{uuid}/retry"): (Scope.WRITE, False),
    ("PATCH", "/api/files/{uuid}"): (Scope.WRITE, False),
    ("POST", "/api/files/delete"): (Scope.WRITE, True),
    ("GET", "/api/webhooks"): (Scope.ADMIN, True),
    ("POST", "/api/webhooks"): (Scope.ADMIN, False),
    ("GET", "/api/webhooks/{id}"): (Scope.ADMIN, True),
    ("PATCH", "/api/webhooks/{id}"): (Scope.ADMIN, False),
    ("DELETE", "/api/webhooks/{id}"): (Scope.ADMIN, True),
    ("POST", "/api/webhooks/{id}/secret"): (Scope.ADMIN, False),
    ("POST", "/api/webhooks/{id}/test"): (Scope.ADMIN, False),
    ("GET", "/api/webhooks/{id}/deliveries"): (Scope.ADMIN, True),
    ("GET", "/api/webhooks/{id}/deliveries/{delivery}"): (Scope.ADMIN, True),
    ("POST", "/api/webhooks/{id}/deliveries/{delivery}/replay"): (Scope.ADMIN, False),
    ("DELETE", "/api/account"): (Scope.ADMIN, True),
    ("GET", "/api/account/export"): (Scope.ADMIN, True),
    ("GET", "/api/tokens"): (Scope.ADMIN, True),
    ("POST", "/api/tokens"): (Scope.ADMIN, False),
    ("DELETE", "/api/tokens/{id}"): (Scope.ADMIN, True),
    ("GET", "/api/openapi.json"): (None, False),
    ("GET", "/api/docs"): (None, False),
}
WITH_TOKEN = {route: demands for route, demands in TABLE.items() if demands[0] is not None}
MISSING_ID = "00000000-0000-4000-8000-000000000000"


class Application:
    """The routes on fakes, and an account."""

    def __init__(self) -> None:
        adapters = replace(FakeAdapters.fresh(), accounts=FakeAccounts())
        services = Services(CONFIG, adapters, adapters.clock)
        self.service = services.accounts
        self.account = self.service.open("a customer", Subscription("pro")).uuid
        self._app = Chalice("scopes")
        register_routes(self._app, lambda: services)

    def token(self, scope: Scope) -> tuple[str, str]:
        """A new token's secret and id."""
        secret, token = self.service.issue_token(self.account, NewToken("n", scope))
        return secret, token.id

    def call(self, route: tuple[str, str], secret: str | None) -> tuple[int, dict[str, Any]]:
        """The status of a call of a route with identifiers that nothing has, and the ``info`` of its body."""
        method, path = route
        parameters = {name: MISSING_ID for name in ("uuid", "id", "collection", "delivery") if f"{{{name}}}" in path}
        parameters |= {"file": f"{MISSING_ID}.jpg"} if "{file}" in path else {}
        headers = {"Authorization": f"Token {secret}"} if secret else {}
        event = {
            "resource": path,
            "path": path.format(**parameters),
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "multiValueQueryStringParameters": None,
            "pathParameters": parameters,
            "stageVariables": None,
            "requestContext": {"resourcePath": path, "httpMethod": method, "requestId": "r-1", "path": path},
            "body": None,
            "isBase64Encoded": False,
        }
        response = self._app(event, None)
        return response["statusCode"], json.loads(response["body"])["info"]


@pytest.fixture
def application() -> Application:
    return Application()


def options() -> dict[tuple[str, str], RouteOptions]:
    dispatcher = Dispatcher(lambda: pytest.fail("nothing is requested"))
    blueprints(dispatcher)
    return dispatcher.options


def test_every_route_declares_what_the_table_says() -> None:
    heads = {("HEAD", path): demands for (method, path), demands in TABLE.items() if method == "GET"}
    assert {route: (declared.scope, declared.any_plan) for route, declared in options().items()} == TABLE | heads


@pytest.mark.parametrize("route", sorted(WITH_TOKEN), ids=" ".join)
def test_route_takes_tokens_of_its_scope_and_wider_ones_alone(application: Application, route: tuple[str, str]) -> None:
    needed, _ = WITH_TOKEN[route]
    assert needed is not None
    for scope in Scope:
        secret, _ = application.token(scope)
        status, info = application.call(route, secret)
        if scope.includes(needed):
            assert status != 403, info
        else:
            code = "read_only_token" if needed is Scope.WRITE else "scope_forbids"
            assert (status, info["error"]) == (403, code)
            assert f"'{needed}'" in info["message"]
    assert application.call(route, None)[1]["error"] == "forbidden"


@pytest.mark.parametrize("route", sorted(WITH_TOKEN), ids=" ".join)
def test_account_on_a_plan_without_the_api_may_still_show_download_and_delete(
    application: Application, route: tuple[str, str]
) -> None:
    secret, _ = application.token(Scope.ADMIN)
    application.service.set_subscription(application.account, Subscription("free"))
    status, info = application.call(route, secret)
    _, any_plan = WITH_TOKEN[route]
    if any_plan:
        assert status != 403, info
    else:
        assert (status, info["error"]) == (403, "plan_forbids")


@pytest.mark.parametrize("scope", [Scope.SEARCH, Scope.ADMIN])
def test_log_names_account_and_token_of_every_request_also_of_a_refused_one_and_never_the_secret(
    application: Application, log: io.StringIO, scope: Scope
) -> None:
    secret, token = application.token(scope)
    status, _ = application.call(("GET", "/api/tokens"), secret)
    assert status == (200 if scope is Scope.ADMIN else 403)
    (line,) = log.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["account"], entry["token"], entry["status"]) == (application.account, token, status)
    assert secret.removeprefix("smx_") not in line


def test_log_of_a_request_without_a_valid_token_names_no_account(application: Application, log: io.StringIO) -> None:
    secret = "smx_" + "a" * 43
    assert application.call(("GET", "/api/account"), secret)[0] == 403
    entry = json.loads(log.getvalue())
    assert not {"account", "token"} & set(entry)
    assert "a" * 43 not in log.getvalue()
