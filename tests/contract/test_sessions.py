"""Sessions of a customer's role that its owner revokes, as IAM's console does, on the emulator."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.collections import Collection
from chalicelib.domain.files import ObjectInfo
from infra.emulator import REGION
from tests.contract.customers import make_role, sources_of_a_service
from tests.factories import a_collection

EXTERNAL_ID = "the-id-of-this-account-and-folder"
KEYS = ["pictures/a.jpg", "pictures/b.jpg"]


@pytest.fixture
def collection(aws: Callable[..., Any]) -> Collection:
    """A collection on a bucket with two objects."""
    bucket = f"connected-{uuid4().hex}"
    aws("s3").create_bucket(Bucket=bucket)
    for key in KEYS:
        aws("s3").put_object(Bucket=bucket, Key=key, Body=b"a picture")
    connected = a_collection(bucket=bucket, region=REGION, external_id=EXTERNAL_ID)
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    return replace(connected, role_arn=make_role(aws, connected, EXTERNAL_ID, condition))


@pytest.fixture
def sources(aws: Callable[..., Any]) -> S3Sources:
    return sources_of_a_service(aws)


def revoke_sessions(aws: Callable[..., Any], collection: Collection) -> None:
    """Deny what sessions do that were issued before now, to the second; returns once a session would be younger.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
    """
    assert collection.role_arn is not None
    before = (datetime.now(UTC) + timedelta(seconds=1)).replace(microsecond=0)
    condition = {"DateLessThan": {"aws:TokenIssueTime": before.isoformat().replace("+00:00", "Z")}}
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    aws("iam").put_role_policy(
        RoleName=collection.role_arn.rpartition("/")[2],
        PolicyName="AWSRevokeOlderSessions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    time.sleep(max(0.0, (before - datetime.now(UTC)).total_seconds()) + 0.1)


def test_after_the_sessions_of_a_role_are_revoked_its_objects_are_read_and_listed_all_the_same(
    aws: Callable[..., Any], sources: S3Sources, collection: Collection
) -> None:
    kept = sources.of(collection)
    assert len(list(kept.list_objects(None))) == len(KEYS)
    revoke_sessions(aws, collection)
    refused = requests.get(kept.presigned_get(KEYS[0], seconds=60), timeout=10)
    assert refused.status_code == 403, "the emulator revokes sessions, too"
    heads = kept.head_objects(KEYS)
    assert all(isinstance(head, ObjectInfo) for head in heads.values())
    assert requests.get(kept.presigned_get(KEYS[0], seconds=60), timeout=10).content == b"a picture"
    sources.now = lambda: datetime.now(UTC) + timedelta(seconds=30)  # the refusal before is half a minute ago
    again = sources.of(collection)
    revoke_sessions(aws, collection)
    assert [s3_object.key for s3_object in again.list_objects(None)] == KEYS
