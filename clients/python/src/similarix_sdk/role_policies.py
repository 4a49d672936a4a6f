"""Whether the policies that the API sends let a role list a bucket and read one folder of it, and do no more.

They come from a server, and the role is made with credentials that may do more. So a policy is compared with what is
needed, statement by statement; what is not known is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from similarix_sdk.models import BucketAccessReport

# Policy variables such as ${*}, of which the resources below are made, are of this version alone:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
VERSION = "2012-10-17"
BUCKET_ACTIONS = frozenset({"s3:ListBucket", "s3:GetBucketLocation"})
OBJECT_ACTIONS = frozenset({"s3:GetObject", "s3:GetObjectVersion"})
_PARTITION = r"aws(?:-[a-z]+)*"
# An account, or one role of it, without wildcards.
_PRINCIPAL = re.compile(rf"arn:{_PARTITION}:iam::\d{{12}}:(?:root|role/[\w+=,.@/-]+)", re.ASCII)
_SPECIAL = re.compile(r"[$*?]")


class UnexpectedPolicy(ValueError):
    """A policy of the API allows more than to list the bucket and read the folder, or allows it to anyone else."""


def check_policies(report: BucketAccessReport, bucket: str, folder: str | None) -> None:
    """Raises UnexpectedPolicy unless the report's two policies let a role list the bucket and read the folder alone.

    The names are of the whole bucket: S3 tells a file that is gone from one that is forbidden only to who may list it.

    Args:
        folder: begins with a slash; None for the whole bucket.
    """
    for name, policy, problem_of in (
        ("trust", report.trust_policy or {}, lambda one: _trust_problem(one, report.external_id or "")),
        ("permissions", report.permissions_policy or {}, lambda one: _permission_problem(one, bucket, folder)),
    ):
        problem = _problem_of_policy(policy) or next(filter(None, map(problem_of, policy["Statement"])), None)
        if problem:
            raise UnexpectedPolicy(
                f"No role was made: the API's {name} policy {problem}. It is not shown, so that nobody uses it; a role "
                "that you have made yourself can be given with --role."
            )


def _problem_of_policy(policy: Mapping[str, Any]) -> str | None:
    if set(policy) - {"Id"} != {"Version", "Statement"} or policy["Version"] != VERSION:
        return f"is no policy of the version {VERSION}"
    statements = policy["Statement"]
    if not _is_list(statements) or not statements or not all(isinstance(one, Mapping) for one in statements):
        return "has no list of statements"
    if any(one.get("Effect") != "Allow" for one in statements):
        return "has a statement that does not allow"
    return None


def _trust_problem(statement: Mapping[str, Any], external_id: str) -> str | None:
    if set(statement) - {"Sid"} != {"Effect", "Principal", "Action", "Condition"}:
        return "has a statement without a condition, or with another element than is needed"
    if _texts(statement["Action"]) != ["sts:AssumeRole"]:
        return f"allows another action than sts:AssumeRole: {statement['Action']}"
    principal = statement["Principal"]
    trusted = _texts(principal["AWS"]) if isinstance(principal, Mapping) and set(principal) == {"AWS"} else []
    if len(trusted) != 1 or not _PRINCIPAL.fullmatch(trusted[0]):
        return f"trusts someone else than one account or role: {principal}"
    if not external_id or statement["Condition"] != {"StringEquals": {"sts:ExternalId": external_id}}:
        return "does not ask for the external id of this folder alone"
    return None


def _permission_problem(statement: Mapping[str, Any], bucket: str, folder: str | None) -> str | None:
    # A condition only narrows what is allowed.
    if set(statement) - {"Sid", "Condition"} != {"Effect", "Action", "Resource"}:
        return "has a statement with another element than is needed"
    actions = set(_texts(statement["Action"]))
    prefix = f"{folder[1:]}/" if folder else ""
    if actions and actions <= BUCKET_ACTIONS:
        allowed = bucket
    elif actions and actions <= OBJECT_ACTIONS:
        allowed = f"{bucket}/" + _SPECIAL.sub(r"${\g<0>}", prefix) + "*"
    else:
        return f"allows something else than listing and reading: {statement['Action']}"
    arn = re.compile(rf"arn:{_PARTITION}:s3:::{re.escape(allowed)}")
    resources = _texts(statement["Resource"])
    if not resources or not all(arn.fullmatch(resource) for resource in resources):
        return f"is of something else than {allowed}: {statement['Resource']}"
    return None


def _texts(value: Any) -> list[str]:
    """A text or a list of texts as a list; an empty one for anything else."""
    values = [value] if isinstance(value, str) else value
    return list(values) if _is_list(values) and all(isinstance(one, str) for one in values) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
