"""Two accounts over HTTP: for every route, the other's identifiers are like missing ones and change nothing."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.domain.accounts import NewToken, Subscription
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests import isolation
from tests.e2e.harness import Caller, ManagedCollection, error_info, picture
from tests.isolation import WIDEST_SCOPE, Kind, Party, documented_routes, slots
from tests.unit.api.test_openapi import UNDOCUMENTED, routes

NewAccount = Callable[..., Caller]
ROUTES = documented_routes()


def name(route: DocumentedRoute) -> str:
    return f"{route.method} {route.path}"


class HttpApi:
    """An ``isolation.Api`` over HTTP."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def __call__(
        self,
        token: str | None,
        method: str,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        picture: bytes | None = None,
        file_name: str = "a.jpg",
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        parts: dict[str, Any] = {field: (None, value) for field, value in (form or {}).items()}
        parts |= {"file": (file_name, picture)} if picture is not None else {}
        encoded = {parameter: _encoded(value) for parameter, value in (path or {}).items()}
        answer = Caller(self._base_url, token)(
            method,
            f"{route.format(**encoded)}/",
            params=query,
            files=parts or None,
            json=json,
            headers=dict(headers or {}),
        )
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            return answer.status_code, {"headers": answer.headers}
        body = answer.json()
        body["info"].pop("request_id", None)
        return answer.status_code, body


def _encoded(value: str) -> str:
    # A client resolves '..' in a path itself, unless its dots are encoded.
    return quote(value, safe="%").replace(".", "%2E") if value.strip(".") == "" else quote(value, safe="%")


@pytest.fixture(scope="module")
def http(stack: LocalSystem) -> HttpApi:
    return HttpApi(stack.api_url)


@pytest.fixture(scope="module")
def parties(deployment: Deployment, http: HttpApi) -> tuple[Party, Party]:
    """A victim and a thief, each with the widest token; the other scopes are tried on fakes."""
    accounts = deployment.services.accounts

    def party(owner: str) -> Party:
        account = accounts.open(owner, Subscription("business"))
        token = accounts.issue_token(account.uuid, NewToken("main", WIDEST_SCOPE))[0]
        return Party.with_one_of_each(http, token, picture("owl.jpg"), {WIDEST_SCOPE: token})

    return party("victim"), party("thief")


@pytest.mark.parametrize("route", [route for route in ROUTES if slots(route)], ids=name)
def test_another_accounts_resource_is_answered_like_a_missing_one_and_stays_unchanged(
    parties: tuple[Party, Party], route: DocumentedRoute
) -> None:
    isolation.check(route, *parties, picture("pig.jpg"))


def test_every_route_is_documented_and_therefore_tried() -> None:
    assert {(route.method, route.path) for route in ROUTES} == routes() - UNDOCUMENTED


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_every_route_is_forbidden_without_a_valid_token(
    parties: tuple[Party, Party], http: HttpApi, route: DocumentedRoute
) -> None:
    for token in (None, "smx_" + "a" * 43, "x"):
        status, body = isolation.send(parties[0], token, route, own_path(parties[0], route), picture("pig.jpg"))
        assert (status, body["info"]["error"]) == (403, "forbidden")


def test_only_showing_downloading_and_deleting_is_open_on_a_plan_without_the_api(
    new_account: NewAccount, parties: tuple[Party, Party]
) -> None:
    token = new_account("free").token
    for route in ROUTES:
        status, body = isolation.send(parties[0], token, route, own_path(parties[0], route), picture("pig.jpg"))
        if status == 403:
            assert body["info"]["error"] == "plan_forbids", name(route)
        else:
            assert route.method in ("GET", "DELETE") or route.view == "delete_files", name(route)


def own_path(party: Party, route: DocumentedRoute) -> dict[isolation.Slot, str]:
    return {slot: party.ids[slot.kind] for slot in slots(route) if slot.place == "path"}


def test_lists_and_searches_show_only_the_accounts_own(parties: tuple[Party, Party], new_account: NewAccount) -> None:
    victim, _ = parties
    managed = ManagedCollection(new_account())
    caller = managed.caller
    managed.upload("mine.jpg", picture("owl.jpg"))
    assert managed.exact_matches(picture("owl.jpg")) == ["mine.jpg"]
    assert caller.search_names("an owl") == ["mine.jpg"]
    (collection,) = caller.result("GET", "/api/collections/")["collections"]
    assert collection["uuid"] == managed.uuid
    similar = caller.result("GET", f"/api/files/{managed.files()['mine.jpg']['uuid']}/similar/")
    assert similar["files"] == []
    assert victim.ids[Kind.TOKEN] not in caller("GET", "/api/tokens/").text


def test_the_links_of_a_file_give_another_account_nothing(parties: tuple[Party, Party], http: HttpApi) -> None:
    victim, thief = parties
    status, answer = http(victim.token, "GET", "/collections/download/{uuid}", path={"uuid": victim.ids[Kind.FILE]})
    assert status == 302
    key = victim.ids[Kind.KEY]
    assert key in answer["headers"]["Location"], "the key is in every link"
    own = {"uuid": thief.ids[Kind.COLLECTION]}
    for asked in (key, f"{key}.none", f"uploads/{key.split('/', 1)[1]}"):
        status, answer = http(thief.token, "GET", "/api/collections/{uuid}/explain", path=own, query={"key": asked})
        assert (status, answer["result"]["in_bucket"]["exists"]) == (200, None)
        assert answer["result"]["in_bucket"]["etag"] is None
        assert "outside" in answer["result"]["conclusion"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_search_in_a_collection_of_another_account_is_not_found(
    parties: tuple[Party, Party], stack: LocalSystem, method: str
) -> None:
    victim, thief = parties
    parameters = {"collection": victim.ids[Kind.COLLECTION], **({"query": "owl"} if method == "GET" else {})}
    files = {"file": picture("owl.jpg")} if method == "POST" else None
    answer = Caller(stack.api_url, thief.token)(method, "/api/search/", params=parameters, files=files)
    error_info(answer, 404, field="collection")
