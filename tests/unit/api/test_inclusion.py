"""``include``: the fields that a caller asks for stand behind the contract's, in one order."""

from typing import Any

import pytest

from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE

CONTRACT = ["uuid", "file_name", "file_size", "md5", "thumbnail", "s3_uri", "download_url", "distance"]
INCLUDED = ["collection", "path", "width", "height", "format", "mime_type", "metadata", "modified"]


@pytest.fixture(scope="module")
def adapters() -> FakeAdapters:
    return FakeAdapters.fresh()


@pytest.fixture(scope="module")
def api(adapters: FakeAdapters) -> FakeApi:
    return FakeApi(services_on(adapters))


@pytest.fixture(scope="module")
def token(api: FakeApi) -> str:
    return api.open_account("a shop")[WIDEST_SCOPE]


@pytest.fixture(scope="module")
def file(api: FakeApi, token: str) -> dict[str, Any]:
    """A file with metadata, as it is shown by itself."""
    _, created = api(token, "POST", "/api/collections", json={"type": "managed", "name": "Uploads"})
    of_collection = {"uuid": created["result"]["collection"]["uuid"]}
    status, _ = api(token, "POST", "/api/collections/{uuid}/upload", path=of_collection, picture=b"a picture")
    assert status == 201
    _, listed = api(token, "GET", "/api/collections/{uuid}/files", path=of_collection, query={"path": "a.jpg"})
    (found,) = listed["result"]["files"]
    body = {"metadata": {"product_id": "A1", "price": 12.5, "tag": ["x", "y"]}}
    status, changed = api(token, "PATCH", "/api/files/{uuid}", path={"uuid": found["uuid"]}, json=body)
    assert status == 200
    shown: dict[str, Any] = changed["result"]["file"]
    return shown


def searches(api: FakeApi, token: str, file: dict[str, Any], query: dict[str, str]) -> list[dict[str, Any]]:
    """The first hit of a search by text and of one by picture."""
    answers = [
        api(token, "GET", "/api/search", query={"query": "an owl", **query}),
        api(token, "POST", "/api/search", picture=b"a picture", form=query),
    ]
    hits = []
    for status, body in answers:
        assert status == 200, body
        hits.append(body["result"]["files"][0])
    return hits


@pytest.mark.usefixtures("file")
def test_a_search_shows_the_contracts_fields_alone_unless_asked(api: FakeApi, token: str, file: dict[str, Any]) -> None:
    for hit in searches(api, token, file, {}):
        assert list(hit) == CONTRACT


@pytest.mark.parametrize(
    ("include", "fields"),
    [
        (",".join(INCLUDED), INCLUDED),
        (" modified , metadata,collection", ["collection", "metadata", "modified"]),
        ("width,width", ["width"]),
    ],
)
def test_included_fields_stand_behind_the_contracts_with_the_values_of_the_file(
    api: FakeApi, token: str, file: dict[str, Any], include: str, fields: list[str]
) -> None:
    for hit in searches(api, token, file, {"include": include}):
        assert list(hit) == [*CONTRACT, *fields]
        assert {name: hit[name] for name in fields} == {name: file[name] for name in fields}


def test_what_is_included_is_of_now_although_the_index_lags_behind(
    adapters: FakeAdapters, api: FakeApi, token: str, file: dict[str, Any]
) -> None:
    path = {"uuid": file["uuid"]}
    status, _ = api(token, "PATCH", "/api/files/{uuid}", path=path, json={"metadata": {"price": 13}})
    assert status == 200
    (hit, _) = searches(api, token, file, {"include": "metadata"})
    assert hit["metadata"] == {"product_id": "A1", "price": 13, "tag": ["x", "y"]}
    document = adapters.vectors.documents[file["uuid"]]
    record = adapters.catalogue.records[document.collection, document.file.key]
    del adapters.catalogue.records[document.collection, document.file.key]
    (hit, _) = searches(api, token, file, {"include": ",".join(INCLUDED)})
    assert hit["collection"] == file["collection"]
    assert {name: hit[name] for name in INCLUDED[1:]} == dict.fromkeys(INCLUDED[1:]) | {"metadata": {}}
    adapters.catalogue.records[document.collection, document.file.key] = record


@pytest.mark.parametrize("route", ["/api/search", "/api/collections/{uuid}/files", "/api/files/{uuid}"])
def test_an_unknown_field_is_refused_with_the_nearest(
    api: FakeApi, token: str, file: dict[str, Any], route: str
) -> None:
    path = {"uuid": file["collection"] if "collections" in route else file["uuid"]} if "{" in route else None
    query = {"query": "an owl"} if route == "/api/search" else {}
    status, body = api(token, "GET", route, path=path, query={**query, "include": "collection,widht"})
    assert (status, body["info"]["error"], body["info"]["field"]) == (400, "unknown_parameter", "include")
    assert "Did you mean 'width'?" in body["info"]["message"]
    for few in ("", " ", "width,", ",width, ,"):
        assert api(token, "GET", route, path=path, query={**query, "include": few})[0] == 200
    status, body = api(token, "GET", route, path=path, query={**query, "include": ",".join(INCLUDED)})
    assert status == 200
