"""The contract of every store of uploads to search by: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.search_uploads import RETENTION, DynamoDBSearchUploads
from chalicelib.domain.search_uploads import SEARCH_UPLOAD_AGE, SearchUpload, next_hour
from chalicelib.services.ports import SearchUploads
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.search_uploads import FakeSearchUploads


def an_upload(account: str | None = None, created_at: datetime = NOW) -> SearchUpload:
    return SearchUpload(str(uuid4()), account or str(uuid4()), 5_000_000, "image/jpeg", created_at, "a-token")


class SearchUploadsContract:
    @pytest.fixture
    def store(self) -> SearchUploads:
        raise NotImplementedError

    def test_an_upload_is_read_as_it_was_stored_by_its_account_alone(self, store: SearchUploads):
        upload = an_upload()
        assert store.add(upload, 10)
        assert store.get(upload.account, upload.id) == upload
        assert store.get(str(uuid4()), upload.id) is None
        assert store.get(upload.account, str(uuid4())) is None

    def test_a_removed_upload_is_gone_and_may_be_removed_again(self, store: SearchUploads):
        upload = an_upload()
        assert store.add(upload, 10)
        for _ in range(2):
            store.remove(upload.account, upload.id)
            assert store.get(upload.account, upload.id) is None

    def test_an_account_adds_as_many_in_an_hour_as_the_limit_says(self, store: SearchUploads):
        account = str(uuid4())
        uploads = [an_upload(account) for _ in range(4)]
        assert [store.add(upload, 3) for upload in uploads] == [True, True, True, False]
        assert store.get(account, uploads[3].id) is None
        store.remove(account, uploads[0].id)
        assert not store.add(an_upload(account), 3), "one that was removed counts, too"
        assert store.add(an_upload(account, next_hour(NOW)), 3)
        assert store.add(an_upload(), 3)


class TestFake(SearchUploadsContract):
    @pytest.fixture
    def store(self) -> FakeSearchUploads:
        return FakeSearchUploads()


@pytest.fixture(scope="module")
def table(aws: Callable[..., Any]) -> str:
    return make_table(aws("dynamodb"), "AccountsTable")


class TestDynamoDBOnTheEmulator(SearchUploadsContract):
    @pytest.fixture
    def store(self, aws: Callable[..., Any], table: str) -> DynamoDBSearchUploads:
        return DynamoDBSearchUploads(aws("dynamodb"), table)

    def test_of_requests_at_once_no_more_add_one_than_the_limit_says(self, store: DynamoDBSearchUploads):
        account = str(uuid4())
        with ThreadPoolExecutor(8) as pool:
            added = list(pool.map(lambda _: store.add(an_upload(account), 5), range(16)))
        assert sum(added) == 5

    def test_dynamodb_deletes_the_items_some_time_after_the_upload_has_expired(
        self, store: DynamoDBSearchUploads, aws: Callable[..., Any], table: str
    ):
        upload = replace(an_upload(), created_at=NOW - timedelta(hours=2))
        assert store.add(upload, 5)
        owned = {":pk": {"S": f"account#{upload.account}"}}
        items = aws("dynamodb").query(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=owned
        )["Items"]
        expected = int((upload.created_at + SEARCH_UPLOAD_AGE + RETENTION).timestamp())
        assert [int(item["purge_at"]["N"]) for item in items] == [expected] * 2
