"""``match`` of a search: by the words of names, by what pictures show, or by both."""

import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party

SEARCH = "/api/search"


@pytest.fixture(scope="module")
def shop() -> Party:
    return party("shop", FakeApi(services_on(FakeAdapters.fresh())))


def party(name: str, api: FakeApi) -> Party:
    tokens = api.open_account(name)
    return Party.with_one_of_each(api, tokens[WIDEST_SCOPE], b"a picture", tokens)


def get(shop: Party, **query: list[str]) -> tuple[int, Any]:
    assert isinstance(shop.api, FakeApi)
    headers = {"authorization": f"Token {shop.token}"}
    response = shop.api.send("GET", SEARCH, query=query, headers=headers)
    body = json.loads(response["body"])
    body["info"].pop("request_id", None)
    return response["statusCode"], body


def names(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 200, body
    return [file["file_name"] for file in body["result"]["files"]]


def test_a_file_is_found_by_its_name_and_shown_as_any_other(shop: Party) -> None:
    everything = get(shop, query=["owl"], limit=["50"])[1]["result"]["files"]
    wanted = everything[-1]
    answer = get(shop, query=[wanted["file_name"]], match=["name"])
    assert wanted["file_name"] in names(answer)
    assert answer[1]["result"]["files"][0].keys() == wanted.keys()
    assert (answer[1]["info"]["search_type"], answer[1]["info"]["query"]) == ("text", wanted["file_name"])
    assert names(get(shop, query=["nothing of that name"], match=["name"])) == []


def test_both_has_all_that_content_finds(shop: Party) -> None:
    by_content = names(get(shop, query=["owl"], limit=["50"]))
    assert sorted(names(get(shop, query=["owl"], match=["both"], limit=["50"]))) == sorted(by_content)
    assert get(shop, query=["owl"], match=["content"])[1]["result"] == get(shop, query=["owl"])[1]["result"]


def test_json_and_parameters_have_the_same_answer(shop: Party) -> None:
    body = {"query": [{"text": "jpg"}], "match": "name", "limit": 5}
    assert shop.api(shop.token, "POST", SEARCH, json=body) == get(shop, query=["jpg"], match=["name"], limit=["5"])


@pytest.mark.parametrize("match", ["name", "both"])
def test_pages_have_each_file_once_and_cursors_belong_to_the_search(shop: Party, match: str) -> None:
    found: list[str] = []
    cursor: dict[str, list[str]] = {}
    while True:
        answer = get(shop, query=["jpg"], match=[match], limit=["1"], **cursor)
        found += names(answer)
        if answer[1]["info"]["next_cursor"] is None:
            break
        cursor = {"cursor": [answer[1]["info"]["next_cursor"]]}
    assert found == names(get(shop, query=["jpg"], match=[match], limit=["50"]))
    for other in ({"match": ["content"]}, {"format": ["jpeg"], "match": [match]}):
        status, body = get(shop, **({"query": ["jpg"], "limit": ["1"]} | other | cursor))
        assert not cursor or (status, body["info"]["field"]) == (400, "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"query": ["owl"], "match": ["names"]}, "match"),
        ({"query": ["owl"], "without": ["snow"], "match": ["name"]}, "match"),
        ({"query": ["owl"], "max_distance": ["1"], "match": ["name"]}, "max_distance"),
        ({"query": ["owl"], "cutoff": ["auto"], "match": ["both"]}, "cutoff"),
        ({"query": ["owl"], "include": ["expected_by_chance"], "match": ["both"]}, "include"),
        ({"query": ["!?"], "match": ["name"]}, "query"),
        ({"query": [" "], "match": ["name"]}, "query"),
        ({"query": ["owl"], "cursor": ["x"], "match": ["name"]}, "cursor"),
    ],
)
def test_what_does_not_go_with_a_search_by_name_is_refused(
    shop: Party, query: dict[str, list[str]], field: str
) -> None:
    status, body = get(shop, **query)
    assert (status, body["info"]["field"]) == (400, field)


def test_a_search_by_name_finds_nothing_of_another_account() -> None:
    api = FakeApi(services_on(FakeAdapters.fresh()))
    one, other = party("one", api), party("other", api)
    for match in ("name", "both"):
        found = get(one, query=["jpg one other"], match=[match], limit=["50"])[1]["result"]["files"]
        own = {file["uuid"] for file in get(one, query=["x"], limit=["50"])[1]["result"]["files"]}
        assert {file["uuid"] for file in found} <= own
        status, body = get(one, query=["jpg"], match=[match], collection=[other.ids[Kind.COLLECTION]])
        assert (status, body["info"]["field"]) == (404, "collection")
