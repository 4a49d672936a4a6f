"""The contract of every store of collections: one suite, on the fake, the emulator and Amazon's DynamoDB Local."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus
from chalicelib.services.ports import Collections
from tests.contract.tables import make_table, put_collection
from tests.factories import a_collection
from tests.fakes.collections import FakeCollections


@dataclass(frozen=True)
class Stores:
    """The collections, and ``add``, which stores one."""

    collections: Collections
    add: Callable[[Collection], None]


class CollectionsContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def store(self, stores: Stores) -> Collections:
        return stores.collections

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        collection = a_collection()
        stores.add(collection)
        return collection

    def test_a_stored_collection_is_returned_unchanged(self, stores: Stores, store: Collections):
        connected = a_collection(auto_sync=AutoSync.DAILY)
        managed = a_collection(
            type=CollectionType.MANAGED,
            prefix="",
            role_arn=None,
            external_id=None,
            sync=SyncState(SyncStatus.COMPLETED),
        )
        for collection in (connected, managed):
            stores.add(collection)
            assert store.get(collection.account, collection.uuid) == collection

    def test_an_unknown_collection_is_none_and_other_accounts_and_buckets_have_none(
        self, store: Collections, collection: Collection
    ):
        assert store.get(collection.account, str(uuid4())) is None
        assert store.get(str(uuid4()), collection.uuid) is None
        assert store.of_account(str(uuid4())) == []
        assert store.on_bucket("another-bucket") == []

    def test_collections_are_found_by_account_bucket_and_interval(self, stores: Stores, store: Collections):
        account, bucket = str(uuid4()), f"bucket-{uuid4().hex}"
        daily = a_collection(account=account, bucket=bucket, auto_sync=AutoSync.DAILY)
        manual = a_collection(account=account)
        weekly = a_collection(bucket=bucket, prefix="elsewhere/", auto_sync=AutoSync.WEEKLY)
        for collection in (daily, manual, weekly):
            stores.add(collection)
        assert {c.uuid for c in store.of_account(account)} == {daily.uuid, manual.uuid}
        assert {c.uuid for c in store.on_bucket(bucket)} == {daily.uuid, weekly.uuid}
        due = {c.uuid for c in store.due(AutoSync.DAILY)}
        assert daily.uuid in due
        assert not due & {manual.uuid, weekly.uuid}

    def test_there_are_files_as_soon_as_a_collection_has_one(self, stores: Stores, store: Collections):
        assert not store.has_files()
        stores.add(a_collection())
        assert not store.has_files()
        stores.add(a_collection(total_files=1))
        assert store.has_files()


class TestFake(CollectionsContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        return Stores(collections, collections.add)


def make_stores(client: Any) -> Stores:
    table = make_table(client, "CollectionsTable")
    return Stores(DynamoDBCollections(client, table), partial(put_collection, client, table))


class TestDynamoDBOnTheEmulator(CollectionsContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(CollectionsContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
