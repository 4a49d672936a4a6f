"""Access to a customer's bucket: the policies to set up, and what an access check finds missing."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.collections import Collection, folder_of
from chalicelib.domain.storage_servers import ETagMeaning

POLICY_VERSION = "2012-10-17"  # of IAM's policy language
# Characters: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
SESSION_POLICY_LIMIT = 2_048
_LAST_POLICY_CHARACTER = "\xff"  # STS takes those after it only as JSON's escapes
MAX_EXAMPLES = 3  # keys that a warning names
_ALLOW_READING = "Allow s3:GetObject on them, and kms:Decrypt on their key if they have one"
_SPECIAL_IN_RESOURCES = re.compile(r"[$*?]")


@dataclass(frozen=True, slots=True)
class AccessProblem:
    """Why a bucket cannot be read: a stable code, a sentence that says what to do, and the field at fault."""

    code: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class AccessWarning:
    """What will not be as its owner may expect, although the bucket can be read; ``examples`` are keys."""

    code: str
    message: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessFindings:
    """What an access check found: what prevents reading the bucket, and what its owner should know.

    ``etags`` is what those of an S3-compatible server mean; None where nothing tells, as in an empty folder.
    """

    problems: Sequence[AccessProblem] = ()
    warnings: Sequence[AccessWarning] = ()
    etags: ETagMeaning | None = None


@dataclass(frozen=True, slots=True)
class AccessReport:
    """The findings about ``collection``, the one that was checked and is not stored yet."""

    collection: Collection
    findings: AccessFindings


class ReadTrial(StrEnum):
    """What came of the attempt to read an object; ``ARCHIVED`` ones need no attempt if the listing says so."""

    READABLE = "readable"
    DENIED = "denied"
    ARCHIVED = "archived"
    CUSTOMER_KEY = "customer_key"


def findings_of_trials(collection: Collection, trials: Mapping[str, ReadTrial]) -> AccessFindings:
    """What the trials of some objects say about the bucket.

    One readable object shows that the role may read; then others that it may not are no obstacle. Objects in an archive
    and those under a key that is sent with each request say nothing about the role.
    """
    keys: dict[ReadTrial, list[str]] = {trial: [] for trial in ReadTrial}
    for key, trial in trials.items():
        keys[trial].append(key)
    denied, looked_at = keys[ReadTrial.DENIED], len(trials)
    if denied and not keys[ReadTrial.READABLE]:
        return AccessFindings([_get_denied(collection, denied[0])])
    sentences = {
        ReadTrial.DENIED: "cannot be read for lack of permission. "
        + ("Let the access key read them" if collection.server else _ALLOW_READING),
        ReadTrial.ARCHIVED: "cannot be read until restored from an archive. Each is indexed by the next sync after it",
        ReadTrial.CUSTOMER_KEY: "cannot be read because S3 demands their key with every request (SSE-C), and this "
        "service never has it",
    }
    warnings = [
        AccessWarning(
            f"some_{trial}",
            f"{len(keys[trial])} of {looked_at} objects that were looked at {sentence}. They are listed as failed.",
            tuple(keys[trial][:MAX_EXAMPLES]),
        )
        for trial, sentence in sentences.items()
        if keys[trial]
    ]
    if not keys[ReadTrial.READABLE]:
        warnings.append(
            AccessWarning(
                "reading_untried",
                f"No object could be read, so it is not known whether the {'key' if collection.server else 'role'} "
                "may. Check again once one can be.",
            )
        )
    return AccessFindings([], warnings)


def empty_folder(collection: Collection, existing: str | None) -> AccessWarning:
    """The warning about a folder without objects; ``existing`` is the prefix of the folder that may be meant."""
    message = f"The folder {collection.folder} holds no objects yet."
    if existing is None:
        return AccessWarning("folder_empty", message)
    # Names in two forms of Unicode look the same, so they are shown by their escapes.
    alike = unicodedata.normalize("NFC", existing) == unicodedata.normalize("NFC", collection.prefix)
    name = folder_of(existing)
    shown = json.dumps(name) + " (in another form of Unicode)" if alike else name
    return AccessWarning(
        "folder_spelling",
        f"{message} The bucket has the folder {shown}: S3 takes each character literally.",
        (existing,),
    )


def existing_spelling(prefix: str, folders_in: Callable[[str], Iterable[str]]) -> str | None:
    """The prefix of a folder in the bucket whose name differs from ``prefix`` in case, Unicode form or a leading slash.

    Args:
        folders_in: the prefixes of the folders in a folder, which is named by its own prefix.
    """
    bare = prefix.lstrip("/")
    for wanted in dict.fromkeys((prefix, bare, f"/{bare}")):
        found = ""
        for part in wanted.split("/")[:-1]:
            exact = f"{found}{part}/"
            names = list(folders_in(found))
            alike = exact if exact in names else next((name for name in names if _folded(name) == _folded(exact)), None)
            if alike is None:
                break
            found = alike
        else:
            if found and found != prefix:
                return found
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _get_denied(collection: Collection, key: str) -> AccessProblem:
    if collection.server is not None:
        return AccessProblem(
            "get_denied",
            f"The access key may not read {key}. Let it read the objects of {collection.bucket}/{collection.prefix}.",
            "access_key_id",
        )
    return AccessProblem(
        "get_denied",
        f"The role may not read {key}: allow s3:GetObject on {collection.bucket}/{collection.prefix}*. If the bucket "
        "is encrypted with a KMS key of yours, allow kms:Decrypt on the key too.",
        "role_arn",
    )


def events_of_another_region(region: str) -> AccessWarning:
    """S3 refuses a queue of another region: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html"""
    return AccessWarning(
        "events_in_other_region",
        f"S3 sends events only to a queue of the bucket's own region, and this service's is in {region}. Syncs follow "
        "the bucket, and so do its events if a rule of EventBridge forwards them.",
    )


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
        # The names of services end differently in China and in the European Sovereign Cloud.
        "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.*"}},
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
    return [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/{object_pattern(prefix)}"},
    ]


def object_pattern(prefix: str) -> str:
    """The keys below a prefix, as a policy names them.

    A folder's name may have characters that a policy reads as wildcards or variables:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return _SPECIAL_IN_RESOURCES.sub(r"${\g<0>}", prefix) + "*"


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": POLICY_VERSION, "Statement": statements}
