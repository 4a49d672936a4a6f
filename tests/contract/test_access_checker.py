"""The contract of every check of a bucket's access: one suite, run on the fake and on the emulator's S3."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.access_checker import S3AccessChecker
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.collections import CollectionType
from chalicelib.services.ports import BucketAccessChecker
from tests.factories import a_collection
from tests.fakes.access_checker import FakeAccessChecker
from tests.fakes.buckets import FakeSources


@dataclass(frozen=True)
class Subject:
    """A checker, an existing bucket, and ``put``, which stores an object in it."""

    access_checker: BucketAccessChecker
    bucket: str
    put: Callable[[str, bytes], None]

    def problems(self, bucket: str) -> list[tuple[str, str]]:
        # A managed collection is read with our own permission; tests/e2e checks what a customer's role may lack.
        collection = a_collection(type=CollectionType.MANAGED, bucket=bucket, region="us-east-1", role_arn=None)
        return [(problem.code, problem.field) for problem in self.access_checker.check(collection)]


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


class TestFake(AccessCheckerContract):
    @pytest.fixture
    def subject(self) -> Subject:
        sources = FakeSources()
        return Subject(FakeAccessChecker(sources), "a-bucket", sources.bucket("a-bucket").put)


class TestS3OnTheEmulator(AccessCheckerContract):
    @pytest.fixture
    def subject(self, aws: Callable[..., Any]) -> Subject:
        s3, bucket = aws("s3", config=S3_CLIENT), f"checked-{uuid4().hex}"
        s3.create_bucket(Bucket=bucket)
        sources = S3Sources(s3, lambda: aws("sts"), lambda region, credentials: s3)

        def put(key: str, body: bytes) -> None:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

        return Subject(S3AccessChecker(sources), bucket, put)
