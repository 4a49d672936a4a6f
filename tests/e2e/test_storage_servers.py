"""A bucket on S3-compatible servers of two makers, through the deployed system: connected, synced and changed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.e2e.harness import Caller, error_info, eventually, picture
from tests.rclone.server import ACCESS_KEY, SECRET_KEY
from tests.storage_servers import SERVERS, owners_client, storage_server

BUCKET = "photographs"
KEY = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a server with an empty bucket."""
    with storage_server(request.param, tmp_path_factory.mktemp(request.param)) as endpoint:
        owners_client(endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint


@pytest.fixture
def s3(server: str) -> Any:
    return owners_client(server)


def test_a_folder_of_another_server_is_connected_empty_filled_searched_downloaded_and_changed(
    new_account: Callable[..., Caller], server: str, s3: Any
) -> None:
    caller, source = new_account(), {"bucket": BUCKET, "folder": "/2024", "endpoint": server}
    without_key = caller.result("POST", "/api/collections/check/", json=source)
    assert [problem["error"] for problem in without_key["problems"]] == ["no_access_key"]
    report = caller.result("POST", "/api/collections/check/", json={**source, **KEY})
    assert (report["readable"], report["trust_policy"]) == (True, None)
    assert [warning["warning"] for warning in report["warnings"]] == ["folder_empty"]
    made = caller("POST", "/api/collections/", json={"type": "s3", "name": "n", **source, **KEY})
    assert made.status_code == 201, made.text
    collection = made.json()["result"]["collection"]
    assert (collection["endpoint"], collection["access_key_id"], collection["region"]) == (
        server,
        ACCESS_KEY,
        "us-east-1",
    )
    path = f"/api/collections/{collection['uuid']}"
    for name in ("owl.jpg", "cow.jpg", "dam.jpg"):
        s3.put_object(Bucket=BUCKET, Key=f"2024/{name}", Body=picture(name))
    report = caller.result("POST", "/api/collections/check/", json={**source, **KEY})
    assert (report["readable"], report["warnings"]) == (True, [])

    caller.sync_and_wait(collection["uuid"])
    assert sorted(caller.search_names("an owl")) == ["cow.jpg", "dam.jpg", "owl.jpg"]
    (owl,) = [found for found in _files(caller, path) if found["file_name"] == "owl.jpg"]
    assert owl["s3_uri"] == f"s3://{BUCKET}/2024/owl.jpg"
    link = caller("GET", owl["download_url"])
    assert link.status_code == 302 and link.headers["Location"].startswith(f"{server}/{BUCKET}/2024/owl.jpg?")
    assert requests.get(link.headers["Location"], timeout=10).content == picture("owl.jpg")
    large = caller("GET", owl["thumbnail"], params={"size": "1024"})
    assert large.ok and large.content.startswith(b"\xff\xd8")

    s3.put_object(Bucket=BUCKET, Key="2024/cow.jpg", Body=picture("pig.jpg"))
    s3.put_object(Bucket=BUCKET, Key="2024/words.jpg", Body=b"dear diary")
    s3.delete_object(Bucket=BUCKET, Key="2024/dam.jpg")
    caller.sync_and_wait(collection["uuid"])
    progress = caller.result("GET", f"{path}/sync-status/")["progress"]
    assert (progress["to_do"], progress["removed"]) == (3, 1), "the owl is known by what its ETag was found to mean"
    found = caller.result("POST", "/api/search/", files={"file": picture("pig.jpg")})["files"]
    assert [(file["file_name"], file["distance"]) for file in found[:1]] == [("cow.jpg", 0.0)]
    assert sorted(file["file_name"] for file in found) == ["cow.jpg", "owl.jpg"]
    (failed,) = caller.result("GET", f"{path}/files/", params={"state": "failed"})["files"]
    assert (failed["file_name"], failed["reason"]) == ("words.jpg", "not_an_image")
    s3.put_object(Bucket=BUCKET, Key="2024/words.jpg", Body=picture("dam.jpg"))
    assert caller("POST", f"/api/files/{failed['uuid']}/retry/").status_code == 202
    eventually(lambda: "words.jpg" in caller.search_names("a dam"))

    secrets = [made.text, caller("GET", f"{path}/").text, caller("GET", "/api/account/export/").text]
    assert not [text for text in secrets if SECRET_KEY in text or "sealed" in text]
    assert '"etags": "opaque"' in secrets[-1], "the first sync that found objects has measured them"
    assert caller("DELETE", f"{path}/").status_code == 202


def test_a_key_that_the_server_refuses_is_not_stored_and_a_sync_with_one_that_it_has_dropped_says_why(
    new_account: Callable[..., Caller], server: str, s3: Any
) -> None:
    caller, source = new_account(), {"bucket": BUCKET, "folder": "/keys", "endpoint": server}
    s3.put_object(Bucket=BUCKET, Key="keys/owl.jpg", Body=picture("owl.jpg"))
    new = {"type": "s3", "name": "n", **source, **KEY}
    wrong = {"secret_access_key": "another-secret"}
    info = error_info(caller("POST", "/api/collections/", json={**new, **wrong}), 400, "secret_access_key")
    assert "refuses the signature" in info["message"]
    info = error_info(caller("POST", "/api/collections/", json={**new, "bucket": "no-such-bucket"}), 400, "bucket")
    assert info["error"] == "source_unreadable"
    uuid = caller.result("POST", "/api/collections/", json=new)["collection"]["uuid"]

    error_info(caller("PATCH", f"/api/collections/{uuid}/", json={**KEY, **wrong}), 400, "secret_access_key")
    error_info(caller("PATCH", f"/api/collections/{uuid}/", json=wrong), 400, "access_key_id")
    assert caller("PATCH", f"/api/collections/{uuid}/", json=KEY).ok
    error_info(caller("POST", "/api/collections/", json=new), 409, "bucket")

    s3.delete_object(Bucket=BUCKET, Key="keys/owl.jpg")
    empty = {"bucket": "emptied", "folder": "/", "endpoint": server}
    s3.create_bucket(Bucket="emptied")
    uuid = caller.result("POST", "/api/collections/", json={**new, **empty})["collection"]["uuid"]
    s3.delete_bucket(Bucket="emptied")
    assert caller("POST", f"/api/collections/{uuid}/sync/").status_code == 202
    state = eventually(
        lambda: (state := caller.result("GET", f"/api/collections/{uuid}/sync-status/"))["status"] == "failed" and state
    )
    assert "There is no bucket emptied at the server" in state["progress"]["reason"]


def _files(caller: Caller, path: str) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = caller.result("GET", f"{path}/files/", params={"limit": 100})["files"]
    return files
