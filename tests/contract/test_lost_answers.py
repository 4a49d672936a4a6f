"""A write whose answer is lost is repeated: it is done once, and its caller is told that it was done.

On the emulator and on DynamoDB Local. ``tests/model`` has what follows where the answers of all repetitions are lost.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.duplicates import DynamoDBDuplicates
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.file_images import with_new_images
from chalicelib.domain.files import PendingWrite
from chalicelib.domain.plans import PLANS
from chalicelib.domain.syncs import key_ranges_between
from tests.contract.lost_answers import lost_answers
from tests.contract.tables import make_table, put_collection
from tests.factories import LEASE, NOW, a_collection, a_record


@dataclass(frozen=True)
class Stores:
    client: Any
    collections_table: str
    collections: DynamoDBCollections
    catalogue: DynamoDBCatalogue
    quota_ledger: DynamoDBQuotaLedger
    syncs: DynamoDBSyncs
    duplicates: DynamoDBDuplicates

    def add(self) -> Collection:
        collection = a_collection()
        put_collection(self.client, self.collections_table, collection)
        return collection

    def current(self, collection: Collection) -> Collection:
        stored = self.collections.get(collection.account, collection.uuid)
        assert stored is not None
        return stored

    def begin_sync(self, collection: Collection, trigger: Trigger) -> str:
        key_ranges = key_ranges_between(())
        sync = str(uuid4())
        state = SyncState(
            SyncStatus.IN_PROGRESS,
            id=sync,
            trigger=trigger,
            lease_until=LEASE,
            started_at=NOW,
            open_key_ranges=len(key_ranges) - 1,
        )
        assert self.syncs.begin(collection, state, key_ranges, NOW)
        return sync


def make_stores(client: Any) -> Stores:
    collections, accounts = make_table(client, "CollectionsTable"), make_table(client, "AccountsTable")
    syncs = make_table(client, "SyncsTable")
    return Stores(
        client,
        collections,
        DynamoDBCollections(client, collections),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
        DynamoDBSyncs(client, collections, syncs),
        DynamoDBDuplicates(client, syncs),
    )


class LostAnswersContract:
    def test_records_are_written_and_counted_once_and_none_seems_stale(self, stores: Stores):
        collection = stores.add()
        first = [a_record(collection, key, thumbnail=f"{key}/1") for key in ("a", "b")]
        second = [replace(record, version=record.version + 1, size=3000, thumbnail=None) for record in first]
        for before, after in ((None, first[0]), (None, first[1]), (first[0], second[0]), (first[1], second[1])):
            write = PendingWrite(after, before)
            stores.catalogue.put_images(with_new_images([write]))
            with lost_answers(stores.client, "TransactWriteItems", 1) as calls:
                assert stores.catalogue.save_all([write], PLANS["business"]) == set()
            assert len(calls) == 2
        stored, usage = stores.current(collection), stores.quota_ledger.usage(collection.account, "2026-03")
        assert (stored.total_files, stored.total_size) == (usage.files, usage.bytes) == (2, 6000)
        assert stores.catalogue.get_many(collection.uuid, ["a", "b"]) == {record.key: record for record in second}

    @pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.AUTO])
    @pytest.mark.parametrize("status", [SyncStatus.COMPLETED, SyncStatus.FAILED, SyncStatus.CANCELLED])
    def test_a_sync_is_ended_by_the_call_that_has_ended_it_and_by_no_other(
        self, stores: Stores, trigger: Trigger, status: SyncStatus
    ):
        collection = stores.add()
        sync = stores.begin_sync(collection, trigger)
        end = stores.syncs.end
        with lost_answers(stores.client, "UpdateItem", 1):
            assert end(collection.account, collection.uuid, sync, NOW, status)
        assert not end(collection.account, collection.uuid, sync, NOW + timedelta(microseconds=1), status)
        state = stores.current(collection).sync
        assert (state.status, state.ended_at) == (status, NOW)
        assert state.cancelled == (status is SyncStatus.CANCELLED)

    def test_a_scan_for_duplicates_has_begun_by_the_call_that_has_begun_it_and_by_no_other(self, stores: Stores):
        collection = str(uuid4())
        with lost_answers(stores.client, "UpdateItem", 1):
            assert stores.duplicates.begin(collection, "one", NOW)
        with lost_answers(stores.client, "UpdateItem", 1):
            assert not stores.duplicates.begin(collection, "two", NOW)


class TestDynamoDBOnTheEmulator(LostAnswersContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(LostAnswersContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
