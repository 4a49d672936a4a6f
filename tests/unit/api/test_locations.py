"""A response about what was made or begun says where to look at it."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.api import BOUNDARY, FakeApi, form_body, part
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE


class Shop:
    """An account with a managed collection."""

    def __init__(self) -> None:
        self.api = FakeApi(services_on(FakeAdapters.fresh()))
        self.token = self.api.open_account("a shop")[WIDEST_SCOPE]
        body = b'{"type": "managed", "name": "n"}'
        self.made = self.send("POST", "/api/collections", body=body, content_type="application/json")
        self.collection = urlsplit(self.made["headers"]["Location"]).path.split("/")[-2]

    def send(self, method: str, route: str, *, content_type: str = "", **request: Any) -> dict[str, Any]:
        headers = {"authorization": f"Token {self.token}", "content-type": content_type}
        return self.api.send(method, route, headers=headers, **request)

    def upload(self) -> dict[str, Any]:
        body, form = form_body([part("file", b"a picture", "a.jpg")]), f"multipart/form-data; boundary={BOUNDARY}"
        own = {"uuid": self.collection}
        return self.send("POST", "/api/collections/{uuid}/upload", path=own, body=body, content_type=form)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


def test_a_new_collection_is_found_at_its_location(shop: Shop) -> None:
    assert shop.made["headers"]["Location"] == f"https://api.example/live/api/collections/{shop.collection}/"
    assert shop.send("GET", "/api/collections/{uuid}", path={"uuid": shop.collection})["statusCode"] == 200


def test_an_uploaded_file_is_found_at_its_location_and_by_the_uuid_of_the_response(shop: Shop) -> None:
    response = shop.upload()
    location = response["headers"]["Location"]
    uuid = urlsplit(location).path.split("/")[-2]
    assert location == f"https://api.example/live/api/files/{uuid}/"
    assert f'"uuid": "{uuid}"' in response["body"]
    assert shop.send("GET", "/api/files/{uuid}", path={"uuid": uuid})["statusCode"] == 200


def test_a_refusal_has_no_location(shop: Shop) -> None:
    refused = shop.send("POST", "/api/collections", body=b"{}", content_type="application/json")
    assert refused["statusCode"] == 400
    assert "Location" not in refused["headers"]
