"""What a newcomer finds after ``make run``: an account, a customer's bucket with pictures, and two collections."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from infra.admin.deployment import Deployment
from infra.cloudformation import Report

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3.client import S3Client

SAMPLES = Path(__file__).parent.parent / "samples" / "photos"
BUCKET = "similarix-samples"
FOLDER = "photos"
ROLE = "similarix-samples-reader"
FIRST_SYNC_SECONDS = 300  # the longest wait for a first sync of 50 pictures


class Api:
    """The few calls that seeding makes; they go the way of a customer's own code."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {token}"

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Returns the envelope's result.

        Raises:
            RuntimeError: the API refused the request, or did not respond in its envelope; a sentence for a person.
        """
        response = self._session.request(method, f"{self.base_url}/api{path}", timeout=60, **options)
        try:
            envelope: dict[str, Any] = response.json()
            if not envelope["success"]:
                message = envelope["info"]["message"]
                raise RuntimeError(f"The API refused {method} /api{path} with status {response.status_code}: {message}")
        except (ValueError, KeyError, TypeError) as error:
            raise RuntimeError(
                f"{self.base_url} returned status {response.status_code} to {method} /api{path}, and not what "
                "Similarix returns. Another server, or a system that another run started, may listen there."
            ) from error
        return {**envelope["result"], "info": envelope["info"]}


def open_demo_account(deployment: Deployment) -> str:
    """Open a demo account on the largest plan; returns a token for it that may read and write."""
    accounts = deployment.services.accounts
    account = accounts.open("demo", Subscription("business"))
    secret, _ = accounts.issue_token(account.uuid, NewToken("make run", Scope.WRITE))
    return secret


def fill_bucket(s3: "S3Client", region: str, pictures: Path = SAMPLES) -> int:
    """Create the customer's bucket with the pictures of a folder; returns their number."""
    # us-east-1 is the one region that may not be named.
    location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=BUCKET, **location)
    files = sorted(pictures.glob("*.jpg"))
    for file in files:
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{file.name}", Body=file.read_bytes(), ContentType="image/jpeg")
    return len(files)


def connect_samples(session: "boto3.Session", endpoint: str | None, api: Api) -> str:
    """Create the collection of the samples; returns its identifier."""
    bucket = {"bucket": BUCKET, "folder": f"/{FOLDER}", "region": session.region_name}
    options = {"name": "Sample photographs", "auto_sync_interval": "daily"}
    return connect_bucket(session, endpoint, api, bucket, ROLE, options)


def connect_bucket(
    session: "boto3.Session",
    endpoint: str | None,
    api: Api,
    bucket: Mapping[str, str],
    role: str,
    options: Mapping[str, str],
) -> str:
    """Create a collection of a bucket as a customer does; returns its identifier.

    A customer has the API check the bucket, creates the role that the response describes, and then the collection.

    Args:
        bucket: the bucket, its folder and its region, as the API takes them.
        role: its name; a role of this name is changed to what the response describes.
        options: further fields of the collection.
    """
    account = session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"]
    policies = api.call("POST", "/collections/check/", json=bucket)
    iam, trust = session.client("iam", endpoint_url=endpoint), json.dumps(policies["trust_policy"])
    try:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
    iam.put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=json.dumps(policies["permissions_policy"]))
    collection = {**bucket, "type": "s3", "role_arn": f"arn:aws:iam::{account}:role/{role}", **options}
    return str(api.call("POST", "/collections/", json=collection)["collection"]["uuid"])


def sync_and_wait(api: Api, collection: str, report: Report) -> float:
    """Sync, reporting how many pictures are searchable; returns the seconds that it took.

    Raises:
        RuntimeError: the sync failed or did not end.
    """
    started = time.monotonic()
    api.call("POST", f"/collections/{collection}/sync/")
    reported = -1
    while time.monotonic() - started < FIRST_SYNC_SECONDS:
        state = api.call("GET", f"/collections/{collection}/")["collection"]
        files = state["stats"]["total_files"]
        if files != reported:
            report(f"  {files} pictures searchable")
            reported = files
        if state["sync_status"] == "completed":
            return time.monotonic() - started
        if state["sync_status"] == "failed":
            break
        time.sleep(0.25)
    raise RuntimeError("The sync did not end; the reason is in the emulator's log.")
