"""The contract from its first line to its last, a test for each row: the world is set up as its examples have it."""

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
from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.conftest import Caller, Customer, eventually, picture
from tests.e2e.test_contract import COLLECTION, FILE, same_shape

PICTURES = sorted(path.name for path in (SAMPLES / "photos").glob("*.jpg"))[:16]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def pro(deployment: Any, stack: LocalSystem) -> Caller:
    """Somebody on a 'Pro' plan, with the token of their user page."""
    accounts = deployment.services.accounts
    account = accounts.open("A user", Subscription("pro"))
    return Caller(stack.api_url, accounts.issue_token(account.uuid, NewToken("user page", Scope.WRITE))[0])


@pytest.fixture(scope="module")
def bucket(aws: Callable[[str], Any]) -> str:
    name = f"similarix-test-{uuid.uuid4().hex[:8]}"
    s3 = aws("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for file in PICTURES:
        s3.put_object(Bucket=name, Key=f"images/{file}", Body=picture(file))
    return name


@pytest.fixture(scope="module")
def test(pro: Caller, bucket: str, aws: Callable[[str], Any]) -> str:
    """The collection named 'test' of the examples, synced; its uuid."""
    source = {"bucket": bucket, "folder": "/images", "region": "eu-central-1"}
    role = Customer(aws).make_role(pro.result("POST", "/api/collections/check/", json=source))
    wish = {**source, "type": "s3", "name": "test", "role_arn": role, "auto_sync_interval": "daily"}
    made: str = pro.result("POST", "/api/collections/", json=wish)["collection"]["uuid"]
    assert pro("POST", f"/api/collections/{made}/sync/").status_code == 202
    eventually(lambda: pro.result("GET", f"/api/collections/{made}/sync-status/")["status"] == "completed")
    return made


@pytest.fixture(scope="module")
def managed(pro: Caller, test: str) -> str:
    made: str = pro.result("POST", "/api/collections/", json={"type": "managed", "name": "cloud"})["collection"]["uuid"]
    return made


@pytest.fixture
def cloudless(pro: Caller, managed: str) -> Iterator[None]:
    """What a test uploads is gone after it, so that the sixteen pictures are all there is."""
    yield
    for file in pro.result("GET", f"/api/collections/{managed}/files/")["files"]:
        assert pro("DELETE", f"/api/files/{file['uuid']}/").status_code == 200


def body(answer: requests.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_authentication_is_a_token_in_the_header(pro: Caller, test: str) -> None:
    headers = {"Authorization": f"Token {pro.token}"}
    assert requests.get(f"{pro.base_url}/api/collections/", headers=headers, timeout=30).status_code == 200
    assert requests.get(f"{pro.base_url}/api/collections/", timeout=30).status_code == 403


def test_the_response_format_is_version_success_info_and_result(pro: Caller, test: str) -> None:
    answer = body(pro("GET", "/api/collections/"))
    assert {name: value for name, value in answer.items() if name != "result"} == {
        "version": "1.0.2",
        "success": True,
        "info": {},
    }
    assert list(answer) == ["version", "success", "info", "result"]


def check_files(pro: Caller, files: list[dict[str, Any]], bucket: str, test: str) -> None:
    """Each field of each file against what is known of the picture."""
    assert sorted(file["file_name"] for file in files) == PICTURES
    for file in files:
        assert same_shape(file, FILE)
        content = picture(file["file_name"])
        assert UUID.fullmatch(file["uuid"])
        assert file["file_size"] == len(content)
        assert file["md5"] == hashlib.md5(content).hexdigest()
        assert file["thumbnail"] == f"{pro.base_url}/media/{test}/{file['uuid']}.jpg"
        assert file["s3_uri"] == f"s3://{bucket}/images/{file['file_name']}"
        assert file["download_url"] == f"{pro.base_url}/collections/download/{file['uuid']}/"
    distances = [file["distance"] for file in files]
    assert distances == sorted(distances), "lower is more similar"


def test_1_text_based_search(pro: Caller, bucket: str, test: str) -> None:
    answer = body(pro("GET", "/api/search/", params={"query": "dog"}))
    assert answer["info"] == {"files_count": 16, "search_type": "text", "query": "dog"}
    assert list(answer["result"]) == ["files"]
    check_files(pro, answer["result"]["files"], bucket, test)


def test_2_image_based_search(pro: Caller, bucket: str, test: str) -> None:
    answer = body(pro("POST", "/api/search/", files={"file": picture(PICTURES[3])}))
    assert answer["info"] == {"files_count": 16, "search_type": "image", "query": None}
    check_files(pro, answer["result"]["files"], bucket, test)
    best = answer["result"]["files"][0]
    assert (best["file_name"], best["distance"]) == (PICTURES[3], 0.0)
    assert isinstance(best["distance"], float)


def check_collection(shown: dict[str, Any], bucket: str, test: str) -> None:
    """Against the contract's example, in which only the identifier, the bucket, the time and the bytes differ."""
    size = sum(len(picture(file)) for file in PICTURES)
    differs = {"uuid": test, "bucket": bucket, "last_sync": shown["last_sync"]}
    assert shown == {**COLLECTION, **differs, "stats": {"total_files": 16, "total_size": size}}
    assert list(shown) == list(COLLECTION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d", shown["last_sync"])


def test_3_list_collections(pro: Caller, bucket: str, test: str) -> None:
    answer = body(pro("GET", "/api/collections/"))
    assert (answer["info"], list(answer["result"])) == ({}, ["collections"])
    check_collection(answer["result"]["collections"][0], bucket, test)


def test_4_get_collection_details(pro: Caller, bucket: str, test: str) -> None:
    answer = body(pro("GET", f"/api/collections/{test}/"))
    assert (answer["info"], list(answer["result"])) == ({}, ["collection"])
    check_collection(answer["result"]["collection"], bucket, test)


def test_5_trigger_collection_sync(pro: Caller, test: str) -> None:
    answer = body(pro("POST", f"/api/collections/{test}/sync/"), 202)
    assert answer["info"] == {}
    assert answer["result"] == {"message": f"Sync triggered successfully for collection {test}."}
    eventually(lambda: pro.result("GET", f"/api/collections/{test}/sync-status/")["status"] == "completed")


def test_6_check_collection_sync_status(pro: Caller, test: str) -> None:
    answer = body(pro("GET", f"/api/collections/{test}/sync-status/"))
    assert answer["info"] == {}
    assert list(answer["result"])[:3] == ["status", "last_sync", "last_auto_sync"]
    assert answer["result"]["status"] == "completed"
    assert datetime.fromisoformat(answer["result"]["last_sync"]).tzinfo is not None
    assert answer["result"]["last_auto_sync"] is None, "no schedule has fired yet"


@pytest.mark.usefixtures("cloudless")
def test_7_similarix_cloud(pro: Caller, managed: str) -> None:
    path = f"/api/collections/{managed}/upload/"
    answer = body(pro("POST", path, files={"file": ("example_image.jpg", picture("owl.jpg"))}), 201)
    assert answer == {
        "version": "1.0.2",
        "success": True,
        "info": {},
        "result": {
            "message": "Image uploaded successfully",
            "collection": managed,
            "file": "example_image.jpg",
            "mime_type": "image/jpeg",
        },
    }


def test_7_the_maximum_file_size_is_20_mb(pro: Caller, managed: str) -> None:
    def prepared(size: int) -> int:
        wish = {"file": "large.jpg", "size": size, "mime_type": "image/jpeg"}
        return pro("POST", f"/api/collections/{managed}/upload/", json=wish).status_code

    assert (prepared(20_000_000), prepared(20 * 2**20), prepared(20 * 2**20 + 1)) == (201, 201, 413)


def test_7_only_image_files_are_supported(pro: Caller, managed: str) -> None:
    path = f"/api/collections/{managed}/upload/"
    body(pro("POST", path, files={"file": ("notes.jpg", b"%PDF-1.7 notes")}), 400)
    body(pro("POST", path, json={"file": "notes.pdf", "size": 10, "mime_type": "application/pdf"}), 415)


@pytest.mark.usefixtures("cloudless")
def test_7_uploaded_files_are_available_for_search_at_once(pro: Caller, managed: str) -> None:
    path = f"/api/collections/{managed}/upload/"
    body(pro("POST", path, files={"file": ("now.jpg", picture("owl.jpg"))}), 201)
    found = body(pro("POST", "/api/search/", files={"file": picture("owl.jpg")}))["result"]["files"][0]
    assert (found["file_name"], found["distance"]) == ("now.jpg", 0.0)


def test_7_the_number_of_uploads_is_limited_by_the_plan(newcomer: Callable[..., Caller]) -> None:
    caller = newcomer("pro", uploads_a_month=1)
    made = caller.result("POST", "/api/collections/", json={"type": "managed", "name": "n"})["collection"]["uuid"]
    statuses = [
        caller("POST", f"/api/collections/{made}/upload/", files={"file": (name, picture("owl.jpg"))}).status_code
        for name in ("first.jpg", "second.jpg")
    ]
    assert statuses == [201, 429]


@pytest.mark.parametrize("interval", ["daily", "weekly", "monthly"])
def test_auto_sync_is_daily_weekly_or_monthly(pro: Caller, test: str, interval: str) -> None:
    try:
        changed = body(pro("PATCH", f"/api/collections/{test}/", json={"auto_sync_interval": interval}))
        assert changed["result"]["collection"]["auto_sync_interval"] == interval
    finally:
        pro("PATCH", f"/api/collections/{test}/", json={"auto_sync_interval": "daily"})


class TestErrorHandling:
    """An appropriate HTTP status code along with a detailed error message."""

    def refusal(self, answer: requests.Response, status: int) -> dict[str, Any]:
        refused = body(answer, status)
        assert (refused["version"], refused["success"], refused["result"]) == ("1.0.2", False, {})
        assert {"error", "message", "request_id"} <= set(refused["info"])
        info: dict[str, Any] = refused["info"]
        return info

    def test_200_for_a_get_and_a_delete(self, pro: Caller, managed: str) -> None:
        assert pro("GET", "/api/account/").status_code == 200
        made = pro.result("POST", "/api/tokens/", json={"name": "short", "scope": "read"})["token"]["id"]
        assert pro("DELETE", f"/api/tokens/{made}/").status_code == 200

    def test_201_for_what_is_created(self, pro: Caller) -> None:
        made = body(pro("POST", "/api/collections/", json={"type": "managed", "name": "n"}), 201)["result"][
            "collection"
        ]
        assert pro("DELETE", f"/api/collections/{made['uuid']}/").status_code == 202

    def test_202_for_what_is_accepted(self, pro: Caller, test: str) -> None:
        assert pro("POST", f"/api/collections/{test}/sync/").status_code == 202
        eventually(lambda: pro.result("GET", f"/api/collections/{test}/sync-status/")["status"] == "completed")

    def test_400_for_invalid_parameters(self, pro: Caller) -> None:
        assert self.refusal(pro("GET", "/api/search/"), 400)["field"] == "query"

    def test_403_where_authentication_failed_or_permissions_lack(self, pro: Caller, nobody: Caller) -> None:
        assert self.refusal(nobody("GET", "/api/collections/"), 403)["error"] == "forbidden"
        reader = pro.result("POST", "/api/tokens/", json={"name": "reader", "scope": "read"})["secret"]
        answer = Caller(pro.base_url, reader)("POST", "/api/collections/", json={"type": "managed", "name": "n"})
        assert self.refusal(answer, 403)["error"] == "read_only_token"

    def test_404_for_what_is_not_found(self, pro: Caller) -> None:
        self.refusal(pro("GET", f"/api/collections/{uuid.uuid4()}/"), 404)

    def test_409_while_a_sync_is_in_progress(self, pro: Caller, test: str, aws: Any, stack: LocalSystem) -> None:
        functions = aws("lambda")
        (mapping,) = functions.list_event_source_mappings(FunctionName=stack.outputs["SyncWorkerName"])[
            "EventSourceMappings"
        ]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            assert pro("POST", f"/api/collections/{test}/sync/").status_code == 202
            assert self.refusal(pro("POST", f"/api/collections/{test}/sync/"), 409)["error"] == "sync_in_progress"
            status = pro.result("GET", f"/api/collections/{test}/sync-status/")["status"]
            assert status == "in_progress"
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        eventually(lambda: pro.result("GET", f"/api/collections/{test}/sync-status/")["status"] == "completed")

    def test_500_for_what_nobody_expected(self, aws: Any, stack: LocalSystem) -> None:
        # A token whose record is damaged: nothing that the application could have meant.
        secret = generate_secret()
        damaged = {"pk": {"S": f"token#{token_digest(secret)}"}, "sk": {"S": "token"}}
        aws("dynamodb").put_item(TableName=stack.outputs["AccountsTableName"], Item=damaged)
        answer = Caller(stack.api_url, secret)("GET", "/api/collections/")
        assert self.refusal(answer, 500)["error"] == "internal_error"
        assert "KeyError" not in answer.text

    def test_503_with_retry_after_while_the_model_does_not_answer(
        self, pro: Caller, aws: Any, stack: LocalSystem
    ) -> None:
        iam, function = (
            aws("iam"),
            aws("lambda").get_function_configuration(FunctionName=stack.outputs["APIHandlerName"]),
        )
        role = {"RoleName": function["Role"].rpartition("/")[2], "PolicyName": "api"}
        policy = iam.get_role_policy(**role)["PolicyDocument"]
        allowed = json.loads(policy) if isinstance(policy, str) else policy
        fewer = [each for each in allowed["Statement"] if each["Action"] != "lambda:InvokeFunction"]
        iam.put_role_policy(**role, PolicyDocument=json.dumps({**allowed, "Statement": fewer}))
        try:
            answer = pro("GET", "/api/search/", params={"query": f"never asked before {uuid.uuid4()}"})
            assert self.refusal(answer, 503)["error"] == "embedder_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
        finally:
            iam.put_role_policy(**role, PolicyDocument=json.dumps(allowed))
        assert pro("GET", "/api/search/", params={"query": "dog"}).status_code == 200
