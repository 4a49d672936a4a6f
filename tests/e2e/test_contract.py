"""Every endpoint over HTTP: fields, names and types as in the contract's examples, with and without a last slash."""

import hashlib
import json
import re
import uuid
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.examples import COLLECTION, FILE, TIMESTAMP, contract_part, same_shape
from tests.e2e.harness import Caller, Customer, bucket_source, picture, without_signature

WITH_AND_WITHOUT_SLASH = pytest.mark.parametrize("slash", ["", "/"])


def envelope(answer: requests.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer that must be a success in the contract's envelope."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["version", "success", "info", "result"]
    assert body["version"] == "1.0.2"
    assert body["success"] is True
    return body


@WITH_AND_WITHOUT_SLASH
def test_a_text_search_returns_16_files_nearest_first(api: Caller, slash: str) -> None:
    body = envelope(api("GET", f"/api/search{slash}", params={"query": "dog"}))
    assert body["info"] == {"files_count": 16, "search_type": "text", "query": "dog"}
    assert len(body["result"]["files"]) == 16
    assert all(same_shape(file, FILE) for file in body["result"]["files"])
    distances = [file["distance"] for file in body["result"]["files"]]
    assert distances == sorted(distances)


@WITH_AND_WITHOUT_SLASH
def test_a_picture_search_returns_16_files_and_the_picture_itself_at_distance_zero(api: Caller, slash: str) -> None:
    body = envelope(api("POST", f"/api/search{slash}", files={"file": picture("owl.jpg")}))
    assert body["info"] == {"files_count": 16, "search_type": "image", "query": None}
    nearest = body["result"]["files"][0]
    assert same_shape(nearest, FILE)
    assert nearest["file_name"] == "owl.jpg"
    assert nearest["distance"] == 0.0
    assert not str(nearest["distance"]).startswith("-")


@WITH_AND_WITHOUT_SLASH
def test_an_accounts_collections_are_listed(api: Caller, stack: LocalSystem, slash: str) -> None:
    body = envelope(api("GET", f"/api/collections{slash}"))
    assert body["info"] == {}
    collections = {collection["uuid"]: collection for collection in body["result"]["collections"]}
    assert same_shape(contract_part(collections[stack.collection]), COLLECTION)
    assert collections[stack.managed_collection]["type"] == "managed"


@WITH_AND_WITHOUT_SLASH
def test_one_collection_is_shown_with_its_fields(api: Caller, stack: LocalSystem, slash: str) -> None:
    body = envelope(api("GET", f"/api/collections/{stack.collection}{slash}"))
    assert body["info"] == {}
    collection = body["result"]["collection"]
    assert same_shape(contract_part(collection), COLLECTION)
    assert (collection["bucket"], collection["folder"]) == (stack.sample_bucket, "/photos")
    assert datetime.fromisoformat(collection["last_sync"]).tzinfo is not None
    assert re.fullmatch(TIMESTAMP, collection["last_sync"])


@WITH_AND_WITHOUT_SLASH
def test_a_syncs_status_adds_up(api: Caller, stack: LocalSystem, slash: str) -> None:
    body = envelope(api("GET", f"/api/collections/{stack.collection}/sync-status{slash}"))
    assert list(body["result"]) == ["status", "last_sync", "last_auto_sync", "progress", "next_auto_sync", "waiting"]
    progress = body["result"]["progress"]
    assert progress["done"] + progress["failed"] + progress["removed"] + progress["skipped"] == progress["to_do"]
    assert datetime.fromisoformat(body["result"]["last_sync"]).tzinfo is not None


@WITH_AND_WITHOUT_SLASH
def test_an_upload_is_answered_with_its_name_and_type(api: Caller, stack: LocalSystem, slash: str) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload{slash}"
    body = envelope(api("POST", path, files={"file": ("example_image.jpg", picture("igloo.jpg"))}), 201)
    uuid = body["result"]["uuid"]
    assert body["result"] == {
        "message": "Image uploaded successfully",
        "collection": stack.managed_collection,
        "file": "example_image.jpg",
        "mime_type": "image/jpeg",
        "uuid": uuid,
        "path": "example_image.jpg",
        "replaced": False,
    }
    assert api.result("GET", f"/api/files/{uuid}/")["file"]["file_name"] == "example_image.jpg"


@WITH_AND_WITHOUT_SLASH
def test_a_download_redirects_to_the_original_under_its_name(api: Caller, slash: str) -> None:
    crab = api.result("POST", "/api/search/", files={"file": picture("crab.jpg")})["files"][0]
    path, _, signature = crab["download_url"].partition("?")
    answer = api("GET", f"{path.rstrip('/')}{slash}?{signature}")
    assert answer.status_code == 302
    original = requests.get(answer.headers["Location"], timeout=30)
    assert original.content == picture("crab.jpg")
    assert "crab.jpg" in original.headers["Content-Disposition"]


def test_a_files_fields_are_those_of_its_object(api: Caller, stack: LocalSystem) -> None:
    koala = api.result("POST", "/api/search/", files={"file": picture("koala.jpg")})["files"][0]
    assert koala["file_size"] == len(picture("koala.jpg"))
    assert koala["md5"] == hashlib.md5(picture("koala.jpg")).hexdigest()
    assert koala["s3_uri"] == f"s3://{stack.sample_bucket}/photos/koala.jpg"
    assert without_signature(koala["thumbnail"]) == f"{stack.api_url}/media/{stack.collection}/{koala['uuid']}.jpg"
    assert without_signature(koala["download_url"]) == f"{stack.api_url}/collections/download/{koala['uuid']}/"


@pytest.mark.parametrize("accept", [None, "*/*", "image/avif,image/webp,*/*;q=0.8", "text/html,application/xhtml+xml"])
def test_a_thumbnail_is_a_jpeg_whatever_the_browser_accepts(api: Caller, accept: str | None) -> None:
    koala = api.result("GET", "/api/search/", params={"query": "koala", "limit": 1})["files"][0]
    answer = api("GET", koala["thumbnail"], headers={"Accept": accept})  # None: without the header, as Go's clients
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")


def test_a_signed_thumbnail_is_served_in_three_sizes(api: Caller, anonymous: Caller) -> None:
    koala = api.result("GET", "/api/search/", params={"query": "koala", "limit": 1})["files"][0]
    longest = max(Image.open(BytesIO(picture("koala.jpg"))).size)
    for size in (256, 512, 1024, 256):
        answer = anonymous("GET", f"{koala['thumbnail']}&size={size}")
        assert (answer.status_code, answer.headers["Thumbnail-Size"]) == (200, str(size))
        assert max(Image.open(BytesIO(answer.content)).size) == min(size, longest)


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_a_search_returns_as_many_files_as_its_limit(api: Caller, limit: int) -> None:
    by_text = api.result("GET", "/api/search/", params={"query": "an animal", "limit": limit})
    assert len(by_text["files"]) == limit
    by_picture = api.result("POST", "/api/search/", params={"limit": limit}, files={"file": picture("owl.jpg")})
    assert len(by_picture["files"]) == limit


def test_a_collection_on_a_customers_bucket_is_created(api: Caller, other_account: Caller, customer: Customer) -> None:
    source = bucket_source(customer.create_bucket("eu-west-1"), "/2024/", "eu-west-1")
    role = customer.create_role(other_account.result("POST", "/api/collections/check/", json=source))
    payload = {**source, "type": "s3", "name": "  Ours ", "role_arn": role, "auto_sync_interval": "weekly"}
    body = envelope(other_account("POST", "/api/collections/", json=payload), 201)
    collection = body["result"]["collection"]
    assert list(contract_part(collection)) == list(COLLECTION)
    assert (collection["name"], collection["folder"]) == ("Ours", "/2024")
    assert (collection["sync_status"], collection["last_sync"]) == ("pending", None)
    assert collection["stats"] == {"total_files": 0, "total_size": 0}
    assert len(body["info"]["external_id"]) >= 32
    assert collection in other_account.result("GET", "/api/collections/")["collections"]
    assert collection not in api.result("GET", "/api/collections/")["collections"]


def test_a_managed_collection_is_created_and_takes_uploads_at_once(other_account: Caller) -> None:
    payload = {"type": "managed", "name": "Mine"}
    collection = other_account.result("POST", "/api/collections/", json=payload)["collection"]
    assert collection["type"] == "managed"
    uuid.UUID(collection["uuid"])
    path = f"/api/collections/{collection['uuid']}/upload/"
    assert other_account("POST", path, files={"file": ("o.jpg", picture("owl.jpg"))}).status_code == 201
    files = other_account.result("POST", "/api/search/", files={"file": picture("owl.jpg")})["files"]
    assert [(file["file_name"], file["distance"]) for file in files] == [("o.jpg", 0.0)]


def test_captions_rank_their_pictures_as_the_bare_model_does(api: Caller) -> None:
    ranks = []
    for sample in json.loads((SAMPLES / "samples.json").read_text()):
        files = api.result("GET", "/api/search/", params={"query": sample["title"], "limit": 100})["files"]
        names = [file["s3_uri"].rpartition("/")[2] for file in files if "/photos/" in file["s3_uri"]]
        ranks.append(names.index(sample["file"].rpartition("/")[2]))
    assert sum(rank == 0 for rank in ranks) / len(ranks) >= 0.76
    assert sum(rank < 5 for rank in ranks) / len(ranks) >= 0.94
