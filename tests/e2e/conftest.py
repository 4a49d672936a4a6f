"""Those who call the deployed template."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from similarix.client import Similarix

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem

Found = TypeVar("Found")


@dataclass(frozen=True)
class Caller:
    """Somebody with a token who calls the API over HTTP."""

    base_url: str
    token: str | None

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        url = path if path.startswith("http") else self.base_url + path
        return requests.request(method, url, headers=headers, timeout=60, allow_redirects=False, **options)

    def result(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self(method, path, **options)
        assert answer.ok, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def names_found(self, query: str, limit: int = 100) -> list[str]:
        found = self.result("GET", "/api/search/", params={"query": query, "limit": limit})
        return [file["file_name"] for file in found["files"]]


@pytest.fixture(scope="session")
def deployment(emulator: Emulator, stack: LocalSystem) -> Deployment:
    """What the administration's commands work on."""
    return Deployment(emulator.session(), emulator.endpoint, stack.outputs)


@pytest.fixture(scope="session")
def api(stack: LocalSystem) -> Caller:
    return Caller(stack.api_url, stack.token)


@pytest.fixture(scope="session")
def stranger(deployment: Deployment, stack: LocalSystem) -> Caller:
    """Another account's token."""
    return Caller(stack.api_url, seed.open_demo_account(deployment))


@pytest.fixture(scope="session")
def nobody(stack: LocalSystem) -> Caller:
    return Caller(stack.api_url, None)


@pytest.fixture(scope="session")
def official(stack: LocalSystem) -> Similarix:
    return Similarix(stack.token, base_url=stack.api_url)


@pytest.fixture
def customer(aws: Callable[[str], Any]) -> "Customer":
    return Customer(aws)


@pytest.fixture
def newcomer(deployment: Deployment, stack: LocalSystem) -> Callable[..., Caller]:
    """Opens an account, on the largest plan unless told otherwise, with allowances of its own; answers its caller."""

    def arrive(plan: str = "business", scope: Scope = Scope.WRITE, **allowances: int) -> Caller:
        accounts = deployment.services.accounts
        account = accounts.open("a newcomer", Subscription(plan, allowances))
        secret, _ = accounts.issue_token(account.uuid, NewToken("tests", scope))
        return Caller(stack.api_url, secret)

    return arrive


@pytest.fixture
def bucket(stack: LocalSystem, aws: Callable[..., Any]) -> Iterator["Bucket"]:
    """The customer's bucket; what a test puts there is gone after it."""
    opened = Bucket(aws("s3"), stack.sample_bucket)
    yield opened
    opened.clear()


class Customer:
    """Somebody with an AWS account, who sets up there what the API asks for."""

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self._s3, self._iam = aws("s3"), aws("iam")

    def make_bucket(self, region: str = "us-east-1", **objects: bytes) -> str:
        name = f"customers-{uuid.uuid4().hex[:16]}"
        elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._s3.create_bucket(Bucket=name, **elsewhere)
        for key, body in objects.items():
            self._s3.put_object(Bucket=name, Key=f"photos/{key}.jpg", Body=body)
        return name

    def make_role(self, asked: dict[str, Any]) -> str:
        """The role that the answer of ``check`` describes."""
        name = f"similarix-{uuid.uuid4().hex[:16]}"
        made = self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(asked["trust_policy"]))
        self.allow(made["Role"]["Arn"], asked["permissions_policy"])
        return str(made["Role"]["Arn"])

    def allow(self, role: str, policy: dict[str, Any]) -> None:
        name = role.rpartition("/")[2]
        self._iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))


@pytest.fixture
def sync(api: Caller, stack: LocalSystem) -> Callable[[], dict[str, Any]]:
    """Sync the sample collection and wait for its end."""
    path = f"/api/collections/{stack.collection}"

    def run() -> dict[str, Any]:
        eventually(lambda: api("POST", f"{path}/sync/").status_code == 202)
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")
        return api.result("GET", f"{path}/")["collection"]

    return run


@pytest.fixture
def quiet(aws: Callable[[str], Any], stack: LocalSystem) -> Any:
    """The customer's bucket tells nothing: only a sync can learn of a change."""
    s3 = aws("s3")
    before = s3.get_bucket_notification_configuration(Bucket=stack.sample_bucket)
    before.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=stack.sample_bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=stack.sample_bucket, NotificationConfiguration=before)


class Bucket:
    def __init__(self, s3: Any, name: str) -> None:
        self._s3 = s3
        self.name = name
        self._put: set[str] = set()

    def put(self, key: str, body: bytes) -> None:
        self._put.add(key)
        self._s3.put_object(Bucket=self.name, Key=key, Body=body)

    def restore(self, key: str, body: bytes) -> None:
        """Put back what belongs there, after a test that took it away."""
        self._s3.put_object(Bucket=self.name, Key=key, Body=body, ContentType="image/jpeg")

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.name, Key=key)

    def clear(self) -> None:
        for key in self._put:
            self.delete(key)


def eventually(look: Callable[[], Found], seconds: float = 60) -> Found:
    """What ``look`` answers as soon as it is something; fails after a long while."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def picture(name: str) -> bytes:
    return (Path(__file__).parents[2] / "samples" / "photos" / name).read_bytes()
