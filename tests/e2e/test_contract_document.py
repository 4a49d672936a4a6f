"""The API's contract from its first line to its last: each section's example is repeated on data like the example's."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import requests

from chalicelib.domain.accounts import NewToken, Scope, Subscription, generate_secret, token_digest
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.examples import COLLECTION, FILE, TIMESTAMP, contract_part, same_shape
from tests.e2e.harness import (
    Caller,
    Customer,
    ManagedCollection,
    bucket_source,
    error_info,
    eventually,
    paused_sync_worker,
    picture,
    without_signature,
)

PICTURES = sorted(path.name for path in (SAMPLES / "photos").glob("*.jpg"))[:16]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def pro(deployment: Deployment, stack: LocalSystem) -> Caller:
    """A user on a "Pro" plan, with the token of their user page."""
    accounts = deployment.services.accounts
    account = accounts.open("A user", Subscription("pro"))
    return Caller(stack.api_url, accounts.issue_token(account.uuid, NewToken("user page", Scope.ADMIN))[0])


@pytest.fixture(scope="module")
def bucket(aws: Callable[[str], Any]) -> str:
    """The user's bucket with the sixteen pictures; its name."""
    name = f"similarix-test-{uuid.uuid4().hex[:8]}"
    s3 = aws("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for file in PICTURES:
        s3.put_object(Bucket=name, Key=f"images/{file}", Body=picture(file))
    return name


@pytest.fixture(scope="module")
def collection(pro: Caller, bucket: str, aws: Callable[[str], Any]) -> str:
    """The collection named "test" of the examples, synced; its uuid."""
    source = bucket_source(bucket, "/images", "eu-central-1")
    role = Customer(aws).create_role(pro.result("POST", "/api/collections/check/", json=source))
    payload = {**source, "type": "s3", "name": "test", "role_arn": role, "auto_sync_interval": "daily"}
    created: str = pro.result("POST", "/api/collections/", json=payload)["collection"]["uuid"]
    pro.sync_and_wait(created)
    return created


@pytest.fixture(scope="module")
def managed_collection(pro: Caller, collection: str) -> str:
    """A managed collection, created after the other, so that it comes second in a list; its uuid."""
    return pro.create_managed_collection("cloud")


@pytest.fixture
def without_uploads_afterwards(pro: Caller, managed_collection: str) -> Iterator[None]:
    """Deletes what a test uploads, so that every other test finds just the sixteen pictures."""
    yield
    for file in pro.result("GET", f"/api/collections/{managed_collection}/files/")["files"]:
        assert pro("DELETE", f"/api/files/{file['uuid']}/").status_code == 200


def body_of(answer: requests.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def check_files(pro: Caller, files: list[dict[str, Any]], bucket: str, collection: str) -> None:
    """Each field of each file must be what the picture's bytes and place give."""
    assert sorted(file["file_name"] for file in files) == PICTURES
    for file in files:
        assert same_shape(file, FILE)
        content = picture(file["file_name"])
        assert UUID.fullmatch(file["uuid"])
        assert file["file_size"] == len(content)
        assert file["md5"] == hashlib.md5(content).hexdigest()
        assert without_signature(file["thumbnail"]) == f"{pro.base_url}/media/{collection}/{file['uuid']}.jpg"
        assert file["s3_uri"] == f"s3://{bucket}/images/{file['file_name']}"
        assert without_signature(file["download_url"]) == f"{pro.base_url}/collections/download/{file['uuid']}/"
    distances = [file["distance"] for file in files]
    assert distances == sorted(distances), "lower is more similar"


def check_collection(shown: dict[str, Any], bucket: str, uuid: str) -> None:
    """Only the identifier, the bucket, the time and the bytes may differ from the contract's example."""
    size = sum(len(picture(file)) for file in PICTURES)
    differing = {"uuid": uuid, "bucket": bucket, "last_sync": shown["last_sync"]}
    fixed = contract_part(shown)
    assert fixed == {**COLLECTION, **differing, "stats": {"total_files": 16, "total_size": size}}
    assert list(fixed) == list(COLLECTION)
    assert re.fullmatch(TIMESTAMP, shown["last_sync"])


def test_authentication_is_a_token_in_the_header(pro: Caller, collection: str) -> None:
    headers = {"Authorization": f"Token {pro.token}"}
    assert requests.get(f"{pro.base_url}/api/collections/", headers=headers, timeout=30).status_code == 200
    assert requests.get(f"{pro.base_url}/api/collections/", timeout=30).status_code == 403


def test_the_response_format_is_version_success_info_and_result(pro: Caller, collection: str) -> None:
    body = body_of(pro("GET", "/api/collections/"))
    assert {name: value for name, value in body.items() if name != "result"} == {
        "version": "1.0.2",
        "success": True,
        "info": {},
    }
    assert list(body) == ["version", "success", "info", "result"]


def test_section_1_a_text_based_search(pro: Caller, bucket: str, collection: str) -> None:
    body = body_of(pro("GET", "/api/search/", params={"query": "dog"}))
    assert body["info"] == {"files_count": 16, "search_type": "text", "query": "dog"}
    assert list(body["result"]) == ["files"]
    check_files(pro, body["result"]["files"], bucket, collection)


def test_section_2_an_image_based_search(pro: Caller, bucket: str, collection: str) -> None:
    body = body_of(pro("POST", "/api/search/", files={"file": picture(PICTURES[3])}))
    assert body["info"] == {"files_count": 16, "search_type": "image", "query": None}
    check_files(pro, body["result"]["files"], bucket, collection)
    nearest = body["result"]["files"][0]
    assert (nearest["file_name"], nearest["distance"]) == (PICTURES[3], 0.0)
    assert isinstance(nearest["distance"], float)


def test_section_3_the_list_of_collections(pro: Caller, bucket: str, collection: str) -> None:
    body = body_of(pro("GET", "/api/collections/"))
    assert (body["info"], list(body["result"])) == ({}, ["collections"])
    check_collection(body["result"]["collections"][0], bucket, collection)


def test_section_4_the_details_of_a_collection(pro: Caller, bucket: str, collection: str) -> None:
    body = body_of(pro("GET", f"/api/collections/{collection}/"))
    assert (body["info"], list(body["result"])) == ({}, ["collection"])
    check_collection(body["result"]["collection"], bucket, collection)


def test_section_5_a_sync_is_triggered(pro: Caller, collection: str) -> None:
    body = body_of(pro("POST", f"/api/collections/{collection}/sync/"), 202)
    assert body["info"] == {}
    assert body["result"] == {"message": f"Sync triggered successfully for collection {collection}."}
    eventually(lambda: pro.result("GET", f"/api/collections/{collection}/sync-status/")["status"] == "completed")


def test_section_6_the_status_of_a_sync(pro: Caller, collection: str) -> None:
    body = body_of(pro("GET", f"/api/collections/{collection}/sync-status/"))
    assert body["info"] == {}
    assert list(body["result"])[:3] == ["status", "last_sync", "last_auto_sync"]
    assert body["result"]["status"] == "completed"
    assert datetime.fromisoformat(body["result"]["last_sync"]).tzinfo is not None
    assert body["result"]["last_auto_sync"] is None, "no schedule has fired yet"


@pytest.mark.usefixtures("without_uploads_afterwards")
def test_section_7_an_upload_to_similarix_cloud(pro: Caller, managed_collection: str) -> None:
    path = f"/api/collections/{managed_collection}/upload/"
    body = body_of(pro("POST", path, files={"file": ("example_image.jpg", picture("owl.jpg"))}), 201)
    assert list(body) == ["version", "success", "info", "result"]
    # A field may be added behind those of the contract.
    assert list(body["result"].items())[:4] == [
        ("message", "Image uploaded successfully"),
        ("collection", managed_collection),
        ("file", "example_image.jpg"),
        ("mime_type", "image/jpeg"),
    ]
    assert UUID.fullmatch(body["result"]["uuid"])


@pytest.mark.parametrize(("size", "status"), [(20_000_000, 201), (20 * 2**20, 201), (20 * 2**20 + 1, 413)])
def test_section_7_the_maximum_file_size_is_20_mb(pro: Caller, managed_collection: str, size: int, status: int) -> None:
    payload = {"path": "large.jpg", "size": size, "mime_type": "image/jpeg"}
    assert pro("POST", f"/api/collections/{managed_collection}/uploads/", json=payload).status_code == status


def test_section_7_only_image_files_are_supported(pro: Caller, managed_collection: str) -> None:
    path = f"/api/collections/{managed_collection}"
    body_of(pro("POST", f"{path}/upload/", files={"file": ("notes.jpg", b"%PDF-1.7 notes")}), 400)
    body_of(
        pro("POST", f"{path}/uploads/", json={"path": "notes.pdf", "size": 10, "mime_type": "application/pdf"}), 415
    )


@pytest.mark.usefixtures("without_uploads_afterwards")
def test_section_7_uploaded_files_can_be_searched_at_once(pro: Caller, managed_collection: str) -> None:
    path = f"/api/collections/{managed_collection}/upload/"
    body_of(pro("POST", path, files={"file": ("now.jpg", picture("owl.jpg"))}), 201)
    nearest = body_of(pro("POST", "/api/search/", files={"file": picture("owl.jpg")}))["result"]["files"][0]
    assert (nearest["file_name"], nearest["distance"]) == ("now.jpg", 0.0)


def test_section_7_the_plan_limits_the_number_of_uploads(new_account: Callable[..., Caller]) -> None:
    managed = ManagedCollection(new_account("pro", uploads_a_month=1))
    assert managed.upload("first.jpg", picture("owl.jpg")).status_code == 201
    assert managed.upload("second.jpg", picture("owl.jpg")).status_code == 403


@pytest.mark.parametrize("interval", ["daily", "weekly", "monthly"])
def test_auto_sync_is_daily_weekly_or_monthly(pro: Caller, collection: str, interval: str) -> None:
    try:
        body = body_of(pro("PATCH", f"/api/collections/{collection}/", json={"auto_sync_interval": interval}))
        assert body["result"]["collection"]["auto_sync_interval"] == interval
    finally:
        pro("PATCH", f"/api/collections/{collection}/", json={"auto_sync_interval": "daily"})


# Error handling: "an appropriate HTTP status code along with a detailed error message".


def test_status_200_answers_a_get_and_a_delete(pro: Caller, managed_collection: str) -> None:
    assert pro("GET", "/api/account/").status_code == 200
    token = pro.result("POST", "/api/tokens/", json={"name": "short", "scope": "read"})["token"]["id"]
    assert pro("DELETE", f"/api/tokens/{token}/").status_code == 200


def test_status_201_answers_a_creation(pro: Caller) -> None:
    body = body_of(pro("POST", "/api/collections/", json={"type": "managed", "name": "n"}), 201)
    assert pro("DELETE", f"/api/collections/{body['result']['collection']['uuid']}/").status_code == 202


def test_status_202_answers_a_sync_that_is_accepted(pro: Caller, collection: str) -> None:
    pro.sync_and_wait(collection)


def test_status_400_answers_an_invalid_parameter(pro: Caller) -> None:
    error_info(pro("GET", "/api/search/"), 400, field="query")


def test_status_403_answers_a_missing_token_and_a_missing_permission(pro: Caller, anonymous: Caller) -> None:
    assert error_info(anonymous("GET", "/api/collections/"), 403)["error"] == "forbidden"
    secret = pro.result("POST", "/api/tokens/", json={"name": "reader", "scope": "read"})["secret"]
    answer = Caller(pro.base_url, secret)("POST", "/api/collections/", json={"type": "managed", "name": "n"})
    assert error_info(answer, 403)["error"] == "read_only_token"


def test_status_404_answers_an_unknown_identifier(pro: Caller) -> None:
    error_info(pro("GET", f"/api/collections/{uuid.uuid4()}/"), 404)


def test_status_409_answers_a_sync_while_one_is_in_progress(
    pro: Caller, collection: str, aws: Any, stack: LocalSystem
) -> None:
    path = f"/api/collections/{collection}"
    with paused_sync_worker(aws, stack):
        assert pro("POST", f"{path}/sync/").status_code == 202
        assert error_info(pro("POST", f"{path}/sync/"), 409)["error"] == "sync_in_progress"
        assert pro.result("GET", f"{path}/sync-status/")["status"] == "in_progress"
    eventually(lambda: pro.result("GET", f"{path}/sync-status/")["status"] == "completed")


def test_status_500_answers_an_unexpected_error_without_its_details(aws: Any, stack: LocalSystem) -> None:
    # The record of this token lacks its fields, which the application never writes.
    secret = generate_secret()
    damaged = {"pk": {"S": f"token#{token_digest(secret)}"}, "sk": {"S": "token"}}
    aws("dynamodb").put_item(TableName=stack.outputs["AccountsTableName"], Item=damaged)
    answer = Caller(stack.api_url, secret)("GET", "/api/collections/")
    assert error_info(answer, 500)["error"] == "internal_error"
    assert "KeyError" not in answer.text


def test_status_503_with_retry_after_answers_a_search_while_the_embedder_is_unavailable(
    pro: Caller, aws: Any, stack: LocalSystem
) -> None:
    iam = aws("iam")
    function = aws("lambda").get_function_configuration(FunctionName=stack.outputs["APIHandlerName"])
    names = {"RoleName": function["Role"].rpartition("/")[2], "PolicyName": "no-embedder"}
    # Denied, and not just allowed no more: a role that lacks a right fails test_permissions.py.
    denial = {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"}
    iam.put_role_policy(**names, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denial]}))
    try:
        answer = pro("GET", "/api/search/", params={"query": f"never searched before {uuid.uuid4()}"})
        assert error_info(answer, 503)["error"] == "embedder_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        iam.delete_role_policy(**names)
    assert pro("GET", "/api/search/", params={"query": "dog"}).status_code == 200
