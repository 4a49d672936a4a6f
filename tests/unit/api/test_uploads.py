"""Two-step uploads are a resource: prepared, listed, shown, cancelled and completed."""

import hashlib
import json
from typing import Any

import pytest

from tests.fakes.api import BOUNDARY, FakeApi, form_body, part
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
        body = {"path": name, "size": 5, "mime_type": "image/jpeg"}
        return self.call("POST", UPLOADS, path={"uuid": self.collection}, body=body)["result"]

    def upload(self, *parts: bytes, status: int = 201, **headers: str) -> Any:
        """Send a form with these parts, the file among them."""
        headers = {**self.headers, "content-type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
        path, body = {"uuid": self.collection}, form_body(list(parts))
        response = self.api.send("POST", "/api/collections/{uuid}/upload", headers=headers, path=path, body=body)
        assert response["statusCode"] == status, response["body"]
        return json.loads(response["body"])

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
    body = {"path": "a.jpg", "size": 5, "mime_type": "image/jpeg"}
    refused = shop.call("POST", "/api/collections/{uuid}/upload", status=415, path={"uuid": shop.collection}, body=body)
    assert f"POST /api/collections/{shop.collection}/uploads/" in refused["info"]["message"]


def test_a_form_may_name_the_path_of_its_file(shop: Shop) -> None:
    path = part("path", b"2024/summer/a.jpg")
    result = shop.upload(path, part("file", b"a picture", "blob"))["result"]
    assert (result["file"], result["path"]) == ("a.jpg", "2024/summer/a.jpg")
    shown = shop.call("GET", "/api/files/{uuid}", status=200, path={"uuid": result["uuid"]})["result"]["file"]
    assert shown["file_name"] == "a.jpg"
    assert shown["s3_uri"].endswith(f"/{shop.collection}/2024/summer/a.jpg")
    listed = shop.call("GET", "/api/collections/{uuid}/files", status=200, path={"uuid": shop.collection})
    assert listed["info"]["files_count"] == 1


def test_files_of_one_name_in_two_folders_are_two_files(shop: Shop) -> None:
    results = [
        shop.upload(part("path", f"{folder}/front.jpg".encode()), part("file", folder.encode(), "front.jpg"))["result"]
        for folder in ("product-1", "product-2")
    ]
    assert [result["file"] for result in results] == ["front.jpg", "front.jpg"]
    assert len({result["uuid"] for result in results}) == 2


@pytest.mark.parametrize("path", ["", "/a.jpg", "a//b.jpg", "a/", "../a.jpg", "a/./b.jpg", "a\\b.jpg", "a/\x07.jpg"])
def test_a_path_that_is_no_path_is_refused_and_never_changed_into_another(shop: Shop, path: str) -> None:
    refused = shop.upload(part("path", path.encode()), part("file", b"a picture", "a.jpg"), status=400)
    assert refused["info"]["field"] == "path"


def test_another_picture_of_a_path_is_stored_beside_it_or_replaces_it(shop: Shop) -> None:
    results = [shop.upload(part("file", body, "a.jpg"))["result"] for body in (b"one", b"two", b"one")]
    assert [(result["file"], result["replaced"]) for result in results] == [
        ("a.jpg", False),
        ("a (1).jpg", False),
        ("a.jpg", False),
    ]
    replaced = shop.upload(part("replace", b"true"), part("file", b"three", "a.jpg"))["result"]
    assert (replaced["uuid"], replaced["replaced"]) == (results[0]["uuid"], True)


def test_a_refused_upload_is_told_which_file_is_there(shop: Shop) -> None:
    first = shop.upload(part("file", b"one", "a.jpg"))["result"]
    refused = shop.upload(part("file", b"one", "a.jpg"), status=409, **{"if-none-match": "*"})["info"]
    assert (refused["error"], refused["uuid"]) == ("file_exists", first["uuid"])
    assert refused["md5"] == hashlib.md5(b"one").hexdigest()


@pytest.mark.parametrize(("value", "headers"), [("yes", {}), ("1", {}), ("", {}), ("true", {"if-none-match": "*"})])
def test_a_wish_to_replace_that_is_none_is_refused(shop: Shop, value: str, headers: dict[str, str]) -> None:
    parts = part("replace", value.encode()), part("file", b"a picture", "a.jpg")
    assert shop.upload(*parts, status=400, **headers)["info"]["field"] == "replace"


def test_two_paths_of_one_file_are_refused(shop: Shop) -> None:
    parts = part("path", b"a.jpg"), part("path", b"b.jpg"), part("file", b"a picture", "a.jpg")
    assert shop.upload(*parts, status=400)["info"]["field"] == "path"


@pytest.mark.parametrize("cursor", ["x", "WyIiLDFd"])
def test_a_cursor_of_another_list_is_refused(shop: Shop, cursor: str) -> None:
    query = {"cursor": [cursor]}
    refused = shop.call("GET", UPLOADS, status=400, path={"uuid": shop.collection}, query=query)
    assert refused["info"]["field"] == "cursor"
