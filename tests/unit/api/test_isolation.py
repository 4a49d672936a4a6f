"""Two accounts on fakes: for each route and scope, the other's identifiers get the response of missing ones."""

import pytest

from chalicelib.api.openapi.operation import DocumentedRoute, Operation, json_body, path_parameter, query_parameter
from tests import isolation
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party, Slot, documented_routes, slots

PICTURE = b"a picture"
ROUTES = documented_routes()
WITH_IDENTIFIER = [route for route in ROUTES if slots(route)]


def name(route: DocumentedRoute) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def parties() -> tuple[Party, Party]:
    """A victim and a thief."""
    api = FakeApi(services_on(FakeAdapters.fresh()))
    victim, thief = (
        Party.with_one_of_each(api, tokens[WIDEST_SCOPE], PICTURE, tokens)
        for tokens in (api.open_account("victim"), api.open_account("thief"))
    )
    return victim, thief


@pytest.mark.parametrize("route", WITH_IDENTIFIER, ids=name)
def test_an_identifier_of_another_account_gets_the_response_of_a_missing_one(
    parties: tuple[Party, Party], route: DocumentedRoute
) -> None:
    isolation.check(route, *parties, PICTURE)


def test_every_identifier_of_the_victim_works_for_the_victim(parties: tuple[Party, Party]) -> None:
    victim, _ = parties
    for route in WITH_IDENTIFIER:
        if route.method == "GET":
            own = {s: victim.ids[s.kind] for s in slots(route) if s.place == "path" or s.kind is Kind.KEY}
            status, body = isolation.send(victim, victim.token, route, own, PICTURE)
            assert status in (200, 302), (name(route), body)


def test_every_route_with_an_identifier_is_tried() -> None:
    kinds = {slot.kind for route in ROUTES for slot in slots(route)}
    assert kinds == set(Kind)
    assert Slot("form", "collection", Kind.COLLECTION) in slots(
        next(r for r in ROUTES if name(r) == "POST /api/search")
    )


@pytest.mark.parametrize(
    "operation",
    [
        Operation("t", "s", "d", parameters=(path_parameter("album", "An album", "1", identifies="album"),)),
        Operation("t", "s", "d", parameters=(query_parameter("album", {"type": "string"}, "An album", "1"),)),
        Operation("t", "s", "d", body=json_body({"type": "object", "properties": {"album": {"type": "string"}}})),
    ],
    ids=["path", "query", "body"],
)
def test_a_route_that_names_an_unknown_identifier_fails_these_tests(operation: Operation) -> None:
    with pytest.raises(LookupError, match="album"):
        slots(DocumentedRoute("GET", "/api/albums/{album}" if not operation.body else "/api/albums", operation))


def test_an_upload_under_anothers_key_stays_in_the_callers_collection(parties: tuple[Party, Party]) -> None:
    victim, thief = parties
    before = victim.snapshot()
    status, body = thief.api(
        thief.token,
        "POST",
        "/api/collections/{uuid}/upload",
        path={"uuid": thief.ids[Kind.COLLECTION]},
        picture=b"another picture",
        file_name=f"../../{victim.ids[Kind.KEY]}",
    )
    assert (status, body["result"]["file"]) == (201, victim.ids[Kind.KEY].rpartition("/")[2])
    assert victim.snapshot() == before
