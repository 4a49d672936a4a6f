"""``fold_duplicates`` of searches over the API: by parameters, forms and JSON, on every kind of search."""

import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.embedder import COPY
from tests.isolation import WIDEST_SCOPE, Kind, Party

SEARCH = "/api/search"
PICTURE = b"a picture"


@pytest.fixture(scope="module")
def shop() -> Party:
    """An account with the picture in three files, two of them with the same bytes, and another picture."""
    api = FakeApi(services_on(FakeAdapters.fresh()))
    tokens = api.open_account("shop")
    shop = Party.with_one_of_each(api, tokens[WIDEST_SCOPE], PICTURE, tokens)
    path = {"uuid": shop.ids[Kind.COLLECTION]}
    for name, body in (("again.jpg", PICTURE), ("small.jpg", PICTURE + COPY + b"small"), ("other.jpg", b"another")):
        status, answer = api(
            shop.token, "POST", "/api/collections/{uuid}/upload", path=path, picture=body, form={"path": name}
        )
        assert status == 201, answer
    return shop


def get(shop: Party, path: str = SEARCH, uuid: str | None = None, **query: list[str]) -> tuple[int, Any]:
    assert isinstance(shop.api, FakeApi)
    headers = {"authorization": f"Token {shop.token}"}
    response = shop.api.send("GET", path, path={"uuid": uuid} if uuid else None, query=query, headers=headers)
    body = json.loads(response["body"])
    body["info"].pop("request_id", None)
    return response["statusCode"], body


def files(answer: tuple[int, Any]) -> list[dict[str, Any]]:
    status, body = answer
    assert status == 200, body
    found: list[dict[str, Any]] = body["result"]["files"]
    return found


def all_of(folded: list[dict[str, Any]]) -> list[str]:
    return sorted(uuid for file in folded for uuid in (file["uuid"], *file["duplicates"]["files"]))


def test_the_other_files_of_a_picture_stand_behind_the_contracts_fields_of_the_first_one(shop: Party) -> None:
    plain, folded = (files(get(shop, query=["owl"], fold_duplicates=[value])) for value in ("false", "true"))
    assert plain == files(get(shop, query=["owl"]))
    assert {**folded[0], "duplicates": None} == {**plain[0], "duplicates": None}
    assert list(folded[0]) == [*plain[0], "duplicates"]
    assert (len(plain), len(folded)) == (5, 2)
    assert [file["duplicates"]["count"] for file in folded] == [len(file["duplicates"]["files"]) for file in folded]
    assert all_of(folded) == sorted(file["uuid"] for file in plain)


def test_parameters_forms_and_json_have_the_same_answer(shop: Party) -> None:
    by_get = get(shop, query=["owl"], fold_duplicates=["true"])
    by_form = shop.api(shop.token, "POST", SEARCH, picture=PICTURE, form={"fold_duplicates": "true"})
    by_json = shop.api(
        shop.token, "POST", SEARCH, json={"query": [{"text": "owl"}], "fold_duplicates": True, "cutoff": None}
    )
    assert by_json == by_get
    assert all_of(files(by_form)) == all_of(files(by_get))


@pytest.mark.parametrize("match", ["name", "both"])
def test_searches_by_name_are_folded(shop: Party, match: str) -> None:
    plain = files(get(shop, query=["jpg"], match=[match]))
    folded = files(get(shop, query=["jpg"], match=[match], fold_duplicates=["true"]))
    assert len(folded) < len(plain)
    assert all_of(folded) == sorted(file["uuid"] for file in plain)


def test_searches_by_file_are_folded_with_what_they_include(shop: Party) -> None:
    uuid, path = shop.ids[Kind.FILE], "/api/files/{uuid}/similar"
    folded = files(get(shop, path, uuid, fold_duplicates=["true"], include=["path,expected_by_chance"]))
    assert all_of(folded) == sorted(file["uuid"] for file in files(get(shop, path, uuid)))
    assert list(folded[0])[-3:] == ["duplicates", "path", "expected_by_chance"]


@pytest.mark.parametrize("match", ["content", "name", "both"])
def test_cursors_belong_to_the_folded_search_and_lose_no_file(shop: Party, match: str) -> None:
    question = {"query": ["jpg"], "match": [match], "limit": ["1"], "fold_duplicates": ["true"]}
    cursors: list[str] = []
    shown: list[dict[str, Any]] = []
    while True:
        answer = get(shop, **question, **({"cursor": cursors[-1:]} if cursors else {}))
        shown += files(answer)
        cursor = answer[1]["info"]["next_cursor"]
        if cursor is None:
            break
        cursors.append(cursor)
    assert all_of(shown) == sorted(file["uuid"] for file in files(get(shop, query=["jpg"], match=[match])))
    status, body = get(shop, **{**question, "fold_duplicates": ["false"]}, cursor=cursors[:1])
    assert (status, body["info"]["field"]) == (400, "cursor")


@pytest.mark.parametrize("value", ["1", "yes", "", "TRUE"])
def test_another_value_is_refused(shop: Party, value: str) -> None:
    status, body = get(shop, query=["owl"], fold_duplicates=[value])
    assert (status, body["info"]["error"], body["info"]["field"]) == (400, "invalid_request", "fold_duplicates")


@pytest.mark.parametrize("value", ["true", 1, []])
def test_another_type_is_refused_in_json(shop: Party, value: object) -> None:
    body = {"query": [{"text": "owl"}], "fold_duplicates": value}
    status, answer = shop.api(shop.token, "POST", SEARCH, json=body)
    assert (status, answer["info"]["field"]) == (400, "fold_duplicates")
