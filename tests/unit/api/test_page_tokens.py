"""Tokens for web pages: bound to collections and to origins, they are of no use for anything else."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.api.dispatch import Dispatcher
from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.api.routes import blueprints
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope
from tests import isolation
from tests.fakes.accounts import FakeAccounts
from tests.fakes.api import FakeApi
from tests.fakes.application import CONFIG, FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party, slots

PICTURE = b"a picture"
PAGE, EVIL = "https://shop.example", "https://evil.example"


def routes_of_pages() -> list[DocumentedRoute]:
    """What a token that only searches may call."""
    dispatcher = Dispatcher(lambda: pytest.fail("nothing is requested"))
    blueprints(dispatcher)
    return [
        route
        for route in dispatcher.documented_routes
        if dispatcher.options[route.method, route.path].scope is Scope.SEARCH
    ]


class Shop:
    """An account with a collection ``shown`` on its page and one that is ``hidden``."""

    def __init__(self) -> None:
        self.adapters = replace(FakeAdapters.fresh(), accounts=FakeAccounts())
        self.services: Services = services_on(self.adapters)
        self.api = FakeApi(self.services)
        owner = self.api.open_account("a shop")[WIDEST_SCOPE]
        self.hidden = Party.with_one_of_each(self.api, owner, PICTURE, {})
        self.shown = Party.with_one_of_each(self.api, owner, PICTURE, {})
        self.owner = owner
        collections = (self.shown.ids[Kind.COLLECTION],)
        self.bound = self._issue(collections=collections)
        self.page = self._issue(collections=collections, origins=(PAGE, "https://*.shop.example"))

    def _issue(self, **bounds: Any) -> str:
        (account,) = self.adapters.accounts.all()
        return self.services.accounts.issue_token(account.uuid, NewToken("page", Scope.SEARCH, **bounds))[0]

    def search(self, token: str, origin: str | None, **query: str) -> dict[str, Any]:
        headers = {"authorization": f"Token {token}"} | ({"origin": origin} if origin is not None else {})
        values = {name: [value] for name, value in {"query": "an owl", **query}.items()}
        return self.api.send("GET", "/api/search", query=values, headers=headers)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


def info(response: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(response["body"])["info"]
    return result


@pytest.mark.parametrize(
    "route", [route for route in routes_of_pages() if slots(route)], ids=lambda route: f"{route.method} {route.path}"
)
def test_a_file_or_collection_that_it_is_not_bound_to_gets_the_response_of_a_missing_one(
    shop: Shop, route: DocumentedRoute
) -> None:
    isolation.check(route, shop.hidden, replace(shop.shown, tokens={Scope.SEARCH: shop.bound}), PICTURE)


def test_a_search_without_collections_finds_those_of_the_token_alone(shop: Shop) -> None:
    found = json.loads(shop.search(shop.page, PAGE)["body"])["result"]["files"]
    assert {file["thumbnail"].split("/")[-2] for file in found} == {shop.shown.ids[Kind.COLLECTION]}
    assert len(json.loads(shop.search(shop.owner, None)["body"])["result"]["files"]) == 2 * len(found)


def test_links_in_its_results_work_without_the_token(shop: Shop) -> None:
    (file, *_) = json.loads(shop.search(shop.page, PAGE)["body"])["result"]["files"]
    path, _, query = file["thumbnail"].partition("?")
    values = {name: [value] for name, value in (pair.split("=") for pair in query.split("&"))}
    of_file = dict(zip(("collection", "file"), path.split("/")[-2:], strict=True))
    assert shop.api.send("GET", "/media/{collection}/{file}", path=of_file, query=values)["statusCode"] == 200


@pytest.mark.parametrize("origin", [PAGE, "https://m.shop.example"])
def test_pages_that_it_is_bound_to_may_search(shop: Shop, origin: str) -> None:
    assert shop.search(shop.page, origin)["statusCode"] == 200


@pytest.mark.parametrize("origin", [EVIL, "https://shop.example.evil", "http://shop.example", "null", "", None])
def test_other_pages_and_callers_that_are_no_page_are_refused_and_may_read_why(shop: Shop, origin: str | None) -> None:
    response = shop.search(shop.page, origin)
    assert (response["statusCode"], info(response)["error"]) == (403, "origin_forbids")
    assert "bound" in info(response)["message"]
    assert "*.shop.example" not in info(response)["message"]
    assert response["headers"]["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" not in response["headers"]


@pytest.mark.parametrize("route", routes_of_pages(), ids=lambda route: f"{route.method} {route.path}")
def test_every_call_that_it_may_make_asks_for_its_origin(shop: Shop, route: DocumentedRoute) -> None:
    own = {slot: shop.shown.ids[slot.kind] for slot in slots(route) if slot.place == "path"}
    status, body = isolation.send(shop.shown, shop.page, route, own, PICTURE)
    assert (status, body["info"]["error"]) == (403, "origin_forbids")


def test_a_refused_page_uses_nothing_of_the_tokens_rate(shop: Shop) -> None:
    assert "RateLimit" not in shop.search(shop.page, EVIL)["headers"]
    assert "RateLimit" in shop.search(shop.page, PAGE)["headers"]


@pytest.mark.parametrize(("collection", "status"), [("", 400), ("nope", 404), (isolation.MISSING_ID, 404)])
def test_a_search_in_a_collection_that_there_is_not_names_the_parameter(
    shop: Shop, collection: str, status: int
) -> None:
    response = shop.search(shop.owner, None, collection=collection)
    assert (response["statusCode"], info(response)["field"]) == (status, "collection")


class TestCreation:
    def create(self, shop: Shop, **fields: Any) -> tuple[int, Any]:
        body = {"name": "page", "scope": "search", **fields}
        return shop.api(shop.owner, "POST", "/api/tokens", json=body)

    def test_its_bounds_are_shown_as_they_were_understood(self, shop: Shop) -> None:
        collection = shop.shown.ids[Kind.COLLECTION]
        status, body = self.create(shop, collections=[collection.upper()], origins=["HTTPS://shop.example:443"])
        assert status == 201
        listed = shop.api(shop.owner, "GET", "/api/tokens")[1]["result"]["tokens"]
        for token in (body["result"]["token"], next(t for t in listed if t["id"] == body["result"]["token"]["id"])):
            assert (token["collections"], token["origins"]) == ([collection], [PAGE])

    @pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.SEARCH])
    @pytest.mark.parametrize("bound", ["collections", "origins"])
    def test_only_a_token_that_searches_is_bound(self, shop: Shop, scope: Scope, bound: str) -> None:
        bounds = {"collections": [shop.shown.ids[Kind.COLLECTION]], "origins": [PAGE]}
        status, body = self.create(shop, scope=scope, **{bound: bounds[bound]})
        assert (status, body["info"]["field"]) == (400, bound)

    @pytest.mark.parametrize("collections", [[], ["nope"], [1], [isolation.MISSING_ID], isolation.MISSING_ID])
    def test_collections_are_a_list_of_the_accounts_own(self, shop: Shop, collections: object) -> None:
        status, body = self.create(shop, collections=collections)
        assert status in (400, 404)
        assert body["info"]["field"] == "collections"

    def test_an_origin_that_the_deployment_does_not_allow_is_refused(self) -> None:
        adapters = FakeAdapters.fresh()
        config = replace(CONFIG, allowed_origins=frozenset({"https://m.shop.example"}))
        api = FakeApi(Services(config, adapters, adapters.clock))
        owner = api.open_account("a shop")[WIDEST_SCOPE]
        for origin, status in ((EVIL, 400), ("https://m.shop.example", 201), ("https://*.shop.example", 201)):
            body = {"name": "page", "scope": "search", "origins": [origin]}
            assert api(owner, "POST", "/api/tokens", json=body)[0] == status
