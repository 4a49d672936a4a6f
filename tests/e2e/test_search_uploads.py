"""Searches by pictures that are too large for a request: they go to S3 by a form, and their id is the query."""

from collections.abc import Callable
from typing import Any

import requests

from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, ManagedCollection, error_info, picture

OWL = picture("owl.jpg")
LARGE_OWL = OWL + b"\0" * (6_000_000 - len(OWL))


def send(form: dict[str, Any], body: bytes) -> requests.Response:
    """Sends the form as a page of another origin does."""
    page = {"Origin": "https://app.example"}
    return requests.post(form["url"], data=form["fields"], files={"file": body}, headers=page, timeout=60)


def test_a_picture_above_the_limit_of_a_request_is_searched_by_and_becomes_no_file(
    new_account: Callable[..., Caller], stack: LocalSystem, aws: Callable[[str], Any]
) -> None:
    managed = ManagedCollection(new_account())
    managed.upload("owl.jpg", OWL)
    managed.upload("pig.jpg", picture("pig.jpg"))
    usage = managed.caller.usage()
    refused = managed.caller("POST", "/api/search/", files={"file": LARGE_OWL})
    assert "/api/search/uploads/" in error_info(refused, 413, field="file")["message"]

    announced = {"size": len(LARGE_OWL), "mime_type": "image/jpeg"}
    prepared = managed.caller("POST", "/api/search/uploads/", json=announced)
    upload, form = (prepared.json()["result"][name] for name in ("upload", "form"))
    assert prepared.headers["Location"].endswith(f"/api/search/uploads/{upload['id']}/")
    query = {"upload": upload["id"], "limit": 10}
    assert (
        error_info(managed.caller("GET", "/api/search/", params=query), 409, field="upload")["error"]
        == "upload_incomplete"
    )
    assert send(form, LARGE_OWL).ok
    found = managed.caller.result("GET", "/api/search/", params=query)["files"]
    assert [(file["file_name"], file["distance"] < 0.001) for file in found] == [("owl.jpg", True), ("pig.jpg", False)]
    fields = {"upload": (None, upload["id"]), "limit": (None, "10")}
    assert managed.caller.result("POST", "/api/search/", files=fields)["files"] == found

    assert managed.caller.usage() == usage
    assert set(managed.files()) == {"owl.jpg", "pig.jpg"}
    path = f"/api/search/uploads/{upload['id']}/"
    assert managed.caller.result("GET", path)["upload"]["arrived"] is True
    assert managed.caller("DELETE", path).status_code == 200
    error_info(managed.caller("GET", "/api/search/", params=query), 404, field="upload")
    left = aws("s3").list_objects_v2(Bucket=stack.outputs["ManagedBucketName"], Prefix=form["fields"]["key"])
    assert left["KeyCount"] == 0


def test_the_form_takes_the_announced_size_and_type_alone(new_account: Callable[..., Caller]) -> None:
    caller = new_account()
    form = caller.result("POST", "/api/search/uploads/", json={"size": len(OWL), "mime_type": "image/jpeg"})["form"]
    assert not send(form, OWL + b"\0").ok
    assert not send({**form, "fields": {**form["fields"], "Content-Type": "text/html"}}, OWL).ok
    assert send(form, OWL).ok
