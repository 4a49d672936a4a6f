"""What whoever tries a bucket out must say: one suite, run on the fake and on the emulator's S3."""

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
class World:
    access_checker: BucketAccessChecker
    bucket: str
    put: Callable[[str, bytes], None]

    def problems(self, bucket: str) -> list[tuple[str, str]]:
        # A managed one is read with our own permission: what a customer's role may lack, tests/e2e tries.
        tried = a_collection(type=CollectionType.MANAGED, bucket=bucket, region="us-east-1", role_arn=None)
        return [(problem.code, problem.field) for problem in self.access_checker.check(tried)]


class ExaminerContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_a_bucket_that_can_be_read_has_no_problem_empty_or_not(self, world: World):
        assert world.problems(world.bucket) == []
        world.put("pictures/a.jpg", b"a picture")
        assert world.problems(world.bucket) == []

    def test_a_bucket_that_is_not_there_is_named(self, world: World):
        assert world.problems(f"missing-{uuid4().hex}") == [("no_such_bucket", "bucket")]


class TestTheFake(ExaminerContract):
    @pytest.fixture
    def world(self) -> World:
        sources = FakeSources()
        return World(FakeAccessChecker(sources), "a-bucket", sources.bucket("a-bucket").put)


class TestS3(ExaminerContract):
    @pytest.fixture
    def world(self, aws: Callable[..., Any]) -> World:
        s3, name = aws("s3", config=S3_CLIENT), f"examined-{uuid4().hex}"
        s3.create_bucket(Bucket=name)
        sources = S3Sources(s3, lambda: aws("sts"), lambda region, credentials: s3)
        return World(S3AccessChecker(sources), name, lambda key, body: s3.put_object(Bucket=name, Key=key, Body=body))
