"""What every store of collections must hold: one suite, on the fake, the emulator and Amazon's DynamoDB Local."""

from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus
from chalicelib.services.ports import Collections
from tests.contract.tables import make_table
from tests.factories import a_collection
from tests.fakes.collections import FakeCollections


class CollectionsContract:
    @pytest.fixture
    def store(self) -> Collections:
        raise NotImplementedError

    @pytest.fixture
    def collection(self, store: Collections) -> Collection:
        made = a_collection()
        store.add(made)
        return made

    def test_a_collection_comes_back_as_it_was_added(self, store: Collections):
        customers = a_collection(auto_sync=AutoSync.DAILY)
        managed = a_collection(
            type=CollectionType.MANAGED,
            prefix="",
            role_arn=None,
            external_id=None,
            sync=SyncState(SyncStatus.COMPLETED),
        )
        for made in (customers, managed):
            store.add(made)
            assert store.get(made.account, made.uuid) == made

    def test_what_is_not_there_is_none(self, store: Collections, collection: Collection):
        assert store.get(collection.account, str(uuid4())) is None
        assert store.get(str(uuid4()), collection.uuid) is None
        assert store.of_account(str(uuid4())) == []
        assert store.on_bucket("nobodys-bucket") == []

    def test_collections_are_found_by_account_bucket_and_interval(self, store: Collections):
        account, bucket = str(uuid4()), f"bucket-{uuid4().hex}"
        daily = a_collection(account=account, bucket=bucket, auto_sync=AutoSync.DAILY)
        manual = a_collection(account=account)
        neighbour = a_collection(bucket=bucket, prefix="elsewhere/", auto_sync=AutoSync.WEEKLY)
        for made in (daily, manual, neighbour):
            store.add(made)
        assert {c.uuid for c in store.of_account(account)} == {daily.uuid, manual.uuid}
        assert {c.uuid for c in store.on_bucket(bucket)} == {daily.uuid, neighbour.uuid}
        due = {c.uuid for c in store.due(AutoSync.DAILY)}
        assert daily.uuid in due
        assert not due & {manual.uuid, neighbour.uuid}


class TestTheFake(CollectionsContract):
    @pytest.fixture
    def store(self) -> Collections:
        return FakeCollections()


def on(client: Any) -> DynamoDBCollections:
    return DynamoDBCollections(client, make_table(client, "CollectionsTable"))


class TestTheEmulator(CollectionsContract):
    @pytest.fixture
    def store(self, emulated: DynamoDBCollections) -> Collections:
        return emulated


class TestAmazonsDynamoDB(CollectionsContract):
    @pytest.fixture
    def store(self, amazons: DynamoDBCollections) -> Collections:
        return amazons
