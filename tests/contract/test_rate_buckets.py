"""The contract of every store of rate buckets: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.rate_buckets import RETENTION_SECONDS, DynamoDBRateBuckets
from chalicelib.domain.rates import RateLimit, Taking, microseconds
from chalicelib.services.ports import RateBuckets
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.rate_buckets import FakeRateBuckets

START = microseconds(NOW)
SECOND = 1_000_000
LIMIT = RateLimit("search", 120)  # two a second, in chunks of twelve


class RateBucketsContract:
    @pytest.fixture
    def buckets(self) -> RateBuckets:
        raise NotImplementedError

    def test_a_new_bucket_is_full_and_gives_chunks_until_it_is_empty(self, buckets: RateBuckets):
        account = str(uuid4())
        takings = [buckets.take(account, "t", LIMIT, START) for _ in range(12)]
        assert [taking.taken for taking in takings] == [True] * 10 + [False] * 2
        assert takings[:2] == [Taking(True, START + 6 * SECOND), Taking(True, START + 12 * SECOND)]
        assert takings[-1] == Taking(False, START + 60 * SECOND)

    def test_an_empty_bucket_has_a_chunk_again_when_it_has_filled_by_one(self, buckets: RateBuckets):
        account = str(uuid4())
        while (refused := buckets.take(account, "t", LIMIT, START)).taken:
            pass
        at = LIMIT.chunk_at(refused.full_at)
        assert at == START + 6 * SECOND
        assert not buckets.take(account, "t", LIMIT, at - 1).taken
        assert buckets.take(account, "t", LIMIT, at).taken
        assert not buckets.take(account, "t", LIMIT, at).taken

    def test_a_bucket_fills_to_its_quota_and_no_further(self, buckets: RateBuckets):
        account = str(uuid4())
        assert buckets.take(account, "t", LIMIT, START).taken
        later = START + 3600 * SECOND
        taken = sum(buckets.take(account, "t", LIMIT, later).taken for _ in range(20))
        assert taken * LIMIT.chunk == LIMIT.quota

    def test_tokens_accounts_and_limits_have_buckets_of_their_own(self, buckets: RateBuckets):
        account = str(uuid4())
        while buckets.take(account, "t", LIMIT, START).taken:
            pass
        assert buckets.take(account, "u", LIMIT, START).taken
        assert buckets.take(str(uuid4()), "t", LIMIT, START).taken
        assert buckets.take(account, "t", RateLimit("upload", 120), START).taken

    def test_a_bucket_whose_quota_changes_keeps_the_share_that_it_has(self, buckets: RateBuckets):
        account = str(uuid4())
        for _ in range(5):  # half of it
            assert buckets.take(account, "t", LIMIT, START).taken
        wider = RateLimit("search", 1200)
        taken = sum(buckets.take(account, "t", wider, START).taken for _ in range(60))
        assert taken * wider.chunk == 600


class TestFake(RateBucketsContract):
    @pytest.fixture
    def buckets(self) -> FakeRateBuckets:
        return FakeRateBuckets()


@pytest.fixture(scope="module")
def table(aws: Callable[..., Any]) -> str:
    return make_table(aws("dynamodb"), "AccountsTable")


class TestDynamoDBOnTheEmulator(RateBucketsContract):
    @pytest.fixture
    def buckets(self, aws: Callable[..., Any], table: str) -> DynamoDBRateBuckets:
        return DynamoDBRateBuckets(aws("dynamodb"), table)

    def test_of_processes_at_once_no_more_take_a_chunk_than_there_are(self, buckets: DynamoDBRateBuckets):
        account = str(uuid4())
        with ThreadPoolExecutor(16) as pool:
            takings = list(pool.map(lambda _: buckets.take(account, "t", LIMIT, START), range(40)))
        assert sum(taking.taken for taking in takings) == 10

    def test_an_item_expires_some_time_after_its_bucket_is_full(
        self, buckets: DynamoDBRateBuckets, aws: Callable[..., Any], table: str
    ):
        account = str(uuid4())
        full_at = [buckets.take(account, "t", LIMIT, START).full_at for _ in range(3)][-1]
        key = {"pk": {"S": f"account#{account}"}, "sk": {"S": "rate#t#search"}}
        item = aws("dynamodb").get_item(TableName=table, Key=key)["Item"]
        assert int(item["full_at"]["N"]) == full_at
        assert 0 < int(item["purge_at"]["N"]) - START // SECOND <= RETENTION_SECONDS + 60
