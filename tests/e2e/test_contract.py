"""The contract, endpoint by endpoint, over HTTP on the deployed template: fields, names and types as its examples."""

import hashlib
import json
import re
import uuid
from datetime import datetime
from typing import Any

import pytest
import requests

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.conftest import Caller, Customer, picture

# The examples of the contract, each value standing for its type.
FILE = {
    "uuid": "dd09f404-1bd6-4246-a277-b5af21e9da66",
    "file_name": "richard-brutyo-Sg3XwuEpybU-unsplash.jpg",
    "file_size": 702316,
    "md5": "653b6e02f13241e943e0889f0165d627",
    "thumbnail": "https://similarix.com/media/8ff9ef69/dd09f404.jpg",
    "s3_uri": "s3://similarix-test/images/richard-brutyo-Sg3XwuEpybU-unsplash.jpg",
    "download_url": "https://similarix.com/collections/download/dd09f404-1bd6-4246-a277-b5af21e9da66/",
    "distance": 0.79,
}
COLLECTION = {
    "uuid": "8ff9ef69-fd22-4308-ad1e-22c59500d944",
    "name": "test",
    "bucket": "similarix-test",
    "folder": "/images",
    "type": "s3",
    "region": "eu-central-1",
    "sync_status": "completed",
    "last_sync": "2024-09-08T08:57:17.158088+03:00",
    "auto_sync_interval": "daily",
    "stats": {"total_files": 16, "total_size": 46988023},
}


def envelope(answer: requests.Response, status: int = 200) -> dict[str, Any]:
    """The body of a success, whose outside is as the contract has it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["version", "success", "info", "result"]
    assert body["version"] == "1.0.2"
    assert body["success"] is True
    return body


def same_shape(value: Any, example: Any) -> bool:
    if isinstance(example, dict):
        return list(value) == list(example) and all(same_shape(value[name], example[name]) for name in example)
    return type(value) is type(example)


@pytest.mark.parametrize("slash", ["", "/"])
class TestEveryEndpointAnswersWithAndWithoutTheTrailingSlash:
    def test_text_search(self, api: Caller, slash: str) -> None:
        body = envelope(api("GET", f"/api/search{slash}", params={"query": "dog"}))
        assert body["info"] == {"files_count": 16, "search_type": "text", "query": "dog"}
        assert len(body["result"]["files"]) == 16
        assert all(same_shape(file, FILE) for file in body["result"]["files"])
        distances = [file["distance"] for file in body["result"]["files"]]
        assert distances == sorted(distances)

    def test_image_search(self, api: Caller, slash: str) -> None:
        body = envelope(api("POST", f"/api/search{slash}", files={"file": picture("owl.jpg")}))
        assert body["info"] == {"files_count": 16, "search_type": "image", "query": None}
        best = body["result"]["files"][0]
        assert same_shape(best, FILE)
        assert best["file_name"] == "owl.jpg"
        assert best["distance"] == 0.0
        assert not str(best["distance"]).startswith("-")

    def test_list_collections(self, api: Caller, stack: LocalSystem, slash: str) -> None:
        body = envelope(api("GET", f"/api/collections{slash}"))
        assert body["info"] == {}
        shown = {each["uuid"]: each for each in body["result"]["collections"]}
        assert same_shape(shown[stack.collection], COLLECTION)
        assert shown[stack.managed_collection]["type"] == "managed"

    def test_collection_details(self, api: Caller, stack: LocalSystem, slash: str) -> None:
        body = envelope(api("GET", f"/api/collections/{stack.collection}{slash}"))
        assert body["info"] == {}
        shown = body["result"]["collection"]
        assert same_shape(shown, COLLECTION)
        assert (shown["bucket"], shown["folder"]) == (stack.sample_bucket, "/photos")
        assert datetime.fromisoformat(shown["last_sync"]).tzinfo is not None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d", shown["last_sync"])

    def test_sync_status(self, api: Caller, stack: LocalSystem, slash: str) -> None:
        body = envelope(api("GET", f"/api/collections/{stack.collection}/sync-status{slash}"))
        assert list(body["result"]) == ["status", "last_sync", "last_auto_sync", "progress"]
        progress = body["result"]["progress"]
        assert progress["done"] + progress["failed"] + progress["removed"] + progress["skipped"] == progress["to_do"]
        assert datetime.fromisoformat(body["result"]["last_sync"]).tzinfo is not None

    def test_upload(self, api: Caller, stack: LocalSystem, slash: str) -> None:
        path = f"/api/collections/{stack.managed_collection}/upload{slash}"
        body = envelope(api("POST", path, files={"file": ("example_image.jpg", picture("igloo.jpg"))}), 201)
        assert body["result"] == {
            "message": "Image uploaded successfully",
            "collection": stack.managed_collection,
            "file": "example_image.jpg",
            "mime_type": "image/jpeg",
        }

    def test_download(self, api: Caller, slash: str) -> None:
        found = api.result("POST", "/api/search/", files={"file": picture("crab.jpg")})["files"][0]
        answer = api("GET", found["download_url"].rstrip("/") + slash)
        assert answer.status_code == 302
        original = requests.get(answer.headers["Location"], timeout=30)
        assert original.content == picture("crab.jpg")
        assert "crab.jpg" in original.headers["Content-Disposition"]


def test_a_file_is_described_as_it_is(api: Caller, stack: LocalSystem) -> None:
    found = api.result("POST", "/api/search/", files={"file": picture("koala.jpg")})["files"][0]
    assert found["file_size"] == len(picture("koala.jpg"))
    assert found["md5"] == hashlib.md5(picture("koala.jpg")).hexdigest()
    assert found["s3_uri"] == f"s3://{stack.sample_bucket}/photos/koala.jpg"
    assert found["thumbnail"] == f"{stack.api_url}/media/{stack.collection}/{found['uuid']}.jpg"
    assert found["download_url"] == f"{stack.api_url}/collections/download/{found['uuid']}/"


def test_a_thumbnail_is_a_small_jpeg(api: Caller) -> None:
    found = api.result("GET", "/api/search/", params={"query": "koala", "limit": 1})["files"][0]
    answer = api("GET", found["thumbnail"])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("accept", ["*/*", "image/avif,image/webp,*/*;q=0.8", "text/html,application/xhtml+xml"])
def test_a_thumbnail_arrives_whole_whatever_the_browser_accepts(api: Caller, accept: str) -> None:
    found = api.result("GET", "/api/search/", params={"query": "koala", "limit": 1})["files"][0]
    assert api("GET", found["thumbnail"], headers={"Accept": accept}).content.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (2, 2), (50, 50)])
def test_limit_says_how_many_are_found(api: Caller, limit: int, count: int) -> None:
    found = api.result("GET", "/api/search/", params={"query": "an animal", "limit": limit})
    assert len(found["files"]) == count
    sent = api.result("POST", "/api/search/", params={"limit": limit}, files={"file": picture("owl.jpg")})
    assert len(sent["files"]) == count


def test_a_collection_on_a_customers_bucket_is_created(api: Caller, stranger: Caller, customer: Customer) -> None:
    source = {"bucket": customer.make_bucket("eu-west-1"), "folder": "/2024/", "region": "eu-west-1"}
    role = customer.make_role(stranger.result("POST", "/api/collections/check/", json=source))
    wish = {**source, "type": "s3", "name": "  Ours ", "role_arn": role, "auto_sync_interval": "weekly"}
    body = envelope(stranger("POST", "/api/collections/", json=wish), 201)
    made = body["result"]["collection"]
    assert list(made) == list(COLLECTION)
    assert (made["name"], made["folder"], made["sync_status"], made["last_sync"]) == ("Ours", "/2024", "pending", None)
    assert made["stats"] == {"total_files": 0, "total_size": 0}
    assert len(body["info"]["external_id"]) >= 32
    assert made in stranger.result("GET", "/api/collections/")["collections"]
    assert made not in api.result("GET", "/api/collections/")["collections"]


def test_a_managed_collection_is_created_and_takes_uploads_at_once(stranger: Caller) -> None:
    made = stranger.result("POST", "/api/collections/", json={"type": "managed", "name": "Mine"})["collection"]
    assert made["type"] == "managed"
    uuid.UUID(made["uuid"])
    answer = stranger("POST", f"/api/collections/{made['uuid']}/upload/", files={"file": ("o.jpg", picture("owl.jpg"))})
    assert answer.status_code == 201
    found = stranger.result("POST", "/api/search/", files={"file": picture("owl.jpg")})["files"]
    assert [(file["file_name"], file["distance"]) for file in found] == [("o.jpg", 0.0)]


def test_captions_find_their_pictures_as_well_as_the_model_alone_does(api: Caller) -> None:
    samples = json.loads((SAMPLES / "samples.json").read_text())
    ranks = []
    for sample in samples:
        found = api.result("GET", "/api/search/", params={"query": sample["title"], "limit": 100})["files"]
        keys = [file["s3_uri"].rpartition("/")[2] for file in found if "/photos/" in file["s3_uri"]]
        ranks.append(keys.index(sample["file"].rpartition("/")[2]))
    assert sum(rank == 0 for rank in ranks) / len(ranks) >= 0.76
    assert sum(rank < 5 for rank in ranks) / len(ranks) >= 0.94
