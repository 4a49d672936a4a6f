"""What end-to-end tests call the deployed system with: callers of the API, customers of AWS, and checks of answers."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES

MISSING_ID = "00000000-0000-4000-8000-000000000000"
# A request for a collection in which each field is well-formed.
NEW_COLLECTION = {
    "type": "s3",
    "name": "n",
    "bucket": "a-bucket",
    "folder": "/f",
    "region": "eu-west-1",
    "role_arn": "arn:aws:iam::123456789012:role/similarix-x",
}
# What an EventBridge rule sends to its target when it fires.
SCHEDULED_EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2015-10-08T03:00:06Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],
    "detail": {},
}

Value = TypeVar("Value")


@dataclass(frozen=True)
class Caller:
    """Calls the API over HTTP with one token, or with none."""

    base_url: str
    token: str | None

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        url = path if path.startswith("http") else self.base_url + path
        return requests.request(method, url, headers=headers, timeout=60, allow_redirects=False, **options)

    def result(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The ``result`` of a call that must succeed."""
        answer = self(method, path, **options)
        assert answer.ok, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def search_names(self, query: str, limit: int = 100) -> list[str]:
        """The file names of a text search, nearest first."""
        files = self.result("GET", "/api/search/", params={"query": query, "limit": limit})["files"]
        return [file["file_name"] for file in files]

    def create_managed_collection(self, name: str = "n") -> str:
        """Its uuid."""
        payload = {"type": "managed", "name": name}
        return str(self.result("POST", "/api/collections/", json=payload)["collection"]["uuid"])

    def usage(self) -> dict[str, int]:
        """What the account uses of each of its plan's limits."""
        allowances = self.result("GET", "/api/account/")["account"]["allowances"]
        return {name: allowance["used"] for name, allowance in allowances.items()}

    def sync_and_wait(self, collection: str) -> None:
        """Starts a sync of the collection and waits until it has completed."""
        path = f"/api/collections/{collection}"
        assert self("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: self.result("GET", f"{path}/sync-status/")["status"] == "completed")


class ManagedCollection:
    """A managed collection of a caller's account."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.uuid = caller.create_managed_collection()
        self.path = f"/api/collections/{self.uuid}"

    def upload(self, name: str, body: bytes, fields: dict[str, str] | None = None, **headers: str) -> requests.Response:
        """Sends the bytes along with the request."""
        files = {"file": (name, body)}
        return self.caller("POST", f"{self.path}/upload/", files=files, data=fields, headers=headers)

    def prepare(self, name: str, size: int, mime_type: str = "image/jpeg", **headers: str) -> requests.Response:
        """Starts an upload whose bytes go to S3 by a presigned POST."""
        payload = {"path": name, "size": size, "mime_type": mime_type}
        return self.caller("POST", f"{self.path}/uploads/", json=payload, headers=headers)

    def complete(self, upload: str) -> requests.Response:
        return self.caller("POST", f"{self.path}/uploads/{upload}/complete/")

    def files(self, state: str | None = None) -> dict[str, dict[str, Any]]:
        """The collection's files by name."""
        files = self.caller.result("GET", f"{self.path}/files/", params={"state": state, "limit": 100})["files"]
        return {file["file_name"]: file for file in files}

    def exact_matches(self, body: bytes) -> list[str]:
        """Names of the account's files that a search by this picture returns at distance zero."""
        files = self.caller.result("POST", "/api/search/", files={"file": body})["files"]
        return [file["file_name"] for file in files if file["distance"] == 0.0]


class Customer:
    """Has an AWS account, and creates there what the API's answer to ``check`` describes."""

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self._s3, self._iam = aws("s3"), aws("iam")

    def create_bucket(self, region: str = "us-east-1", **objects: bytes) -> str:
        """A bucket with the pictures under ``photos/``; returns its name."""
        name = f"customers-{uuid.uuid4().hex[:16]}"
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._s3.create_bucket(Bucket=name, **location)
        for key, body in objects.items():
            self._s3.put_object(Bucket=name, Key=f"photos/{key}.jpg", Body=body)
        return name

    def create_role(self, check: dict[str, Any], path: str = "/") -> str:
        """The role that the answer of ``check`` describes; returns its ARN."""
        name, trust = f"similarix-{uuid.uuid4().hex[:16]}", json.dumps(check["trust_policy"])
        role = self._iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]
        self.set_permissions(role["Arn"], check["permissions_policy"])
        return str(role["Arn"])

    def set_permissions(self, role: str, policy: dict[str, Any]) -> None:
        name = role.rpartition("/")[2]
        self._iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))

    def connect(self, caller: Caller, bucket: str, folder: str = "/photos") -> dict[str, Any]:
        """Creates the role and the caller's collection on the bucket; returns the collection."""
        source = bucket_source(bucket, folder)
        role = self.create_role(caller.result("POST", "/api/collections/check/", json=source))
        payload = {**source, "type": "s3", "name": "n", "role_arn": role}
        collection: dict[str, Any] = caller.result("POST", "/api/collections/", json=payload)["collection"]
        return collection


class SampleBucket:
    """The bucket of the sample collection; ``clear`` deletes what a test has put there."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3 = s3
        self.name = name
        self._put_keys: set[str] = set()

    def put(self, key: str, body: bytes, storage_class: str = "STANDARD") -> None:
        self._put_keys.add(key)
        self._s3.put_object(Bucket=self.name, Key=key, Body=body, StorageClass=storage_class)

    def restore(self, key: str, body: bytes) -> None:
        """Puts a sample back that a test has deleted."""
        self._s3.put_object(Bucket=self.name, Key=key, Body=body, ContentType="image/jpeg")

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.name, Key=key)

    def clear(self) -> None:
        for key in self._put_keys:
            self.delete(key)


def bucket_source(bucket: str, folder: str = "/photos", region: str = "us-east-1") -> dict[str, str]:
    """The fields of a request that name a bucket's folder."""
    return {"bucket": bucket, "folder": folder, "region": region}


def without_signature(link: str) -> str:
    """The URL of a thumbnail or download that needs a token."""
    return link.partition("?")[0]


def error_info(answer: requests.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The ``info`` of an answer that must be an error in the contract's envelope, about this field."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["version", "success", "info", "result"]
    assert body["version"] == "1.0.2"
    assert body["success"] is False
    assert body["result"] == {}
    info: dict[str, Any] = body["info"]
    assert info["error"]
    assert info["message"]
    assert info["request_id"]
    assert info.get("field") == field
    assert "Traceback" not in answer.text
    return info


@contextmanager
def paused_sync_worker(aws: Callable[[str], Any], stack: LocalSystem) -> Iterator[None]:
    """The sync worker receives no messages inside, so that a sync that starts stays in progress."""
    functions = aws("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=stack.outputs["SyncWorkerName"])
    worker = mappings["EventSourceMappings"][0]["UUID"]
    functions.update_event_source_mapping(UUID=worker, Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=worker, Enabled=True)


def eventually(probe: Callable[[], Value], seconds: float = 60) -> Value:
    """Calls ``probe`` until its result is true, and returns that; fails after ``seconds``.

    The longer it has waited, the less often it asks, since a question takes time from those who are waited for.
    """
    began = time.monotonic()
    while True:
        result = probe()
        if result:
            return result
        waited = time.monotonic() - began
        assert waited < seconds, f"the condition did not hold within {seconds} s"
        time.sleep(max(0.1, waited / 10))


def picture(name: str) -> bytes:
    """The bytes of a sample."""
    return (SAMPLES / "photos" / name).read_bytes()
