"""Pictures that are uploaded to search by: their own account alone uses them, for an hour, and they become no files."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.domain.accounts import Scope
from chalicelib.domain.search_uploads import SEARCH_UPLOAD_AGE, SEARCH_UPLOADS_AN_HOUR, next_hour
from chalicelib.domain.uploads import UPLOAD_LIMIT
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.embedder import UNREADABLE

PICTURE = b"a large picture"
ROUTE = "/api/search/uploads/{id}"
SECOND = timedelta(seconds=1)


class Shop:
    """An account with two pictures in a managed collection, one of which is ``PICTURE``."""

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.api = FakeApi(services_on(self.ports))
        self.tokens = self.api.open_account("a shop")
        made = self.call("POST", "/api/collections", json={"type": "managed", "name": "n"})
        self.collection = {"uuid": made[1]["result"]["collection"]["uuid"]}
        for name, picture in (("a.jpg", PICTURE), ("b.jpg", b"another picture")):
            assert self.call(
                "POST", "/api/collections/{uuid}/upload", path=self.collection, picture=picture, file_name=name
            )[0] == 201  # fmt: skip

    def call(self, method: str, route: str, *, scope: Scope = Scope.ADMIN, **request: Any) -> tuple[int, Any]:
        return self.api(self.tokens[scope], method, route, **request)

    def prepare(self, size: int = len(PICTURE), mime_type: str = "image/jpeg") -> Any:
        body = {"size": size, "mime_type": mime_type}
        status, answer = self.call("POST", "/api/search/uploads", scope=Scope.SEARCH, json=body)
        assert status == 201, answer
        return {**answer["result"]["upload"], "fields": answer["result"]["form"]["fields"]}

    def send(self, upload: Any, body: bytes = PICTURE) -> None:
        """What S3 does with the form."""
        self.ports.sources.bucket("managed").put(upload["fields"]["key"], body)

    def uploaded(self, body: bytes = PICTURE) -> str:
        upload = self.prepare()
        self.send(upload, body)
        return str(upload["id"])

    def search(self, **request: Any) -> tuple[int, Any]:
        return self.call("GET", "/api/search", scope=Scope.SEARCH, query=request)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def names(answer: Any) -> list[tuple[str, float]]:
    return [(file["file_name"], file["distance"]) for file in answer["result"]["files"]]


def test_an_uploaded_picture_finds_what_the_same_picture_in_a_form_finds(shop: Shop) -> None:
    upload = shop.uploaded()
    _, by_form = shop.call("POST", "/api/search", picture=PICTURE)
    assert shop.search(upload=upload) == (200, by_form)
    assert shop.call("POST", "/api/search", form={"upload": upload}) == (200, by_form)
    assert names(by_form)[0] == ("a.jpg", 0.0)
    assert (by_form["info"]["search_type"], by_form["info"]["query"]) == ("image", None)


def test_a_search_by_an_upload_has_the_options_and_pages_of_every_search(shop: Shop) -> None:
    upload = shop.uploaded()
    _, first = shop.search(upload=upload, limit="1")
    cursor = first["info"]["next_cursor"]
    _, second = shop.search(upload=upload, limit="1", cursor=cursor)
    assert [name for name, _ in names(first) + names(second)] == ["a.jpg", "b.jpg"]
    assert shop.search(upload=shop.uploaded(), limit="1", cursor=cursor)[0] == 400, "a cursor belongs to its query"


def test_an_upload_is_shown_as_it_was_prepared_and_says_when_its_picture_has_arrived(shop: Shop) -> None:
    upload = shop.prepare()
    path = {"id": upload["id"]}
    described = {name: upload[name] for name in ("id", "size", "mime_type", "arrived", "expires_at")}
    assert shop.call("GET", ROUTE, path=path)[1]["result"] == {"upload": described}
    shop.send(upload)
    assert shop.call("GET", ROUTE, path=path)[1]["result"] == {"upload": {**described, "arrived": True}}


def test_a_search_before_the_picture_has_arrived_says_so(shop: Shop) -> None:
    status, answer = shop.search(upload=shop.prepare()["id"])
    assert (status, answer["info"]["error"]) == (409, "upload_incomplete")


def test_bytes_that_are_no_picture_are_refused_when_they_are_searched_by(shop: Shop) -> None:
    status, answer = shop.search(upload=shop.uploaded(UNREADABLE))
    assert (status, answer["info"]["error"]) == (400, "unreadable_picture")


def test_an_upload_is_a_query_for_an_hour_and_then_gone(shop: Shop) -> None:
    upload = shop.uploaded()
    shop.ports.clock.pass_by(SEARCH_UPLOAD_AGE - SECOND)
    assert shop.search(upload=upload)[0] == 200
    shop.ports.clock.pass_by(SECOND)
    for status, answer in (
        shop.search(upload=upload),
        shop.call("GET", ROUTE, path={"id": upload}),
        shop.call("DELETE", ROUTE, path={"id": upload}),
    ):
        assert (status, answer["info"]["error"]) == (404, "not_found")
        assert "kept for an hour" in answer["info"]["message"]


def test_a_deleted_upload_and_its_bytes_are_gone(shop: Shop) -> None:
    upload = shop.prepare()
    shop.send(upload)
    assert shop.call("DELETE", ROUTE, path={"id": upload["id"]})[0] == 200
    assert shop.search(upload=upload["id"])[0] == 404
    assert upload["fields"]["key"] not in shop.ports.sources.bucket("managed").objects


def test_another_account_is_told_what_it_is_told_of_an_upload_that_does_not_exist(shop: Shop) -> None:
    stranger = shop.api.open_account("a stranger")[Scope.ADMIN]
    answers = [
        shop.api(stranger, "GET", "/api/search", query={"upload": upload}) for upload in (shop.uploaded(), str(uuid4()))
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_an_upload_to_search_by_is_no_file_and_uses_none_of_the_plan(shop: Shop) -> None:
    def shown() -> Any:
        files = shop.call("GET", "/api/collections/{uuid}/files", path=shop.collection)
        return shop.call("GET", "/api/account"), files

    before = shown()
    shop.uploaded()
    assert shown() == before


def test_an_account_prepares_so_many_an_hour_and_is_told_when_it_may_again(shop: Shop) -> None:
    hour_begins = next_hour(shop.ports.clock())
    shop.ports.clock.pass_by(hour_begins - shop.ports.clock())
    body = {"size": 1, "mime_type": "image/jpeg"}
    for _ in range(SEARCH_UPLOADS_AN_HOUR):
        shop.ports.clock.pass_by(SECOND)
        assert shop.call("POST", "/api/search/uploads", json=body)[0] == 201
    status, answer = shop.call("POST", "/api/search/uploads", json=body)
    assert (status, answer["info"]["error"]) == (403, "quota_exceeded")
    assert answer["info"]["resets_at"] == next_hour(hour_begins).isoformat()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "size"),
        ({"size": 0, "mime_type": "image/jpeg"}, 400, "size"),
        ({"size": UPLOAD_LIMIT + 1, "mime_type": "image/jpeg"}, 413, "size"),
        ({"size": 1}, 400, "mime_type"),
        ({"size": 1, "mime_type": "text/plain"}, 415, "mime_type"),
        ({"size": 1, "mime_type": "image/jpeg", "file": "a.jpg"}, 400, "file"),
    ],
)
def test_a_picture_that_cannot_be_prepared_is_refused_by_its_field(
    shop: Shop, body: Any, status: int, field: str
) -> None:
    refused, answer = shop.call("POST", "/api/search/uploads", json=body)
    assert (refused, answer["info"]["field"]) == (status, field)


def test_an_uploaded_picture_is_a_term_like_any_other(shop: Shop) -> None:
    upload = shop.uploaded()
    by_parameters = shop.search(upload=upload, query="an owl", limit="5")
    by_form = shop.call("POST", "/api/search", form={"upload": upload, "query": "an owl", "limit": "5"})
    terms = {"query": [{"text": "an owl"}, {"upload": upload}], "limit": 5}
    by_body = shop.call("POST", "/api/search", json=terms)
    assert by_parameters[1]["info"]["search_type"] == "composed"
    assert names(by_parameters[1]) == names(by_form[1]) == names(by_body[1])
    status, answer = shop.call("POST", "/api/search", json={"query": [{"text": "a"}, {"upload": str(uuid4())}]})
    assert (status, answer["info"]["field"]) == (404, "query[1].upload")
    status, answer = shop.call("POST", "/api/search", json={"query": [{"upload": shop.prepare()["id"]}]})
    assert (status, answer["info"]["field"]) == (409, "query[0].upload")


def test_the_refusal_of_a_picture_that_is_too_large_says_how_to_send_it(shop: Shop) -> None:
    too_large = b"x" * 4_500_001
    status, answer = shop.call("POST", "/api/search", picture=too_large)
    assert status == 413
    assert "/api/search/uploads/" in answer["info"]["message"]
    status, answer = shop.call("POST", "/api/collections/{uuid}/upload", path=shop.collection, picture=too_large)
    assert status == 413
    assert "/uploads/" in answer["info"]["message"]
    assert "/api/search/" not in answer["info"]["message"]
