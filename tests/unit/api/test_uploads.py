"""Two-step uploads are a resource: prepared, listed, shown, cancelled and completed."""

import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE

UPLOADS = "/api/collections/{uuid}/uploads"
UPLOAD = UPLOADS + "/{id}"


class Shop:
    """An account with a managed collection."""

    def __init__(self) -> None:
        self.api = FakeApi(services_on(FakeAdapters.fresh()))
        token = self.api.open_account("a shop")[WIDEST_SCOPE]
        self.headers = {"authorization": f"Token {token}", "content-type": "application/json"}
        created = self.call("POST", "/api/collections", body={"type": "managed", "name": "n"})
        self.collection: str = created["result"]["collection"]["uuid"]

    def call(self, method: str, route: str, *, status: int = 201, body: Any = None, **options: Any) -> Any:
        raw = b"" if body is None else json.dumps(body).encode()
        response = self.api.send(method, route, headers=self.headers, body=raw, **options)
        assert response["statusCode"] == status, response["body"]
        self.location = response["headers"].get("Location")
        return json.loads(response["body"])

    def prepare(self, name: str = "a.jpg") -> Any:
        body = {"file": name, "size": 5, "mime_type": "image/jpeg"}
        return self.call("POST", UPLOADS, path={"uuid": self.collection}, body=body)["result"]

    def of(self, upload: str) -> dict[str, str]:
        return {"uuid": self.collection, "id": upload}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_prepared_upload_is_found_at_its_location_and_shown_as_it_was(shop: Shop) -> None:
    prepared = shop.prepare()
    upload = prepared["upload"]
    assert (upload["state"], upload["size"], upload["uuid"], upload["reason"]) == ("pending", 5, None, None)
    assert prepared["form"]["url"]
    assert shop.location.endswith(f"/api/collections/{shop.collection}/uploads/{upload['id']}/")
    assert shop.call("GET", UPLOAD, status=200, path=shop.of(upload["id"]))["result"] == {"upload": upload}


def test_uploads_under_way_are_listed_page_by_page(shop: Shop) -> None:
    ids = sorted(shop.prepare(f"{number}.jpg")["upload"]["id"] for number in range(5))
    found, query = [], {"limit": ["2"]}
    while True:
        page = shop.call("GET", UPLOADS, status=200, path={"uuid": shop.collection}, query=query)
        assert page["info"]["uploads_count"] == len(page["result"]["uploads"]) <= 2
        found += [upload["id"] for upload in page["result"]["uploads"]]
        if page["info"]["next_cursor"] is None:
            break
        query["cursor"] = [page["info"]["next_cursor"]]
    assert found == ids


def test_a_cancelled_upload_says_so_and_is_listed_no_more(shop: Shop) -> None:
    upload = shop.prepare()["upload"]["id"]
    for _ in range(2):
        shop.call("DELETE", UPLOAD, status=200, path=shop.of(upload))
    shown = shop.call("GET", UPLOAD, status=200, path=shop.of(upload))["result"]["upload"]
    assert (shown["state"], shown["reason"]) == ("failed", "cancelled")
    listed = shop.call("GET", UPLOADS, status=200, path={"uuid": shop.collection})
    assert listed["result"] == {"uploads": []}
    assert "cancelled" in shop.call("POST", UPLOAD + "/complete", status=404, path=shop.of(upload))["info"]["message"]


def test_the_path_of_forms_refuses_json_and_names_the_path_of_uploads(shop: Shop) -> None:
    body = {"file": "a.jpg", "size": 5, "mime_type": "image/jpeg"}
    refused = shop.call("POST", "/api/collections/{uuid}/upload", status=415, path={"uuid": shop.collection}, body=body)
    assert f"POST /api/collections/{shop.collection}/uploads/" in refused["info"]["message"]


@pytest.mark.parametrize("cursor", ["x", "WyIiLDFd"])
def test_a_cursor_of_another_list_is_refused(shop: Shop, cursor: str) -> None:
    query = {"cursor": [cursor]}
    refused = shop.call("GET", UPLOADS, status=400, path={"uuid": shop.collection}, query=query)
    assert refused["info"]["field"] == "cursor"
