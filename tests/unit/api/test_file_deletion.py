"""``POST /api/files/delete/``: what it takes, what it refuses, and that a filter reaches no other account's files."""

from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party

PATH = "/api/files/delete"
FILE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def parties() -> tuple[Party, Party]:
    """A victim and a thief."""
    api = FakeApi(services_on(FakeAdapters.fresh()))
    victim, thief = (
        Party.with_one_of_each(api, tokens[WIDEST_SCOPE], b"a picture", tokens)
        for tokens in (api.open_account("victim"), api.open_account("thief"))
    )
    return victim, thief


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_filter_names_no_collection_of_another_account(parties: tuple[Party, Party], dry_run: bool) -> None:
    victim, thief = parties
    before = victim.snapshot()
    messages = []
    for collection in (victim.ids[Kind.COLLECTION], FILE, "nope"):
        body = {"collection": collection, "filter": {"path": "*"}, "dry_run": dry_run}
        status, answer = thief.api(thief.token, "POST", PATH, json=body)
        assert (status, answer["info"]["field"]) == (404, "collection")
        messages.append(answer["info"]["message"])
    assert messages[0] == messages[1]
    assert victim.snapshot() == before


def test_a_dry_run_counts_and_shows_what_a_filter_matches(parties: tuple[Party, Party]) -> None:
    victim, _ = parties
    body: dict[str, Any] = {"collection": victim.ids[Kind.COLLECTION], "filter": {"path": "*"}, "dry_run": True}
    status, answer = victim.api(victim.token, "POST", PATH, json=body)
    assert (status, answer["result"]["count"], answer["info"]["next_cursor"]) == (200, 2, None)
    assert {file["outcome"] for file in answer["result"]["files"]} == {"matched"}


def test_a_file_is_named_in_capital_letters_as_well_and_once(parties: tuple[Party, Party]) -> None:
    victim, _ = parties
    uuid = victim.ids[Kind.FILE]
    body = {"files": [uuid.upper(), uuid, FILE.upper()], "dry_run": True}
    status, answer = victim.api(victim.token, "POST", PATH, json=body)
    outcomes = [(file["uuid"], file["outcome"]) for file in answer["result"]["files"]]
    assert (status, outcomes) == (200, [(uuid, "matched"), (FILE, "not_found")])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "files"),
        ({"files": [FILE], "filter": {}}, "files"),
        ({"files": []}, "files"),
        ({"files": [FILE] * 1001}, "files"),
        ({"files": FILE}, "files"),
        ({"files": [FILE, 1]}, "files[1]"),
        ({"files": [FILE, "x" * 65]}, "files[1]"),
        ({"files": ["\u00e9"]}, "files[0]"),
        ({"files": [FILE], "dry_run": "yes"}, "dry_run"),
        ({"file": [FILE]}, "file"),
        ({"filter": []}, "filter"),
        ({"filter": {}, "collection": FILE}, "filter"),
        ({"filter": {"path": "*"}}, "collection"),
        ({"filter": {"path": "*"}, "collection": 1}, "collection"),
        ({"filter": {"path": ""}, "collection": FILE}, "filter.path"),
        ({"filter": {"width": {"gte": "wide"}}, "collection": FILE}, "filter.width.gte"),
        ({"filter": {"pathh": "2024/"}, "collection": FILE}, "filter.pathh"),
        ({"files": [FILE], "collection": FILE}, "collection"),
        ({"files": [FILE], "cursor": "x"}, "cursor"),
    ],
)
def test_a_request_of_another_form_is_refused_and_names_the_field(
    api: FakeApi, token: str, body: dict[str, Any], field: str
) -> None:
    status, answer = api(token, "POST", PATH, json=body)
    assert (status, answer["info"]["field"]) == (400, field)


def test_a_cursor_belongs_to_its_filter_and_collection(parties: tuple[Party, Party]) -> None:
    victim, _ = parties
    body: dict[str, Any] = {"collection": victim.ids[Kind.COLLECTION], "filter": {"path": "*"}, "dry_run": True}
    for cursor in (victim.ids[Kind.CURSOR], "bm8tY3Vyc29y", 7):
        status, answer = victim.api(victim.token, "POST", PATH, json={**body, "cursor": cursor})
        assert (status, answer["info"]["field"]) == (400, "cursor")
