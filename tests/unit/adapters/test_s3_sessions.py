"""The sessions of customers' roles that a process keeps: the latest ones, and none for a check."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.s3.access_checker import S3AccessChecker
from chalicelib.adapters.s3.sources import MAX_SESSIONS, REFUSAL_INTERVAL, S3Sources
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied
from chalicelib.domain.files import ObjectInfo
from tests.factories import a_collection
from tests.fakes.clock import FakeClock
from tests.fakes.modelled import ModelledClient

EXTERNAL_ID = "external"
KEYS = ["pictures/a.jpg", "pictures/b.jpg", "pictures/c.jpg"]


def a_customers_collection() -> Collection:
    return a_collection(external_id=EXTERNAL_ID)


@dataclass(eq=False)
class Client:
    """The S3 client of a session, on a bucket whose listing is empty; ``aws`` may have revoked its session."""

    aws: "Aws"
    issued: int
    closed: bool = False

    def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {"BucketRegion": "eu-west-1"}

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}

    def head_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803  # boto3's name
        if self.issued <= self.aws.revoked or Key in self.aws.denied:
            raise ClientError({"Error": {"Code": self.aws.refusal, "Message": ""}}, "HeadObject")
        return {"ETag": '"e1"', "ContentLength": 7}

    def get_paginator(self, _: str) -> "Client":
        return self

    def paginate(self, StartAfter: str = "", **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        for number, key in enumerate(KEYS):
            if self.issued <= self.aws.revoked or (number == 1 and self.aws.revoke_in_listing):
                self.aws.revoked = max(self.aws.revoked, self.issued)
                self.aws.revoke_in_listing = False
                raise ClientError({"Error": {"Code": self.aws.refusal, "Message": ""}}, "ListObjectsV2")
            if key > StartAfter:
                yield {"Contents": [{"Key": key, "ETag": '"e1"', "Size": 7, "LastModified": datetime.now(UTC)}]}

    def close(self) -> None:
        self.closed = True


@dataclass
class Aws:
    """Assumes roles; keeps only weak references to the clients that it has made, as nothing else may keep them."""

    assumed: int = 0
    made: list[weakref.ref[Client]] = field(default_factory=list)
    revoked: int = 0  # the sessions up to this one are refused
    revoke_in_listing: bool = False
    denied: set[str] = field(default_factory=set)
    refusal: str = "403"
    role_error: str | None = None
    clock: FakeClock = field(default_factory=lambda: FakeClock())
    sources: S3Sources = field(init=False)

    def __post_init__(self) -> None:
        self.sources = S3Sources(
            object(), lambda: ModelledClient("sts", self), lambda region, credentials: self.make(), self.clock
        )  # type: ignore[arg-type, return-value]

    def assume_role(self, **request: Any) -> Any:
        """The role demands the external id, as each of ours must."""
        if self.role_error is not None:
            raise ClientError({"Error": {"Code": self.role_error, "Message": ""}}, "AssumeRole")
        if request.get("ExternalId") != EXTERNAL_ID:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "AssumeRole")
        self.assumed += 1
        expiration = self.clock() + timedelta(hours=1)
        keys = {"AccessKeyId": "A" * 16, "SecretAccessKey": "b", "SessionToken": "c", "Expiration": expiration}
        return {"Credentials": keys}

    def make(self) -> Client:
        client = Client(self, self.assumed)
        self.made.append(weakref.ref(client))
        return client

    @property
    def kept(self) -> int:
        gc.collect()
        return sum(reference() is not None for reference in self.made)


@pytest.fixture
def aws() -> Aws:
    return Aws()


def test_a_session_is_used_again(aws: Aws) -> None:
    collection = a_customers_collection()
    for _ in range(3):
        aws.sources.of(collection)
    assert aws.assumed == 1


def test_as_many_sessions_are_kept_as_the_limit_and_the_one_used_longest_ago_goes(aws: Aws) -> None:
    first, second, *others = (a_customers_collection() for _ in range(MAX_SESSIONS + 1))
    aws.sources.of(first)
    aws.sources.of(second)
    for other in others:
        aws.sources.of(first)
        aws.sources.of(other)
    assert (aws.assumed, aws.kept) == (MAX_SESSIONS + 1, MAX_SESSIONS)
    aws.sources.of(first)
    assert aws.assumed == MAX_SESSIONS + 1
    aws.sources.of(second)
    assert (aws.assumed, aws.kept) == (MAX_SESSIONS + 2, MAX_SESSIONS)


def test_checks_leave_no_session(aws: Aws) -> None:
    checker = S3AccessChecker(aws.sources)
    for _ in range(5):
        assert list(checker.check(a_customers_collection()).problems) == []
    assert (aws.assumed, aws.kept) == (5, 0)


def test_the_client_of_a_check_is_closed_even_if_the_check_fails(aws: Aws) -> None:
    seen: list[Any] = []

    def fail() -> None:
        with aws.sources.once(a_customers_collection()) as source:
            seen.append(source.client)
            raise ClientError({"Error": {"Code": "SlowDown"}}, "ListObjectsV2")

    with pytest.raises(ClientError):
        fail()
    assert [client.closed for client in seen] == [True]


@pytest.mark.parametrize("refusal", ["403", "400"], ids=["revoked", "expired"])
def test_a_refused_session_is_replaced_before_anything_is_said_of_the_objects(aws: Aws, refusal: str) -> None:
    collection = a_customers_collection()
    aws.sources.of(collection)
    aws.revoked, aws.refusal, aws.denied = 1, refusal, {KEYS[1]}
    source = aws.sources.of(collection)
    heads = source.head_objects(KEYS)
    assert [isinstance(heads[key], ObjectInfo) for key in KEYS] == [True, False, True]
    assert (aws.assumed, aws.kept) == (2, 1)
    assert source.client is aws.sources.of(collection).client, "a presigned URL is signed by the new session, too"  # type: ignore[attr-defined]


@pytest.mark.parametrize("refusal", ["AccessDenied", "ExpiredToken", "InvalidToken"])
def test_a_listing_goes_on_with_another_session_where_the_first_was_refused(aws: Aws, refusal: str) -> None:
    aws.refusal, aws.revoke_in_listing = refusal, True
    listed = [s3_object.key for s3_object in aws.sources.of(a_customers_collection()).list_objects(None)]
    assert (listed, aws.assumed) == (KEYS, 2)


def test_a_bucket_that_refuses_every_session_is_denied_after_the_second(aws: Aws) -> None:
    aws.revoked, aws.refusal = 99, "AccessDenied"
    with pytest.raises(SourceDenied):
        list(aws.sources.of(a_customers_collection()).list_objects(None))
    assert aws.assumed == 2


def test_objects_that_are_denied_one_by_one_cost_a_session_only_now_and_then(aws: Aws) -> None:
    aws.denied = set(KEYS)
    collection = a_customers_collection()
    for _ in range(20):
        heads = aws.sources.of(collection).head_objects(KEYS)
        assert {head.code for head in heads.values() if isinstance(head, ReadFailure)} == {"access_denied"}
    assert aws.assumed == 2
    aws.clock.pass_by(REFUSAL_INTERVAL)
    aws.sources.of(collection).head_objects(KEYS)
    assert aws.assumed == 3


@pytest.mark.parametrize(
    ("role_error", "code"), [("AccessDenied", "access_denied"), ("Throttling", "source_unavailable")]
)
def test_without_another_session_a_refusal_stands_unless_sts_can_only_not_tell_now(
    aws: Aws, role_error: str, code: str
) -> None:
    source = aws.sources.of(a_customers_collection())
    aws.revoked, aws.role_error = 1, role_error
    heads = source.head_objects(KEYS)
    assert {head.code for head in heads.values() if isinstance(head, ReadFailure)} == {code}
    assert len(heads) == len(KEYS)
