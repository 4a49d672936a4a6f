"""The contract of every check of a bucket's access: one suite, on the fake and on the emulator, which enforces IAM."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.access_checker import S3AccessChecker
from chalicelib.domain.bucket_access import AccessFindings
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.services.ports import BucketAccessChecker
from infra.emulator import ACCOUNT, REGION
from tests.contract.customers import make_role, sources_of_a_service
from tests.factories import a_collection
from tests.fakes.access_checker import FakeAccessChecker
from tests.fakes.buckets import FakeSources

EXTERNAL_ID = "the-id-of-this-account-and-folder"
# Conditions of trust policies that let others in; IAM reads an absent key as no match, unless the operator ends in
# IfExists.
OPEN_CONDITIONS: dict[str, dict[str, Any] | None] = {
    "no condition": None,
    "any external id": {"StringLike": {"sts:ExternalId": "*"}},
    "no external id or the right one": {"StringEqualsIfExists": {"sts:ExternalId": EXTERNAL_ID}},
    "all but one": {"StringNotEquals": {"sts:ExternalId": "another"}},
}
RIGHT_CONDITION = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}


@dataclass(frozen=True)
class Subject:
    """A checker, an existing bucket, and what a test does to it.

    ``put`` and ``archive`` store an object, ``deny`` forbids to read one. ``make_role`` creates a role that may read a
    collection, with the condition of its trust policy and a path, and returns its ARN.
    """

    access_checker: BucketAccessChecker
    bucket: str
    put: Callable[[str, bytes], None]
    archive: Callable[[str, bytes], None]
    deny: Callable[[str], None]
    make_role: Callable[[Collection, dict[str, Any] | None, str], str]

    def findings(self, prefix: str) -> AccessFindings:
        """What is found by a role that may read the folder."""
        collection = a_collection(bucket=self.bucket, prefix=prefix, region=REGION, external_id=EXTERNAL_ID)
        role = self.make_role(collection, RIGHT_CONDITION, "/")
        return self.access_checker.check(replace(collection, role_arn=role))

    def problems(self, bucket: str) -> list[tuple[str, str]]:
        return self._check(a_collection(type=CollectionType.MANAGED, bucket=bucket, region=REGION, role_arn=None))

    def problems_of_region(self, region: str) -> list[tuple[str, str]]:
        return self._check(a_collection(type=CollectionType.MANAGED, bucket=self.bucket, region=region, role_arn=None))

    def problems_of_role(
        self, condition: dict[str, Any] | None, *, prefix: str = "pictures/", path: str = "/"
    ) -> list[tuple[str, str]]:
        collection = a_collection(bucket=self.bucket, prefix=prefix, region=REGION, external_id=EXTERNAL_ID)
        return self._check(replace(collection, role_arn=self.make_role(collection, condition, path)))

    def _check(self, collection: Collection) -> list[tuple[str, str]]:
        return [(problem.code, problem.field) for problem in self.access_checker.check(collection).problems]


class AccessCheckerContract:
    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    def test_a_readable_bucket_has_no_problem_whether_it_is_empty_or_not(self, subject: Subject):
        assert subject.problems(subject.bucket) == []
        subject.put("pictures/a.jpg", b"a picture")
        assert subject.problems(subject.bucket) == []

    def test_a_bucket_that_does_not_exist_is_reported(self, subject: Subject):
        assert subject.problems(f"missing-{uuid4().hex}") == [("no_such_bucket", "bucket")]

    def test_a_bucket_in_another_region_than_the_one_named_is_reported(self, subject: Subject):
        assert subject.problems_of_region("eu-central-1") == [("wrong_region", "region")]
        assert subject.problems_of_region(REGION) == []

    def test_a_role_that_demands_the_external_id_has_no_problem(self, subject: Subject):
        subject.put("pictures/a.jpg", b"a picture")
        assert subject.problems_of_role(RIGHT_CONDITION) == []

    @pytest.mark.parametrize("condition", OPEN_CONDITIONS.values(), ids=OPEN_CONDITIONS)
    def test_a_role_that_others_can_have_assumed_is_reported(self, subject: Subject, condition: dict[str, Any] | None):
        assert subject.problems_of_role(condition) == [("external_id_not_required", "role_arn")]

    @pytest.mark.parametrize("path", ["/team/", "/team/photos/"])
    def test_a_role_with_a_path_has_no_problem(self, subject: Subject, path: str):
        assert subject.problems_of_role(RIGHT_CONDITION, path=path) == []

    @pytest.mark.parametrize("letter", ["a", "é", "語"])
    def test_a_folder_is_readable_or_too_long_for_the_policy_of_a_session(self, subject: Subject, letter: str):
        longest = 900 // len(letter.encode())
        assert subject.problems_of_role(RIGHT_CONDITION, prefix=letter * 200 + "/") == []
        problems = subject.problems_of_role(RIGHT_CONDITION, prefix=letter * longest + "/")
        assert problems == ([("folder_too_long", "folder")] if letter == "語" else [])

    def test_an_archived_object_is_told_and_blocks_no_bucket_even_as_the_first_or_the_only_one(self, subject: Subject):
        subject.archive("pictures/0000.jpg", b"a picture")
        findings = subject.findings("pictures/")
        assert [warning.code for warning in findings.warnings] == ["some_archived", "reading_untried"]
        subject.put("pictures/0001.jpg", b"a picture")
        findings = subject.findings("pictures/")
        (warning,) = findings.warnings
        assert (list(findings.problems), warning.code) == ([], "some_archived")
        assert warning.examples == ("pictures/0000.jpg",)

    def test_a_denied_object_is_told_where_another_can_be_read_and_is_a_problem_where_none_can(self, subject: Subject):
        subject.put("pictures/aaa.jpg", b"a picture")
        subject.deny("pictures/aaa.jpg")
        assert [(p.code, p.field) for p in subject.findings("pictures/").problems] == [("get_denied", "role_arn")]
        subject.put("pictures/bbb.jpg", b"a picture")
        findings = subject.findings("pictures/")
        assert list(findings.problems) == []
        assert [(w.code, w.examples) for w in findings.warnings] == [("some_denied", ("pictures/aaa.jpg",))]

    @pytest.mark.parametrize(
        ("stored", "connected"),
        [
            ("Images/2019/", "images/2019/"),
            ("e\u0301te\u0301/", "\u00e9t\u00e9/"),
            ("/leading/", "leading/"),
            ("followed/", "/followed/"),
        ],
    )
    def test_a_folder_that_holds_nothing_is_told_and_one_of_nearly_that_name_is_named(
        self, subject: Subject, stored: str, connected: str
    ):
        (warning,) = subject.findings(connected).warnings
        assert (warning.code, warning.examples) == ("folder_empty", ())
        subject.put(f"{stored}a.jpg", b"a picture")
        (warning,) = subject.findings(connected).warnings
        assert (warning.code, warning.examples) == ("folder_spelling", (stored,))
        assert subject.findings(stored) == AccessFindings([], [])


class TestFake(AccessCheckerContract):
    @pytest.fixture
    def subject(self) -> Subject:
        sources = FakeSources()
        checker = FakeAccessChecker(sources)

        def make_role(_: Collection, condition: dict[str, Any] | None, path: str) -> str:
            role = f"arn:aws:iam::{ACCOUNT}:role{path}similarix-{uuid4().hex[:16]}"
            if condition != RIGHT_CONDITION:
                checker.open_roles.add(role)
            return role

        bucket = sources.bucket("a-bucket")
        bucket.region = REGION

        def archive(key: str, body: bytes) -> None:
            bucket.put(key, body)
            bucket.archived.add(key)

        return Subject(checker, "a-bucket", bucket.put, archive, bucket.denied.add, make_role)


class TestS3OnTheEmulator(AccessCheckerContract):
    @pytest.fixture
    def subject(self, aws: Callable[..., Any]) -> Subject:
        s3, bucket = aws("s3", config=S3_CLIENT), f"checked-{uuid4().hex}"
        s3.create_bucket(Bucket=bucket)

        def put(key: str, body: bytes) -> None:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

        def archive(key: str, body: bytes) -> None:
            s3.put_object(Bucket=bucket, Key=key, Body=body, StorageClass="GLACIER")

        def deny(key: str) -> None:
            resource = f"arn:aws:s3:::{bucket}/{key}"
            statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)

        def make_role_of(collection: Collection, condition: dict[str, Any] | None, path: str) -> str:
            return make_role(aws, collection, EXTERNAL_ID, condition, path)

        return Subject(S3AccessChecker(sources_of_a_service(aws)), bucket, put, archive, deny, make_role_of)
