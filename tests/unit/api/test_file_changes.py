"""``PATCH /api/files/{uuid}/``: what it takes, what it refuses, and what it answers."""

from typing import Any

import pytest

from tests.fakes.api import FakeApi

ROUTE = "/api/files/{uuid}"


@pytest.fixture
def file(api: FakeApi, token: str) -> dict[str, str]:
    """The parameters of the path of an uploaded file."""
    _, created = api(token, "POST", "/api/collections", json={"type": "managed", "name": "Uploads"})
    of_collection = {"uuid": created["result"]["collection"]["uuid"]}
    status, uploaded = api(token, "POST", "/api/collections/{uuid}/upload", path=of_collection, picture=b"a picture")
    assert status == 201
    return {"uuid": uploaded["result"]["uuid"]}


def test_a_file_is_moved_and_changed_at_once(api: FakeApi, token: str, file: dict[str, str]) -> None:
    body = {"path": "2024/Ä b.jpg", "metadata": {"product_id": "A1"}}
    status, answer = api(token, "PATCH", ROUTE, path=file, json=body)
    moved = answer["result"]["file"]
    assert (status, moved["path"], moved["file_name"]) == (200, "2024/Ä b.jpg", "Ä b.jpg")
    assert (moved["metadata"], moved["state"]) == ({"product_id": "A1"}, "indexed")
    assert api(token, "PATCH", ROUTE, path=file, json=body)[1]["result"]["file"] == moved, "a retry is harmless"
    status, answer = api(token, "GET", ROUTE, path=file)
    assert status == 404 and moved["uuid"] in answer["info"]["message"]
    status, answer = api(token, "GET", ROUTE, path={"uuid": moved["uuid"]})
    assert (status, answer["result"]["file"]) == (200, moved)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        *(("application/json", 200), ("application/merge-patch+json", 200), ("Application/Merge-Patch+JSON; v=1", 200)),
        *(("", 200), ("application/json-patch+json", 415), ("text/plain", 415), ("application/xml+json", 415)),
    ],
)
def test_a_change_may_call_itself_the_merge_patch_that_it_is(
    api: FakeApi, token: str, file: dict[str, str], content_type: str, status: int
) -> None:
    headers = {"authorization": f"Token {token}", "content-type": content_type}
    response = api.send("PATCH", ROUTE, path=file, headers=headers, body=b'{"metadata": {"a": 1}}')
    assert response["statusCode"] == status
    merge = {**headers, "content-type": "application/merge-patch+json"}
    created = api.send("POST", "/api/collections", headers=merge, body=b'{"type": "managed", "name": "a"}')
    assert created["statusCode"] == 415


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"meta": {}}, "meta"),
        ({"metadata": "a"}, "metadata"),
        ({"metadata": {"tag": ["x", 1]}}, "metadata.tag[1]"),
        ({"metadata": {"a": "\ud800"}}, "metadata"),
        ({"path": ""}, "path"),
        ({"path": "../b.jpg"}, "path"),
        ({"path": "/b.jpg"}, "path"),
        ({"path": None}, "path"),
        ({"path": 1}, "path"),
    ],
)
def test_a_change_of_another_form_is_refused_and_names_the_field(
    api: FakeApi, token: str, file: dict[str, str], body: dict[str, Any], field: str | None
) -> None:
    _, before = api(token, "GET", ROUTE, path=file)
    status, answer = api(token, "PATCH", ROUTE, path=file, json=body)
    assert (status, answer["info"].get("field")) == (400, field)
    assert api(token, "GET", ROUTE, path=file)[1] == before
