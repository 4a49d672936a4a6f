"""What every store of collections must hold: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb_collections import DynamoDBCollections
from chalicelib.domain.changes import SyncStep
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus, Trigger
from chalicelib.services.ports import Collections
from tests.contract.tables import make_table
from tests.contract.things import LEASE, NOW, a_batch, a_collection
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

    def sync(self, store: Collections, collection: Collection, trigger: Trigger = Trigger.MANUAL) -> SyncStep:
        step = SyncStep(collection.account, collection.uuid, str(uuid4()))
        assert store.begin_sync(collection, step.sync, trigger, NOW, LEASE)
        return step

    def state(self, store: Collections, collection: Collection) -> SyncState:
        found = store.get(collection.account, collection.uuid)
        assert found is not None
        return found.sync

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

    def test_a_collection_that_is_not_there_cannot_be_synced(self, store: Collections):
        assert not store.begin_sync(a_collection(), "a-sync", Trigger.MANUAL, NOW, LEASE)

    def test_one_sync_at_a_time_until_its_lease_runs_out(self, store: Collections, collection: Collection):
        first = self.sync(store, collection)
        assert not store.begin_sync(collection, "second", Trigger.MANUAL, NOW, LEASE)
        assert not store.begin_sync(collection, "second", Trigger.MANUAL, LEASE, LEASE)
        late = LEASE + timedelta(seconds=1)
        assert store.begin_sync(collection, "second", Trigger.AUTO, late, late + timedelta(minutes=20))
        assert self.state(store, collection).id == "second"
        assert not store.extend_lease(first, late + timedelta(days=1))
        assert self.state(store, collection).lease_until == late + timedelta(minutes=20)

    def test_a_lease_that_is_extended_holds_longer(self, store: Collections, collection: Collection):
        step = self.sync(store, collection)
        assert store.extend_lease(step, LEASE + timedelta(minutes=5))
        assert not store.begin_sync(collection, "second", Trigger.MANUAL, LEASE + timedelta(minutes=1), LEASE)

    @pytest.mark.parametrize(
        ("trigger", "which", "other"),
        [
            (Trigger.MANUAL, "last_manual_sync", "last_auto_sync"),
            (Trigger.AUTO, "last_auto_sync", "last_manual_sync"),
        ],
    )
    def test_a_sync_that_succeeds_leaves_its_time(
        self, store: Collections, collection: Collection, trigger: Trigger, which: str, other: str
    ):
        step = self.sync(store, collection, trigger)
        store.end_sync(step.account, step.collection, step.sync, NOW, succeeded=True)
        state = self.state(store, collection)
        assert (state.status, state.last_sync, getattr(state, which)) == (SyncStatus.COMPLETED, NOW, NOW)
        assert getattr(state, other) is None

    def test_a_sync_that_fails_leaves_no_time(self, store: Collections, collection: Collection):
        step = self.sync(store, collection)
        store.end_sync(step.account, step.collection, step.sync, NOW, succeeded=False)
        state = self.state(store, collection)
        assert (state.status, state.last_sync, state.last_manual_sync) == (SyncStatus.FAILED, None, None)

    def test_a_sync_that_was_taken_over_cannot_end_the_other(self, store: Collections, collection: Collection):
        stale = self.sync(store, collection)
        late = LEASE + timedelta(seconds=1)
        store.begin_sync(collection, "second", Trigger.MANUAL, late, late + timedelta(minutes=20))
        store.end_sync(stale.account, stale.collection, stale.sync, late, succeeded=True)
        store.listing_done(stale)
        state = self.state(store, collection)
        assert (state.status, state.listed) == (SyncStatus.IN_PROGRESS, False)

    def test_batches_count_once_however_often_they_are_opened_and_closed(
        self, store: Collections, collection: Collection
    ):
        step = self.sync(store, collection)
        one = a_batch(collection, "a", "b", sync=step.sync)
        two = a_batch(collection, "c", sync=step.sync)
        for batch in (one, one, two):
            store.open_batch(batch, LEASE)
        assert self.state(store, collection).outstanding == 2
        for batch in (one, one):
            store.close_batch(batch, LEASE)
        assert self.state(store, collection).outstanding == 1
        store.listing_done(step)
        store.close_batch(two, LEASE)
        state = self.state(store, collection)
        assert (state.outstanding, state.listed) == (0, True)


class TestTheFake(CollectionsContract):
    @pytest.fixture
    def store(self) -> Collections:
        return FakeCollections()


@pytest.fixture(scope="module")
def dynamodb(aws: Callable[..., Any]) -> DynamoDBCollections:
    client = aws("dynamodb")
    return DynamoDBCollections(client, make_table(client, "CollectionsTable"), make_table(client, "SyncsTable"))


class TestDynamoDB(CollectionsContract):
    @pytest.fixture
    def store(self, dynamodb: DynamoDBCollections) -> Collections:
        return dynamodb
