"""Metadata that comes with an upload: as a field of the form, or in the JSON of an upload in two steps."""

import json
from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE

METADATA = {"product_id": "A1", "price": 12.5, "sold": False, "tag": ["x", "ÿ 日本"]}


class Shop:
    """An account with a managed collection, and what S3 does when a client sends a form."""

    def __init__(self) -> None:
        self.adapters = FakeAdapters.fresh()
        self.api = FakeApi(services_on(self.adapters))
        self.token = self.api.open_account("a shop")[WIDEST_SCOPE]
        created = self._call("POST", "/api/collections", json={"type": "managed", "name": "n"})
        self.collection = {"uuid": created["collection"]["uuid"]}

    def upload(self, body: bytes = b"a picture", status: int = 201, **form: str) -> Any:
        route, path = "/api/collections/{uuid}/upload", self.collection
        return self._call("POST", route, status, path=path, picture=body, form=form)

    def upload_in_two_steps(self, body: bytes = b"a picture", status: int = 201, **fields: Any) -> Any:
        new = {"path": "a.jpg", "size": len(body), "mime_type": "image/jpeg", **fields}
        prepared = self._call("POST", "/api/collections/{uuid}/uploads", status, path=self.collection, json=new)
        if status != 201:
            return prepared
        key = prepared["form"]["fields"]["key"]
        self.adapters.sources.bucket(self.adapters.storage.bucket).put(key, body)
        route = "/api/collections/{uuid}/uploads/{id}/complete"
        return self._call("POST", route, path={**self.collection, "id": prepared["upload"]["id"]})

    def metadata(self, name: str = "a.jpg") -> Any:
        route, query = "/api/collections/{uuid}/files", {"path": name}
        (file,) = self._call("GET", route, 200, path=self.collection, query=query)["files"]
        return file["metadata"]

    def _call(self, method: str, route: str, status: int = 201, **options: Any) -> Any:
        answered, body = self.api(self.token, method, route, **options)
        assert answered == status, body
        return body["result"] if status < 400 else body["info"]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_metadata_in_a_form_is_the_files(shop: Shop) -> None:
    shop.upload(metadata=json.dumps(METADATA))
    assert shop.metadata() == METADATA


def test_metadata_of_an_upload_in_two_steps_is_the_files_once_it_is_complete(shop: Shop) -> None:
    shop.upload_in_two_steps(metadata=METADATA)
    assert shop.metadata() == METADATA


def test_a_replaced_picture_keeps_the_metadata_unless_other_comes_with_it(shop: Shop) -> None:
    shop.upload(metadata=json.dumps(METADATA))
    shop.upload(b"another picture", replace="true")
    assert shop.metadata() == METADATA
    shop.upload(b"a third picture", replace="true", metadata="{}")
    assert shop.metadata() == {}
    shop.upload_in_two_steps(b"a fourth picture", replace=True, metadata=METADATA)
    assert shop.metadata() == METADATA


def test_the_same_picture_again_changes_the_metadata_that_comes_with_it_and_nothing_else(shop: Shop) -> None:
    first = shop.upload(metadata=json.dumps(METADATA))
    for send in (
        lambda: shop.upload(metadata='{"product_id": "B2"}'),
        lambda: shop.upload(),
        lambda: shop.upload_in_two_steps(),
    ):
        assert send()["uuid"] == first["uuid"]
        assert shop.metadata() == {"product_id": "B2"}
    assert shop.upload_in_two_steps(metadata=METADATA)["uuid"] == first["uuid"]
    assert shop.metadata() == METADATA
    assert len(shop.adapters.embedder.embedded) == 1


def test_another_picture_beside_a_file_has_its_own_metadata(shop: Shop) -> None:
    shop.upload(metadata=json.dumps(METADATA))
    shop.upload(b"another picture", metadata='{"product_id": "B2"}')
    assert (shop.metadata(), shop.metadata("a (1).jpg")) == (METADATA, {"product_id": "B2"})


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ("", "metadata"),
        ("null", "metadata"),
        ('["a"]', "metadata"),
        ("{", "metadata"),
        ('{"tag": ["x", "y", 1]}', "metadata.tag[2]"),
        ('{"a.b": 1}', "metadata.a.b"),
        ('{"a": NaN}', "metadata.a"),
        (json.dumps({"a": "x" * 2048}), "metadata"),
    ],
)
def test_metadata_that_is_not_allowed_is_refused_before_anything_is_stored(
    shop: Shop, metadata: str, field: str
) -> None:
    assert shop.upload(status=400, metadata=metadata)["field"] == field
    managed = shop.adapters.sources.bucket(shop.adapters.storage.bucket)
    assert not managed.objects
    try:
        sent = json.loads(metadata)
    except ValueError:
        return
    assert shop.upload_in_two_steps(status=400, metadata=sent)["field"] == field
    assert not shop.adapters.quota_ledger.uploads
