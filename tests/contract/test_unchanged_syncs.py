"""A sync that finds nothing changed writes nothing per object, on the emulator's DynamoDB and on DynamoDB Local."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.collections import Collection, SyncStatus, Trigger
from chalicelib.domain.files import PendingWrite
from chalicelib.domain.sync_diff import CHUNK_KEYS
from tests.contract.tables import make_table, put_collection
from tests.factories import a_collection, a_record, an_embedding
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import MODIFIED, etag

RECORDS_PER_TRANSACTION = 50
BODY = b"a picture"


@dataclass(frozen=True)
class Stores:
    """Stores on one client; ``add`` stores a collection, and ``calls`` counts the client's calls by operation."""

    add: Callable[[Collection], None]
    collections: DynamoDBCollections
    syncs: DynamoDBSyncs
    catalogue: DynamoDBCatalogue
    quota_ledger: DynamoDBQuotaLedger
    calls: Counter[str]


def make_stores(client: Any) -> Stores:
    collections, syncs = make_table(client, "CollectionsTable"), make_table(client, "SyncsTable")
    accounts = make_table(client, "AccountsTable")
    calls: Counter[str] = Counter()
    client.meta.events.register("before-call.dynamodb.*", lambda model, **_: calls.update([model.name]))
    return Stores(
        partial(put_collection, client, collections),
        DynamoDBCollections(client, collections),
        DynamoDBSyncs(client, collections, syncs),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
        calls,
    )


class UnchangedSyncsContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    def test_an_unchanged_sync_of_many_objects_writes_as_often_as_one_of_none(self, stores: Stores):
        none, many = self.unchanged_sync(stores, 0), self.unchanged_sync(stores, CHUNK_KEYS + 100)
        assert sum(none.values()) > 0, "a sync records at least that it ran"
        assert many == none

    def unchanged_sync(self, stores: Stores, objects: int) -> Counter[str]:
        """Sync a collection whose objects are all indexed already; returns the writes by operation."""
        adapters = replace(
            FakeAdapters.fresh(),
            collections=stores.collections,
            syncs=stores.syncs,
            catalogue=stores.catalogue,
            quota_ledger=stores.quota_ledger,
        )
        services = services_on(adapters)
        collection = a_collection()
        stores.add(collection)
        keys = [f"{collection.prefix}{number:06}.jpg" for number in range(objects)]
        bucket = adapters.sources.bucket(collection.bucket)
        for key in keys:
            bucket.put(key, BODY)
        self.index(stores, collection, keys, services.model_version())
        stores.calls.clear()
        services.syncs.start(collection, Trigger.MANUAL)
        while adapters.queues.steps:
            services.sync_worker.run(adapters.queues.steps.pop(0)[0], lambda: 900.0)
        synced = stores.collections.get(collection.account, collection.uuid)
        assert synced is not None
        assert (synced.sync.status, synced.sync.progress.listed) == (SyncStatus.COMPLETED, objects)
        assert adapters.queues.batches == []
        return Counter({name: calls for name, calls in stores.calls.items() if name not in ("GetItem", "Query")})

    def index(self, stores: Stores, collection: Collection, keys: list[str], model: str) -> None:
        embedding = replace(an_embedding(), model=model)
        fields = {"etag": etag(BODY), "size": len(BODY), "embedding": embedding, "modified": MODIFIED}
        writes = [PendingWrite(a_record(collection, key, **fields), None) for key in keys]
        for start in range(0, len(writes), RECORDS_PER_TRANSACTION):
            stores.catalogue.put_images([write.record for write in writes[start : start + RECORDS_PER_TRANSACTION]])
            assert stores.catalogue.save_all(writes[start : start + RECORDS_PER_TRANSACTION]) == set()


class TestDynamoDBOnTheEmulator(UnchangedSyncsContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(UnchangedSyncsContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
