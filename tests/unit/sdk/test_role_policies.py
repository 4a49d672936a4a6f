"""The policies that the API sends make no role that may do more than read the folder."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.bucket_access import permissions_policy, trust_policy
from chalicelib.domain.collections import parse_folder
from similarix_sdk.cli.exits import Exit
from similarix_sdk.models import BucketAccessReport
from similarix_sdk.role_policies import UnexpectedPolicy, check_policies
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.command import Command
from tests.unit.sdk.test_connection import FakeIam, FakeS3, FakeSts

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:events"
BUCKET, FOLDER = "pictures", "/photos/2024"
OTHER_ACCOUNT = "arn:aws:iam::123456789012:root"


def a_report(folder: str | None = FOLDER, partition: str = "aws") -> BucketAccessReport:
    queue = QUEUE.replace("arn:aws:", f"arn:{partition}:")
    return BucketAccessReport(
        readable=False,
        problems=(),
        external_id="e" * 32,
        trust_policy=trust_policy("e" * 32, queue),
        permissions_policy=permissions_policy(BUCKET, parse_folder(folder), partition),
        notification_configuration=None,
        warnings=(),
    )


def changed(policy: str, *path: Any, value: Any) -> BucketAccessReport:
    """A report of which one element of a policy is another."""
    report = deepcopy(a_report())
    at: Any = getattr(report, policy)
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return report


@pytest.mark.parametrize("folder", [None, FOLDER, "/a*b?c$d", "//images", "/日本/ü"])
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc"])
def test_the_policies_of_the_api_are_accepted(folder: str | None, partition: str) -> None:
    check_policies(a_report(folder, partition), BUCKET, folder)


@pytest.mark.parametrize(
    ("bucket", "folder"), [("other", FOLDER), (BUCKET, "/photos"), (BUCKET, None), ("picture", FOLDER)]
)
def test_the_policies_of_another_bucket_or_folder_are_refused(bucket: str, folder: str | None) -> None:
    with pytest.raises(UnexpectedPolicy, match="is of something else"):
        check_policies(a_report(), bucket, folder)


STATEMENT = ("Statement", 1)
OBJECTS = f"arn:aws:s3:::{BUCKET}/photos/2024/*"
MORE_PERMISSIONS: list[tuple[tuple[Any, ...], Any]] = [
    ((*STATEMENT, "Action"), "s3:*"),
    ((*STATEMENT, "Action"), "*"),
    ((*STATEMENT, "Action"), "s3:Get*"),
    ((*STATEMENT, "Action"), "s3:PutObject"),
    ((*STATEMENT, "Action"), "kms:Decrypt"),
    ((*STATEMENT, "Action"), "s3:ListBucket"),
    ((*STATEMENT, "Action"), ["s3:GetObject", "iam:PassRole"]),
    ((*STATEMENT, "Action"), []),
    ((*STATEMENT, "Action"), {}),
    ((*STATEMENT, "Resource"), "*"),
    ((*STATEMENT, "Resource"), "arn:aws:s3:::*"),
    ((*STATEMENT, "Resource"), f"arn:aws:s3:::{BUCKET}/*"),
    ((*STATEMENT, "Resource"), f"arn:aws:s3:::{BUCKET}/photos/2024*"),
    ((*STATEMENT, "Resource"), [OBJECTS, "*"]),
    ((*STATEMENT, "Resource"), []),
    ((*STATEMENT, "NotAction"), "s3:GetObject"),
    ((*STATEMENT, "NotResource"), OBJECTS),
    ((*STATEMENT, "Effect"), "Deny"),
    (("Statement", 1), {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": OBJECTS}),
    (("Statement", 1), {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OBJECTS}),
    (("Statement", 1), "s3:GetObject"),
    (("Statement",), []),
    (("Statement",), "*"),
    (("Version",), "2008-10-17"),
]


@pytest.mark.parametrize(("path", "value"), MORE_PERMISSIONS)
def test_permissions_of_something_else_are_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(UnexpectedPolicy, match="permissions policy"):
        check_policies(changed("permissions_policy", *path, value=value), BUCKET, FOLDER)


MORE_TRUST: list[tuple[tuple[Any, ...], Any]] = [
    (("Principal",), "*"),
    (("Principal",), {"AWS": "*"}),
    (("Principal",), {"AWS": "arn:aws:iam::*:root"}),
    (("Principal",), {"AWS": [OTHER_ACCOUNT, "arn:aws:iam::210987654321:root"]}),
    (("Principal",), {"AWS": OTHER_ACCOUNT, "Service": "ec2.amazonaws.com"}),
    (("Principal",), {"Service": "ec2.amazonaws.com"}),
    (("NotPrincipal",), {"AWS": OTHER_ACCOUNT}),
    (("Action",), "sts:*"),
    (("Action",), ["sts:AssumeRole", "sts:TagSession"]),
    (("Condition",), {}),
    (("Condition",), {"StringEquals": {"sts:ExternalId": "another"}}),
    (("Condition",), {"StringLike": {"sts:ExternalId": "*"}}),
    (("Condition",), {"StringEqualsIfExists": {"sts:ExternalId": "e" * 32}}),
    (("Effect",), "Deny"),
]


@pytest.mark.parametrize(("path", "value"), MORE_TRUST)
def test_trust_in_anyone_else_or_without_the_external_id_is_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(UnexpectedPolicy, match="trust policy"):
        check_policies(changed("trust_policy", "Statement", 0, *path, value=value), BUCKET, FOLDER)


def test_a_trust_without_any_condition_is_refused() -> None:
    report = a_report()
    del report.trust_policy["Statement"][0]["Condition"]
    with pytest.raises(UnexpectedPolicy, match="without a condition"):
        check_policies(report, BUCKET, FOLDER)


def test_a_second_statement_is_looked_at_like_the_first() -> None:
    for policy, added in (
        ("permissions_policy", {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}),
        ("trust_policy", {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}),
    ):
        report = deepcopy(a_report())
        getattr(report, policy)["Statement"].append(added)
        with pytest.raises(UnexpectedPolicy):
            check_policies(report, BUCKET, FOLDER)


def test_a_condition_that_narrows_a_permission_is_accepted() -> None:
    condition = {"StringLike": {"s3:prefix": "photos/2024/*"}}
    check_policies(changed("permissions_policy", "Statement", 0, "Condition", value=condition), BUCKET, FOLDER)


@pytest.mark.parametrize("options", [("--create-role", "--yes"), ()])
def test_the_command_makes_no_role_of_a_policy_that_allows_more_and_does_not_show_it(
    http_api: HttpApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    http_api.ports.sources.bucket(BUCKET).put("photos/2024/a.jpg", b"a")
    command = Command(http_api, tmp_path)
    command.aws = {"iam": FakeIam(), "sts": FakeSts(), "s3": FakeS3()}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.loads(json.dumps(permissions_policy(BUCKET, "photos/2024/")))
    policy["Statement"].append(everything)
    monkeypatch.setattr("chalicelib.api.serializers.permissions_policy", lambda *_: policy)
    assert command("connect", f"s3://{BUCKET}{FOLDER}", *options) == Exit.FAILED
    assert "allows something else than listing and reading" in command.err
    assert "Statement" not in command.out + command.err
    assert command.aws["iam"].roles == {}
