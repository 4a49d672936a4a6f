"""Web pages of other origins: every response lets an allowed page read it, and a preflight lets its request through."""

import re
from dataclasses import replace
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.api.cross_origin import EXPOSED_HEADERS, cross_origin_headers
from chalicelib.api.routes import FALLBACK_PATHS, register_routes
from chalicelib.bootstrap import Services
from tests.fakes.api import FakeApi
from tests.fakes.application import CONFIG, FakeAdapters
from tests.isolation import MISSING_ID

PAGE = "https://shop.example"


def views() -> dict[str, Any]:
    app = Chalice("routes")
    register_routes(app, lambda: pytest.fail("nothing is requested"))
    return {path: set(methods) for path, methods in app.routes.items()}


def missing(path: str) -> dict[str, str]:
    """Values of the path's parameters that identify nothing."""
    return dict.fromkeys(re.findall(r"{(.+?)}", path), MISSING_ID)


ROUTES = sorted((path, method) for path, methods in views().items() for method in methods)


@pytest.mark.parametrize(("path", "method"), ROUTES, ids=[" ".join(reversed(route)) for route in ROUTES])
def test_a_page_may_read_every_response_refusals_included(api: FakeApi, path: str, method: str) -> None:
    response = api.send(method, path, path=missing(path), headers={"origin": PAGE})
    assert response["headers"]["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response["headers"]


@pytest.mark.parametrize("path", sorted(views()))
def test_a_preflight_needs_no_token_and_names_the_methods_of_the_path(api: FakeApi, path: str) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    response = api.send("OPTIONS", path, path=missing(path), headers=asked)
    assert (response["statusCode"], response["body"]) == (204, "")
    allowed = set(response["headers"]["Access-Control-Allow-Methods"].split(", "))
    assert "OPTIONS" in allowed
    if path not in FALLBACK_PATHS:
        refused = views()[path] - allowed
        assert all(api.send(method, path, path=missing(path))["statusCode"] == 405 for method in refused)
    names = response["headers"]["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "*"} <= set(names)


def test_with_a_list_of_origins_only_their_pages_may_read_a_response() -> None:
    allowed = {PAGE, "https://other.example"}
    assert cross_origin_headers(allowed, PAGE)["Access-Control-Allow-Origin"] == PAGE
    for origin in ("https://evil.example", "https://shop.example.evil", "null", None):
        assert "Access-Control-Allow-Origin" not in cross_origin_headers(allowed, origin)
        assert cross_origin_headers(allowed, origin)["Vary"] == "Origin"


def test_the_list_of_origins_comes_from_the_configuration() -> None:
    adapters = FakeAdapters.fresh()
    services = Services(replace(CONFIG, allowed_origins=frozenset({PAGE})), adapters, adapters.clock)
    api = FakeApi(services)
    headers = {"origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in api.send("GET", "/api/search", headers=headers)["headers"]
    headers = {"origin": PAGE}
    assert api.send("GET", "/api/search", headers=headers)["headers"]["Access-Control-Allow-Origin"] == PAGE


def test_a_page_may_read_the_headers_that_it_needs(api: FakeApi) -> None:
    exposed = api.send("GET", "/api/search")["headers"]["Access-Control-Expose-Headers"]
    assert exposed.split(", ") == list(EXPOSED_HEADERS)


@pytest.mark.parametrize("path", ["/api/collections", "/api/docs", "/api/account"])
def test_head_has_the_status_and_headers_of_get_and_no_body(api: FakeApi, token: str, path: str) -> None:
    headers = {"authorization": f"Token {token}"}
    shown, headed = (api.send(method, path, headers=headers) for method in ("GET", "HEAD"))
    assert shown["headers"].pop("X-Request-Id") != headed["headers"].pop("X-Request-Id"), "each has its own"
    assert (headed["statusCode"], headed["headers"]) == (shown["statusCode"], shown["headers"])
    assert shown["body"]
    assert headed["body"] == ""


def test_head_needs_a_token_wherever_get_does(api: FakeApi) -> None:
    assert api.send("HEAD", "/api/collections")["statusCode"] == 403
