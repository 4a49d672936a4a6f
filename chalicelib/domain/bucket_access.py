"""Access to a customer's bucket: the policies to set up, and what an access check finds missing."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.collections import Collection

POLICY_VERSION = "2012-10-17"  # of IAM's policy language
# Characters: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
SESSION_POLICY_LIMIT = 2_048
_LAST_POLICY_CHARACTER = "\xff"  # STS takes those after it only as JSON's escapes
_SPECIAL_IN_RESOURCES = re.compile(r"[$*?]")


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


def session_policy_text(collection: Collection) -> str:
    """The ``session_policy`` of a collection on a customer's bucket, as short as STS takes it."""
    assert collection.role_arn is not None
    policy = session_policy(collection.bucket, collection.prefix, collection.role_arn.split(":")[1])
    text = json.dumps(policy, separators=(",", ":"), ensure_ascii=False)
    return "".join(char if char <= _LAST_POLICY_CHARACTER else json.dumps(char)[1:-1] for char in text)


def folder_problem(collection: Collection) -> AccessProblem | None:
    """Why no session can be limited to the folder, if its name is too long."""
    if len(session_policy_text(collection)) <= SESSION_POLICY_LIMIT:
        return None
    return folder_too_long()


def folder_too_long() -> AccessProblem:
    return AccessProblem(
        "folder_too_long",
        "The folder's name is too long for the policy that limits this service to the folder. Choose a folder above "
        "it, or one with a shorter name; letters that are not Latin take more room.",
        "folder",
    )


def external_id_not_required(role_arn: str) -> AccessProblem:
    return AccessProblem(
        "external_id_not_required",
        f"The role {role_arn} can be assumed without the external id, or with any: another customer of this service "
        "could read the bucket through it. Attach the trust policy of this response, with its condition.",
        "role_arn",
    )


def _read_statements(bucket: str, prefix: str, partition: str) -> list[dict[str, Any]]:
    """Allow listing the bucket and reading the objects below the prefix.

    Listing is not limited to the prefix: without the right to list the bucket, S3 returns 403 for an object that does
    not exist, and a removed object could not be told from a forbidden one.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    # A folder's name may have characters that a policy reads as wildcards or variables:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    literal = _SPECIAL_IN_RESOURCES.sub(r"${\g<0>}", prefix)
    return [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/{literal}*"},
    ]


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": POLICY_VERSION, "Statement": statements}
