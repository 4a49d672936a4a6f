"""Searches with a filter over the API: by parameters, forms and JSON."""

import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party

PICTURE = b"a picture"
SEARCH = "/api/search"
ADMITTING: dict[str, Any] = {"format": "jpeg", "width": {"gte": 640}, "orientation": ["landscape"], "path": "*.*"}
ADMITTING_PARAMETERS = {"format": ["jpg"], "width.gte": ["640"], "orientation": ["landscape"], "path": ["*.*"]}


@pytest.fixture(scope="module")
def shop() -> Party:
    api = FakeApi(services_on(FakeAdapters.fresh()))
    tokens = api.open_account("shop")
    return Party.with_one_of_each(api, tokens[WIDEST_SCOPE], PICTURE, tokens)


def get(shop: Party, route: str = SEARCH, *, file: str | None = None, **query: list[str]) -> tuple[int, Any]:
    query = query if file else {"query": ["owl"]} | query
    assert isinstance(shop.api, FakeApi)
    headers = {"authorization": f"Token {shop.token}"}
    response = shop.api.send("GET", route, path={"uuid": file} if file else {}, query=query, headers=headers)
    body = json.loads(response["body"])
    body["info"].pop("request_id", None)
    return response["statusCode"], body


def names(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 200, body
    return [file["file_name"] for file in body["result"]["files"]]


def test_a_filter_is_the_same_by_parameters_in_a_form_and_as_json(shop: Party) -> None:
    everything = get(shop, limit=["50"])
    admitted = get(shop, limit=["50"], **ADMITTING_PARAMETERS)
    assert names(everything) == names(admitted) != []
    by_json = shop.api(shop.token, "POST", SEARCH, json={"query": [{"text": "owl"}], "limit": 50, "filter": ADMITTING})
    assert by_json == admitted
    for form, found in (({"width.lt": "640"}, False), ({"width.gte": "640", "metadata.none.exists": "false"}, True)):
        assert bool(names(shop.api(shop.token, "POST", SEARCH, picture=PICTURE, form=form))) is found


@pytest.mark.parametrize(
    "excluding", [{"format": ["png"]}, {"size.gt": ["1000000"]}, {"path": ["no/"]}, {"metadata.tag": ["x"]}]
)
def test_what_a_filter_does_not_admit_is_not_found(shop: Party, excluding: dict[str, list[str]]) -> None:
    assert names(get(shop, **excluding)) == []
    similar = get(shop, "/api/files/{uuid}/similar", file=shop.ids[Kind.FILE], **excluding)
    assert names(similar) == []


def test_a_filtered_search_tells_where_the_next_page_begins_and_its_cursor_belongs_to_the_filter(shop: Party) -> None:
    status, first = get(shop, limit=["1"], format=["jpeg"])
    cursor = first["info"]["next_cursor"]
    assert (status, bool(cursor)) == (200, True)
    assert get(shop, limit=["1"], format=["jpeg"], cursor=[cursor])[0] == 200
    for other in ({}, {"format": ["jpeg", "png"]}, {"size.gte": ["1"]}):
        status, body = get(shop, limit=["1"], cursor=[cursor], **other)
        assert (status, body["info"]["field"]) == (400, "cursor")
    assert get(shop, limit=["50"], format=["jpeg"])[1]["info"]["next_cursor"] is None


@pytest.mark.parametrize(
    ("parameters", "error", "field"),
    [
        ({"size.gte": ["many"]}, "invalid_request", "size.gte"),
        ({"size.above": ["1"]}, "unknown_parameter", "size.above"),
        ({"metadata": ["x"]}, "invalid_request", "metadata"),
        ({"formt": ["png"]}, "unknown_parameter", "formt"),
        ({"taken.lt": ["yesterday"]}, "invalid_request", "taken.lt"),
    ],
)
def test_a_parameter_that_is_no_filter_is_refused_by_its_name(
    shop: Party, parameters: dict[str, list[str]], error: str, field: str
) -> None:
    status, body = get(shop, **parameters)
    assert (status, body["info"]["error"], body["info"]["field"]) == (400, error, field)


def test_a_filter_of_json_that_is_wrong_is_refused_by_its_path(shop: Party) -> None:
    question = {"query": [{"text": "owl"}], "filter": {"metadata": {"tag": ["x", {}]}}}
    status, body = shop.api(shop.token, "POST", SEARCH, json=question)
    assert (status, body["info"]["field"]) == (400, "filter.metadata.tag[1]")
    status, body = shop.api(shop.token, "POST", SEARCH, json={**question, "filter": None})
    assert status == 200
