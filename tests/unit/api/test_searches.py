"""Searches over the API: by parameters, forms and JSON; what is refused, and by which path it is named."""

import json
import math
from typing import Any

import pytest

from chalicelib.domain.accounts import Scope
from chalicelib.domain.composition import QUERY_LIMIT
from tests.factories import a_calibration
from tests.fakes.api import BOUNDARY, FakeApi, form_body, part
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import MISSING_ID, WIDEST_SCOPE, Kind, Party

PICTURE = b"a picture"
SEARCH = "/api/search"


@pytest.fixture(scope="module")
def shop() -> Party:
    return party("shop")


def party(name: str, api: FakeApi | None = None) -> Party:
    api = api or FakeApi(services_on(FakeAdapters.fresh()))
    tokens = api.open_account(name)
    return Party.with_one_of_each(api, tokens[WIDEST_SCOPE], PICTURE, tokens)


def post(shop: Party, body: Any) -> tuple[int, Any]:
    return shop.api(shop.token, "POST", SEARCH, json=body)


def get(shop: Party, **query: list[str]) -> tuple[int, Any]:
    assert isinstance(shop.api, FakeApi)
    response = shop.api.send("GET", SEARCH, query=query, headers={"authorization": f"Token {shop.token}"})
    body = json.loads(response["body"])
    body["info"].pop("request_id", None)
    return response["statusCode"], body


def refusal(answer: tuple[int, Any]) -> tuple[int, str, str | None]:
    status, body = answer
    return status, body["info"]["error"], body["info"].get("field")


def test_one_term_has_the_answer_of_the_contracts_call(shop: Party) -> None:
    file = shop.ids[Kind.FILE]
    assert post(shop, {"query": [{"text": "an owl"}]}) == get(shop, query=["an owl"])
    similar = shop.api(shop.token, "GET", "/api/files/{uuid}/similar", path={"uuid": file})
    assert post(shop, {"query": [{"file": file, "weight": 0.2}]}) == similar
    assert similar[1]["info"]["search_type"] == "file"
    assert get(shop, like=[file]) == similar


def test_parameters_and_json_of_the_same_terms_have_the_same_answer(shop: Party) -> None:
    file = shop.ids[Kind.FILE]
    by_get = get(shop, query=["an owl"], without=["snow", "a pig"], like=[file], limit=["5"])
    terms = [
        {"text": "an owl"},
        {"file": file},
        {"text": "snow", "weight": -0.5},
        {"text": "a pig", "weight": -0.5},
    ]
    by_json = post(shop, {"query": terms, "limit": 5})
    assert by_get[0] == 200
    assert by_get == by_json
    assert by_get[1]["info"]["search_type"] == "composed"


def test_a_picture_and_a_text_in_one_form_are_a_composed_query(shop: Party) -> None:
    alone = shop.api(shop.token, "POST", SEARCH, picture=PICTURE)
    both = shop.api(shop.token, "POST", SEARCH, picture=PICTURE, form={"query": "in the snow"})
    assert (alone[1]["info"]["search_type"], alone[1]["info"]["query"]) == ("image", None)
    assert (both[1]["info"]["search_type"], both[1]["info"]["query"]) == ("composed", "in the snow")
    assert both[1]["result"]["files"][0]["distance"] != alone[1]["result"]["files"][0]["distance"]


def test_several_liked_files_share_one_weight(shop: Party) -> None:
    file, collection = shop.ids[Kind.FILE], shop.ids[Kind.COLLECTION]
    listed = shop.api(shop.token, "GET", "/api/collections/{uuid}/files", path={"uuid": collection})
    other = next(
        each["uuid"] for each in listed[1]["result"]["files"] if each["uuid"] != file and each["state"] == "indexed"
    )
    by_get = get(shop, query=["an owl"], like=[file, other])
    terms = [{"text": "an owl"}, {"file": file, "weight": 0.5}, {"file": other, "weight": 0.5}]
    assert by_get == post(shop, {"query": terms})


def test_a_cursor_belongs_to_the_whole_question(shop: Party) -> None:
    question = {"query": [{"text": "an owl"}, {"text": "a pig", "weight": -0.5}], "limit": 1}
    status, first = post(shop, question)
    assert (status, len(first["result"]["files"])) == (200, 1)
    cursor = first["info"]["next_cursor"]
    status, second = post(shop, {**question, "cursor": cursor})
    assert (status, len(second["result"]["files"]), second["info"]["next_cursor"]) == (200, 1, None)
    assert first["result"]["files"] != second["result"]["files"]
    changed = [{"text": "an owl"}, {"text": "a pig", "weight": -0.4}]
    for other in ({"query": changed}, {"query": changed[:1]}, {"query": question["query"], "max_distance": 1}):
        assert refusal(post(shop, {**question, **other, "cursor": cursor})) == (400, "invalid_request", "cursor")


def test_an_option_that_is_null_is_left_out(shop: Party) -> None:
    body = {"query": [{"text": "an owl"}], "limit": None, "cursor": None, "max_distance": None, "collection": None}
    assert post(shop, body) == get(shop, query=["an owl"])


def test_a_limit_is_a_whole_number_however_json_writes_it(shop: Party) -> None:
    status, answer = post(shop, {"query": [{"text": "an owl"}], "limit": 1.0})
    assert (status, answer["info"]["files_count"]) == (200, 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": "an owl"}, "query"),
        ({"query": []}, "query"),
        ({"query": [{"text": f"{n}"} for n in range(17)]}, "query"),
        ({"query": ["an owl"]}, "query[0]"),
        ({"query": [{}]}, "query[0]"),
        ({"query": [{"text": "an owl"}, {"text": "a", "file": MISSING_ID}]}, "query[1]"),
        ({"query": [{"text": " "}]}, "query[0].text"),
        ({"query": [{"text": "caf\ufffd"}]}, "query[0].text"),
        ({"query": [{"text": "an owl"}, {"text": "🦉", "weight": -1}]}, "query[1].text"),
        ({"query": [{"text": "x" * (QUERY_LIMIT + 1)}]}, "query[0].text"),
        ({"query": [{"text": 5}]}, "query[0].text"),
        ({"query": [{"file": None}]}, "query[0].file"),
        ({"query": [{"text": "a"}, {"text": "b"}, {"text": "c", "weight": "1"}]}, "query[2].weight"),
        ({"query": [{"text": "a", "weight": True}]}, "query[0].weight"),
        ({"query": [{"text": "a", "weight": math.nan}]}, "query[0].weight"),
        ({"query": [{"text": "a", "weight": 10**400}]}, "query[0].weight"),
        ({"query": [{"text": "a", "weight": 0}]}, "query"),
        ({"query": [{"text": "a", "weight": -1}]}, "query"),
        ({"query": [{"text": "a"}, {"text": "a", "weight": -1}]}, "query"),
        ({"query": [{"text": "a"}], "limit": 0}, "limit"),
        ({"query": [{"text": "a"}], "limit": True}, "limit"),
        ({"query": [{"text": "a"}], "limit": 5.5}, "limit"),
        ({"query": [{"text": "a"}], "limit": math.inf}, "limit"),
        ({"query": [{"text": "a"}], "limit": "5"}, "limit"),
        ({"query": [{"text": "a"}], "max_distance": 3}, "max_distance"),
        ({"query": [{"text": "a"}], "max_distance": math.nan}, "max_distance"),
        ({"query": [{"text": "a"}], "collection": MISSING_ID}, "collection"),
        ({"query": [{"text": "a"}], "collection": [1]}, "collection[0]"),
        ({"query": [{"text": "a"}], "cursor": 7}, "cursor"),
        ({"query": [{"text": "a"}], "cutoff": "0.5"}, "cutoff"),
        ({"query": [{"text": "a"}], "cutoff": True}, "cutoff"),
        ({"query": [{"text": "a"}], "include": "expected_by_chance"}, "include"),
    ],
)
def test_a_malformed_field_is_refused_by_its_path(shop: Party, body: Any, field: str) -> None:
    assert refusal(post(shop, body)) == (400, "invalid_request", field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": [{"text": "a"}], "filtre": {}}, "filtre"),
        ({"query": [{"text": "a"}, {"txet": "a"}]}, "query[1].txet"),
        ({"query": [{"text": "a"}], "include": ["everything"]}, "include"),
    ],
)
def test_an_unknown_field_is_refused_by_its_path(shop: Party, body: Any, field: str) -> None:
    assert refusal(post(shop, body)) == (400, "unknown_parameter", field)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "query"),
        ({"without": ["snow"]}, "query"),
        ({"query": ["a", "b"]}, "query"),
        ({"query": ["an owl"], "without": [" "]}, "without"),
        ({"query": ["🦉"]}, "query"),
        ({"query": ["an owl"], "without": ["“?”"]}, "without"),
        ({"query": ["an owl"], "without": [f"{n}" for n in range(16)]}, "query"),
    ],
)
def test_parameters_without_sense_are_refused_by_name(shop: Party, query: dict[str, list[str]], field: str) -> None:
    assert refusal(get(shop, **query)) == (400, "invalid_request", field)


def test_parameters_beside_a_json_body_are_refused(shop: Party) -> None:
    answer = shop.api(shop.token, "POST", SEARCH, query={"limit": "5"}, json={"query": [{"text": "an owl"}]})
    assert refusal(answer) == (400, "invalid_request", "limit")


def test_a_form_without_a_picture_is_still_refused(shop: Party) -> None:
    assert isinstance(shop.api, FakeApi)
    headers = {
        "authorization": f"Token {shop.token}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    response = shop.api.send("POST", SEARCH, headers=headers, body=form_body([part("query", b"an owl")]))
    assert (response["statusCode"], json.loads(response["body"])["info"]["field"]) == (400, "file")


@pytest.mark.parametrize("place", ["term", "like", "unlike"])
def test_a_file_of_another_account_is_as_one_that_does_not_exist(place: str) -> None:
    api = FakeApi(services_on(FakeAdapters.fresh()))
    victim, thief = party("victim", api), party("thief", api)
    field = "query[1].file" if place == "term" else place

    def search(file: str) -> tuple[int, Any]:
        if place == "term":
            return post(thief, {"query": [{"text": "an owl"}, {"file": file}]})
        return get(thief, query=["an owl"], **{place: [file]})

    assert search(victim.ids[Kind.FILE]) == search(MISSING_ID)
    assert refusal(search(victim.ids[Kind.FILE])) == (404, "not_found", field)
    assert refusal(search("no-uuid")) == (404, "not_found", field)


def test_a_token_for_searches_may_compose(shop: Party) -> None:
    body = {"query": [{"text": "an owl"}, {"file": shop.ids[Kind.FILE]}]}
    assert shop.api(shop.tokens[Scope.SEARCH], "POST", SEARCH, json=body)[0] == 200


@pytest.fixture(scope="module")
def calibrated() -> Party:
    adapters = FakeAdapters.fresh()
    adapters.embedder.calibration = a_calibration()
    return party("calibrated", FakeApi(services_on(adapters)))


def test_the_contracts_calls_have_no_field_of_relevance(calibrated: Party) -> None:
    status, body = get(calibrated, query=["an owl"])
    assert status == 200
    assert set(body["info"]) == {"files_count", "search_type", "query"}
    assert "expected_by_chance" not in body["result"]["files"][0]


def test_what_chance_gives_is_shown_on_request(calibrated: Party) -> None:
    _, body = get(calibrated, query=["an owl"], include=["expected_by_chance"])
    expected = [file["expected_by_chance"] for file in body["result"]["files"]]
    assert len(expected) == 2
    assert all(0 <= number <= 2 for number in expected)
    assert body["info"]["calibrated"] is True
    json_body = {"query": [{"text": "an owl"}], "include": ["expected_by_chance"]}
    assert post(calibrated, json_body) == (200, body)


def test_the_picture_itself_comes_before_chance(calibrated: Party) -> None:
    form = {"cutoff": "auto", "include": "expected_by_chance"}
    status, body = calibrated.api(calibrated.token, "POST", SEARCH, picture=PICTURE, form=form)
    assert (status, body["info"]["files_count"], body["info"]["calibrated"]) == (200, 2, True)
    assert [file["distance"] for file in body["result"]["files"]] == [0.0, 0.0]


def test_pages_of_a_cut_answer_follow_each_other(calibrated: Party) -> None:
    form = {"cutoff": "auto", "limit": "1"}
    status, first = calibrated.api(calibrated.token, "POST", SEARCH, picture=PICTURE, form=form)
    cursor = form["cursor"] = first["info"]["next_cursor"]
    _, second = calibrated.api(calibrated.token, "POST", SEARCH, picture=PICTURE, form=form)
    assert (status, len(second["result"]["files"]), second["info"]["next_cursor"]) == (200, 1, None)
    uncut = calibrated.api(calibrated.token, "POST", SEARCH, picture=PICTURE, form={"limit": "1", "cursor": cursor})
    assert refusal(uncut) == (400, "invalid_request", "cursor")


def test_without_statistics_the_answer_is_whole_and_says_so(shop: Party) -> None:
    _, body = get(shop, query=["an owl"], cutoff=["auto"], include=["expected_by_chance"])
    assert (body["info"]["files_count"], body["info"]["calibrated"]) == (2, False)
    assert [file["expected_by_chance"] for file in body["result"]["files"]] == [None, None]


def test_a_cutoff_that_does_not_exist_is_refused(shop: Party) -> None:
    assert refusal(get(shop, query=["an owl"], cutoff=["0.5"])) == (400, "invalid_request", "cutoff")
