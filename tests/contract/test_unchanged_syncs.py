"""A sync that finds nothing changed writes nothing for an object, on the emulator's DynamoDB and on Amazon's own."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.accounts import Subscription
from chalicelib.domain.collections import Collection, SyncStatus, Trigger
from chalicelib.domain.files import PendingWrite
from chalicelib.domain.sync_diff import CHUNK_KEYS
from chalicelib.services.pipeline.quota import QuotaService
from chalicelib.services.pipeline.sync_worker import SyncWorker
from chalicelib.services.syncs import SyncService
from tests.contract.tables import make_table
from tests.factories import a_collection, a_record, an_embedding
from tests.fakes.accounts import FakeAccounts
from tests.fakes.buckets import FakeSources, etag
from tests.fakes.clock import FakeClock
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.queues import FakeQueues
from tests.fakes.storage import FakeStorage

AT_ONCE = 50  # records that one transaction writes


@dataclass(frozen=True)
class Tables:
    """Stores on one client; ``calls`` counts what is asked of it, by the name of the operation."""

    collections: DynamoDBCollections
    syncs: DynamoDBSyncs
    catalogue: DynamoDBCatalogue
    quota_ledger: DynamoDBQuotaLedger
    calls: Counter[str]


def on(client: Any) -> Tables:
    collections, syncs = make_table(client, "CollectionsTable"), make_table(client, "SyncsTable")
    accounts = make_table(client, "AccountsTable")
    calls: Counter[str] = Counter()
    client.meta.events.register("before-call.dynamodb.*", lambda model, **_: calls.update([model.name]))
    return Tables(
        DynamoDBCollections(client, collections),
        DynamoDBSyncs(client, collections, syncs),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
        calls,
    )


class UnchangedSyncs:
    @pytest.fixture
    def tables(self) -> Tables:
        raise NotImplementedError

    def test_one_of_many_objects_writes_as_often_as_one_of_none(self, tables: Tables):
        none, many = self.unchanged_sync(tables, 0), self.unchanged_sync(tables, CHUNK_KEYS + 100)
        assert sum(none.values()) > 0, "a sync notes at least that it ran"
        assert many == none

    def unchanged_sync(self, tables: Tables, objects: int) -> Counter[str]:
        """Writes, by operation, of a sync over a collection whose objects are all indexed already."""
        sources, queues, clock = FakeSources(), FakeQueues(), FakeClock()
        embedder = FakeEmbedder(sources, FakeStorage(sources))
        collection = a_collection()
        tables.collections.add(collection)
        keys = [f"{collection.prefix}{number:06}.jpg" for number in range(objects)]
        for key in keys:
            sources.bucket(collection.bucket).put(key, b"a picture")
        sources.bucket(collection.bucket)
        self.index(tables, collection, keys, embedder.model_version())
        quota = QuotaService(FakeAccounts(Subscription("business")), tables.quota_ledger, clock)
        walk = SyncWorker(tables.collections, tables.syncs, tables.catalogue, sources, embedder, queues, quota, clock)
        tables.calls.clear()
        SyncService(tables.collections, tables.syncs, walk, queues, clock).start(collection, Trigger.MANUAL)
        while queues.steps:
            walk.run(queues.steps.pop(0)[0], lambda: 900.0)
        found = tables.collections.get(collection.account, collection.uuid)
        assert found is not None
        assert (found.sync.status, found.sync.progress.listed) == (SyncStatus.COMPLETED, objects)
        assert queues.batches == []
        return Counter({name: times for name, times in tables.calls.items() if name not in ("GetItem", "Query")})

    def index(self, tables: Tables, collection: Collection, keys: list[str], model: str) -> None:
        body = b"a picture"
        picture = replace(an_embedding(), model=model)
        drafts = [
            PendingWrite(a_record(collection, key, etag=etag(body), size=len(body), embedding=picture), None)
            for key in keys
        ]
        for start in range(0, len(drafts), AT_ONCE):
            assert tables.catalogue.save_all(drafts[start : start + AT_ONCE]) == set()


class TestTheEmulator(UnchangedSyncs):
    @pytest.fixture
    def tables(self, emulated: Tables) -> Tables:
        return emulated


class TestAmazonsDynamoDB(UnchangedSyncs):
    @pytest.fixture
    def tables(self, amazons: Tables) -> Tables:
        return amazons
