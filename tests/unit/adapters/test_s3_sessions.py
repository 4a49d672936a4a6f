"""The sessions of customers' roles that a process keeps: the latest ones, and none for a check."""

import gc
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.s3.access_checker import S3AccessChecker
from chalicelib.adapters.s3.sources import MAX_SESSIONS, S3Sources
from chalicelib.domain.collections import Collection
from tests.factories import a_collection

EXTERNAL_ID = "external"


def a_customers_collection() -> Collection:
    return a_collection(external_id=EXTERNAL_ID)


class Client:
    """The S3 client of a session, on an empty bucket."""

    closed = False

    def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {"BucketRegion": "eu-west-1"}

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.closed = True


@dataclass
class Aws:
    """Assumes roles; keeps only weak references to the clients that it has made, as nothing else may keep them."""

    assumed: int = 0
    made: list[weakref.ref[Client]] = field(default_factory=list)
    sources: S3Sources = field(init=False)

    def __post_init__(self) -> None:
        self.sources = S3Sources(object(), lambda: self, lambda region, credentials: self.make())  # type: ignore[arg-type, return-value]

    def assume_role(self, **request: Any) -> Any:
        """The role demands the external id, as each of ours must."""
        if request.get("ExternalId") != EXTERNAL_ID:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "AssumeRole")
        self.assumed += 1
        expiration = datetime.now(UTC) + timedelta(hours=1)
        keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": expiration}
        return {"Credentials": keys}

    def make(self) -> Client:
        client = Client()
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
        assert checker.check(a_customers_collection()) == []
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
