"""What a newcomer finds after ``make run``: an account, a customer's bucket with pictures, and two collections."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from infra.admin.deployment import Deployment

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3.client import S3Client

SAMPLES = Path(__file__).parent.parent / "samples" / "photos"
BUCKET = "similarix-samples"
FOLDER = "photos"
ROLE = "similarix-samples-reader"
SYNC_SECONDS = 300  # the longest a first sync of 50 pictures is waited for

Say = Callable[[str], None]


class Api:
    """The few calls that seeding makes; everything goes the way a customer's own code would."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {token}"

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Answers the envelope's result.

        Raises:
            RuntimeError: the API refused, with what it said.
        """
        response = self._session.request(method, f"{self.base_url}/api{path}", timeout=60, **options)
        envelope: dict[str, Any] = response.json()
        if not envelope.get("success"):
            raise RuntimeError(f"{method} {path} answered {response.status_code}: {envelope}")
        return {**envelope["result"], "info": envelope["info"]}


def open_demo_account(deployment: Deployment) -> str:
    """A demo account on the largest plan; answers a token for it that may read and write."""
    accounts = deployment.services.accounts
    account = accounts.open("demo", Subscription("business"))
    secret, _ = accounts.issue_token(account.uuid, NewToken("make run", Scope.WRITE))
    return secret


def fill_bucket(s3: "S3Client", region: str, pictures: Path = SAMPLES) -> int:
    """The customer's bucket with the pictures of a folder; answers how many."""
    where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=BUCKET, **where)
    files = sorted(pictures.glob("*.jpg"))
    for file in files:
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{file.name}", Body=file.read_bytes(), ContentType="image/jpeg")
    return len(files)


def connect_bucket(session: "boto3.Session", endpoint: str | None, api: Api) -> str:
    """As a customer does it: ask what the role must be like, make it, make the collection; answers the collection."""
    account = session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"]
    source = {"bucket": BUCKET, "folder": f"/{FOLDER}", "region": session.region_name}
    asked = api.call("POST", "/collections/check/", json=source)
    iam = session.client("iam", endpoint_url=endpoint)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(asked["trust_policy"]))
    iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=json.dumps(asked["permissions_policy"]))
    role = f"arn:aws:iam::{account}:role/{ROLE}"
    wish = {**source, "type": "s3", "name": "Sample photographs", "role_arn": role, "auto_sync_interval": "daily"}
    return str(api.call("POST", "/collections/", json=wish)["collection"]["uuid"])


def sync_and_wait(api: Api, collection: str, say: Say) -> float:
    """Sync, saying how many pictures are searchable on the way; answers the seconds it took.

    Raises:
        RuntimeError: the sync failed or did not end.
    """
    began = time.monotonic()
    api.call("POST", f"/collections/{collection}/sync/")
    shown = -1
    while time.monotonic() - began < SYNC_SECONDS:
        now = api.call("GET", f"/collections/{collection}/")["collection"]
        files = now["stats"]["total_files"]
        if files != shown:
            say(f"  {files} pictures searchable")
            shown = files
        if now["sync_status"] == "completed":
            return time.monotonic() - began
        if now["sync_status"] == "failed":
            break
        time.sleep(0.25)
    raise RuntimeError("The sync did not end; the reason is in the emulator's log.")
