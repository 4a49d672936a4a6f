"""Sorted and filtered lists of a collection's files over the API."""

import base64
import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party

LIST = "/api/collections/{uuid}/files"


@pytest.fixture(scope="module")
def shop() -> Party:
    api = FakeApi(services_on(FakeAdapters.fresh()))
    tokens = api.open_account("shop")
    return Party.with_one_of_each(api, tokens[WIDEST_SCOPE], b"a picture", tokens)


def get(shop: Party, **query: list[str]) -> tuple[int, Any]:
    assert isinstance(shop.api, FakeApi)
    headers = {"authorization": f"Token {shop.token}"}
    path = {"uuid": shop.ids[Kind.COLLECTION]}
    response = shop.api.send("GET", LIST, path=path, query=query, headers=headers)
    return response["statusCode"], json.loads(response["body"])


def names(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 200, body
    return [file["file_name"] for file in body["result"]["files"]]


def test_a_sorted_list_has_the_indexed_files_in_both_directions(shop: Party) -> None:
    indexed = names(get(shop, state=["indexed"], limit=["100"]))
    assert names(get(shop, sort=["path"], limit=["100"])) == indexed
    assert names(get(shop, sort=["-path"], limit=["100"])) == indexed[::-1]
    assert names(get(shop, path=["*"], limit=["100"])) == indexed
    assert len(indexed) > 1


@pytest.mark.parametrize("sort", ["path", "-size", "taken", "-modified"])
def test_pages_of_a_sorted_list_have_each_file_once(shop: Party, sort: str) -> None:
    found: list[str] = []
    cursor: dict[str, list[str]] = {}
    while True:
        answer = get(shop, sort=[sort], limit=["1"], **cursor)
        found += names(answer)
        if answer[1]["info"]["next_cursor"] is None:
            break
        cursor = {"cursor": [answer[1]["info"]["next_cursor"]]}
    assert found == names(get(shop, sort=[sort], limit=["100"]))


def test_a_list_is_narrowed_by_the_filters_of_searches(shop: Party) -> None:
    everything = names(get(shop, sort=["path"], limit=["100"]))
    assert names(get(shop, **{"width.gte": ["640"], "format": ["jpeg"]}, limit=["100"])) == everything
    assert names(get(shop, **{"metadata.none": ["x"]})) == []
    assert names(get(shop, path=["none/"])) == []
    assert names(get(shop, path=[everything[0]], sort=["size"])) == everything[:1]


@pytest.mark.parametrize(
    ("query", "error", "field"),
    [
        ({"sort": ["newest"]}, "invalid_request", "sort"),
        ({"sort": ["path"], "state": ["failed"]}, "invalid_request", "state"),
        ({"size.gte": ["1"], "reason": ["empty"]}, "invalid_request", "state"),
        ({"size.gte": ["many"]}, "invalid_request", "size.gte"),
        ({"sort": ["path"], "cursor": ["x"]}, "invalid_request", "cursor"),
        ({"sort": ["path", "size"]}, "invalid_request", "sort"),
    ],
)
def test_what_cannot_be_sorted_or_filtered_is_refused(
    shop: Party, query: dict[str, list[str]], error: str, field: str
) -> None:
    status, body = get(shop, **query)
    assert (status, body["info"]["error"], body["info"]["field"]) == (400, error, field)


def test_a_cursor_belongs_to_its_order_and_filter(shop: Party) -> None:
    cursor = get(shop, sort=["path"], limit=["1"])[1]["info"]["next_cursor"]
    for other in ({"sort": ["-path"]}, {"sort": ["size"]}, {"sort": ["path"], "format": ["jpeg"]}, {}):
        status, body = get(shop, **other, cursor=[cursor])
        assert (status, body["info"]["field"]) == (400, "cursor")


@pytest.mark.parametrize("value", ["\ud800", "\0", "", "x" * 1025, "\u4e2d" * 342, 1, None, ["a"]])
def test_a_cursor_with_a_path_that_no_file_can_have_is_refused(shop: Party, value: object) -> None:
    cursor = get(shop, sort=["path"], limit=["1"])[1]["info"]["next_cursor"]
    digest, (_, uuid) = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([digest, [value, uuid]]).encode()).decode().rstrip("=")
    status, body = get(shop, sort=["path"], cursor=[forged])
    assert (status, body["info"]["field"]) == (400, "cursor")
