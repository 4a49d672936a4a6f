"""Access to a customer's bucket: the policies to set up, and what an access check finds missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.collections import Collection

POLICY_VERSION = "2012-10-17"  # of IAM's policy language


@dataclass(frozen=True, slots=True)
class AccessProblem:
    """Why a bucket cannot be read: a stable code, a sentence that says what to do, and the field at fault."""

    code: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class AccessReport:
    """The problems that an access check found; ``collection`` is the one that was checked and is not stored yet."""

    collection: Collection
    problems: Sequence[AccessProblem]


def trust_policy(external_id: str, events_queue: str) -> dict[str, Any]:
    """Lets our account assume the customer's role, but only with the customer's own external id.

    The external id keeps other customers from making us use this role:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    _, partition, _, _, account, _ = events_queue.split(":", 5)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    return _policy([statement])


def permissions_policy(bucket: str, prefix: str, partition: str = "aws") -> dict[str, Any]:
    """What the customer's role must allow: to read one collection.

    Decrypting is not part of it: only the customer knows whether a KMS key encrypts the objects, and which. The access
    check reports an object that cannot be read and names the permission.
    """
    return _policy(_read_statements(bucket, prefix, partition))


def session_policy(bucket: str, prefix: str, partition: str = "aws") -> dict[str, Any]:
    """What our session in the customer's role may do at most, whatever the role allows: read one collection.

    A session has only what the role and this policy both allow. So decrypting is allowed here, through S3 and with any
    key: whether it is possible, and with which key, remains the role's decision.
    """
    decrypt = {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}},
    }
    return _policy([*_read_statements(bucket, prefix, partition), decrypt])


def _read_statements(bucket: str, prefix: str, partition: str) -> list[dict[str, Any]]:
    """Allow listing the bucket and reading the objects below the prefix.

    Listing is not limited to the prefix: without the right to list the bucket, S3 returns 403 for an object that does
    not exist, and a removed object could not be told from a forbidden one.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    return [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/{prefix}*"},
    ]


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": POLICY_VERSION, "Statement": statements}
