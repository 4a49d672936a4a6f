"""Uploads by URL: a picture of the Web is stored as one that is sent along."""

import json
from typing import Any

import pytest

from chalicelib.domain.accounts import Scope
from chalicelib.domain.uploads import INLINE_STAGING
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on

ROUTE = "/api/collections/{uuid}/uploads/fetch"
LARGE = b"a large picture" + bytes(5_000_000)


class Shop:
    """An account with a managed collection, and a picture on the Web."""

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.web = self.ports.web_pictures
        self.web.bodies["pictures.example", "/2024/owl%20b.jpg?w=1"] = LARGE
        self.web.bodies["pictures.example", "/"] = b"another picture"
        self.api = FakeApi(services_on(self.ports))
        self.token = self.api.open_account("a shop")[Scope.WRITE]
        made = self.api(self.token, "POST", "/api/collections", json={"type": "managed", "name": "n"})
        self.collection = {"uuid": made[1]["result"]["collection"]["uuid"]}

    def fetch(self, route: str = ROUTE, **body: Any) -> tuple[int, Any]:
        return self.api(self.token, "POST", route, path=self.collection, json=body)

    def files(self) -> dict[str, int]:
        """The size of each file, by its path."""
        listed = self.api(self.token, "GET", "/api/collections/{uuid}/files", path=self.collection)[1]
        return {file["path"]: file["file_size"] for file in listed["result"]["files"]}


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("route", [ROUTE, "/api/collections/{uuid}/uploads"])
def test_a_picture_that_is_too_large_for_a_request_is_stored_under_the_name_of_its_url(shop: Shop, route: str) -> None:
    status, answer = shop.fetch(route, url="https://pictures.example/2024/owl%20b.jpg?w=1")
    assert (status, answer["result"]["file"]) == (201, "owl b.jpg")
    assert shop.files() == {"owl b.jpg": len(LARGE)}
    staged = [key for key in shop.ports.sources.bucket("managed").objects if key.startswith(INLINE_STAGING)]
    assert staged == []
    found = shop.api(shop.token, "GET", "/api/files/{uuid}", path={"uuid": answer["result"]["uuid"]})
    assert found[0] == 200


def test_a_path_names_the_file_and_a_url_without_a_name_makes_a_picture(shop: Shop) -> None:
    url = "https://pictures.example/"
    assert shop.fetch(url=url, path="2024/a.jpg")[1]["result"]["path"] == "2024/a.jpg"
    assert shop.fetch(url=url, path=None)[1]["result"]["path"] == "picture"
    assert set(shop.files()) == {"2024/a.jpg", "picture"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://pictures.example/a.jpg"}, "url"),
        ({"url": "https://user:word@pictures.example/a.jpg"}, "url"),
        ({"url": "https://pictures.example:8443/a.jpg"}, "url"),
        ({"url": "https://pictures.example/", "path": "../a.jpg"}, "path"),
        ({"url": "https://pictures.example/", "size": 5}, "size"),
    ],
)
def test_a_malformed_request_is_refused_by_its_field_and_nothing_is_fetched(
    shop: Shop, body: dict[str, Any], field: str
) -> None:
    status, answer = shop.fetch(**body)
    assert (status, answer["info"]["field"]) == (400, field)
    assert shop.web.asked == []


def test_a_url_that_gives_no_picture_is_refused_in_a_sentence_and_stores_nothing(shop: Shop) -> None:
    status, answer = shop.fetch(url="https://pictures.example/none.jpg")
    assert (status, answer["info"]["error"], answer["info"]["field"]) == (400, "unreadable_url", "url")
    assert "404" in answer["info"]["message"]
    assert shop.files() == {}


def test_a_collection_on_a_bucket_is_asked_first_and_nothing_is_fetched(shop: Shop) -> None:
    missing = {"uuid": "00000000-0000-4000-8000-000000000000"}
    request = {"url": "https://pictures.example/"}
    assert shop.api(shop.token, "POST", ROUTE, path=missing, json=request)[0] == 404
    assert shop.web.asked == []


def test_a_repeated_request_with_a_key_fetches_once(shop: Shop) -> None:
    headers = {"authorization": f"Token {shop.token}", "content-type": "application/json", "idempotency-key": "k"}
    body = json.dumps({"url": "https://pictures.example/"}).encode()
    for _ in range(2):
        assert shop.api.send("POST", ROUTE, path=shop.collection, headers=headers, body=body)["statusCode"] == 201
    assert len(shop.web.asked) == 1


def test_metadata_comes_with_the_url(shop: Shop) -> None:
    metadata = {"product_id": "A1", "tag": ["x", "y"]}
    uuid = shop.fetch(url="https://pictures.example/", metadata=metadata)[1]["result"]["uuid"]
    shown = shop.api(shop.token, "GET", "/api/files/{uuid}", path={"uuid": uuid})[1]["result"]["file"]
    assert shown["metadata"] == metadata
    status, answer = shop.fetch(url="https://pictures.example/", metadata={"tag": ["x", 1]})
    assert (status, answer["info"]["field"]) == (400, "metadata.tag[1]")
