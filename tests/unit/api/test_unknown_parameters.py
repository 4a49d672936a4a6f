"""Nothing that a request sends is ignored: a parameter of an unknown name is refused."""

import json
import re

import pytest

from chalicelib.api.openapi.operation import DocumentedRoute
from tests.fakes.api import FakeApi
from tests.isolation import MISSING_ID, documented_routes


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("collections", "Did you mean 'collection'?"),
        ("collection_id", "Did you mean 'collection'?"),
        ("max_distence", "Did you mean 'max_distance'?"),
        (
            "top_k",
            "It takes query, without, like, unlike, upload, limit, collection, max_distance, cutoff, match, include, "
            "fold_duplicates, cursor, path, format, orientation, size, width, height, modified, taken.",
        ),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest_name(
    api: FakeApi, token: str, given: str, advice: str
) -> None:
    query = {"query": ["owl"], given: ["1"]}
    response = api.send("GET", "/api/search", query=query, headers={"authorization": f"Token {token}"})
    info = json.loads(response["body"])["info"]
    assert (response["statusCode"], info["error"], info["field"]) == (400, "unknown_parameter", given)
    assert info["message"] == f"There is no parameter '{given}' here. {advice}"


@pytest.mark.parametrize("route", documented_routes(), ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_an_unknown_parameter(api: FakeApi, token: str, route: DocumentedRoute) -> None:
    own = dict.fromkeys(re.findall(r"{(.+?)}", route.path), MISSING_ID)
    headers = {"authorization": f"Token {token}"}
    response = api.send(route.method, route.path, path=own, query={"dry_run": ["true"]}, headers=headers)
    info = json.loads(response["body"])["info"]
    assert (response["statusCode"], info["error"], info["field"]) == (400, "unknown_parameter", "dry_run")


@pytest.mark.parametrize("written", ["collection[]", "collection[0]"])
def test_a_list_is_understood_as_axios_and_php_write_it(api: FakeApi, token: str, written: str) -> None:
    query = {"query": ["owl"], written: [MISSING_ID]}
    response = api.send("GET", "/api/search", query=query, headers={"authorization": f"Token {token}"})
    assert response["statusCode"] == 404, "the collection is looked up"


def test_a_parameter_of_one_value_is_refused_twice(api: FakeApi, token: str) -> None:
    query = {"query": ["owl"], "limit": ["1", "2"]}
    response = api.send("GET", "/api/search", query=query, headers={"authorization": f"Token {token}"})
    assert (response["statusCode"], json.loads(response["body"])["info"]["field"]) == (400, "limit")
