"""Connecting a customer's bucket: what the customer has to set up, ready to paste, and what may still be missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.collections import Collection


@dataclass(frozen=True, slots=True)
class AccessProblem:
    """Why a bucket cannot be read: a stable code, a sentence that says what to do, and the field at fault."""

    code: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class AccessReport:
    """What trying a bucket out has shown; ``collection`` is what was tried, and would be made."""

    collection: Collection
    problems: Sequence[AccessProblem]


def trust_policy(external_id: str, events_queue: str) -> dict[str, Any]:
    """Who may assume the role: this account, and only when it acts for the customer that the external id belongs to.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    _, partition, _, _, account, _ = events_queue.split(":", 5)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def permissions_policy(bucket: str, prefix: str, partition: str = "aws") -> dict[str, Any]:
    """What the role must allow.

    Listing is not narrowed to the folder: without the right to list the bucket, S3 answers 403 for an object that
    does not exist, and a removed one could not be told from a forbidden one.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/{prefix}*"},
    ]
    return {"Version": "2012-10-17", "Statement": statements}
