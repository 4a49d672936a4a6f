"""Records of an earlier version, with their images inside, are read, written and renewed while syncs go on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.images import image_key
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.records import record_key
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.collections import Collection, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.file_images import image_of, unused_images, with_new_images
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo, PendingWrite, content_key
from tests.contract.earlier_records import earlier_item
from tests.contract.tables import make_table, put_collection
from tests.factories import NOW, a_collection, a_record, an_embedding
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import MODIFIED, etag

RECORDS = 230  # three pages of a renewal
BODY = b"a picture"


@dataclass(frozen=True)
class Stores:
    client: Any
    table: str
    add: Callable[[Collection], None]
    collections: DynamoDBCollections
    syncs: DynamoDBSyncs
    catalogue: DynamoDBCatalogue
    quota_ledger: DynamoDBQuotaLedger

    def put_earlier(self, records: list[FileRecord]) -> None:
        for record in records:
            self.client.put_item(TableName=self.table, Item=earlier_item(record))

    def is_inline(self, record: FileRecord) -> bool:
        """Whether the record's item still has its image inside."""
        key = record_key(record.collection, record.key)
        return "vector" in self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)["Item"]


def make_stores(client: Any) -> Stores:
    collections, syncs = make_table(client, "CollectionsTable"), make_table(client, "SyncsTable")
    accounts, table = make_table(client, "AccountsTable"), make_table(client, "CatalogueTable")
    return Stores(
        client,
        table,
        partial(put_collection, client, collections),
        DynamoDBCollections(client, collections),
        DynamoDBSyncs(client, collections, syncs),
        DynamoDBCatalogue(client, table, collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
    )


class EarlierRecordsContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        collection = a_collection(total_files=RECORDS, total_size=RECORDS * len(BODY))
        stores.add(collection)
        return collection

    def records(self, collection: Collection, count: int = RECORDS) -> list[FileRecord]:
        records = [
            a_record(
                collection,
                f"{collection.prefix}{number:04}.jpg",
                etag=etag(BODY),
                size=len(BODY),
                modified=MODIFIED,
                embedding=an_embedding(md5=etag(BODY), vector=number.to_bytes(4, "little") * 512),
            )
            for number in range(count)
        ]
        return [replace(record, thumbnail=f"{record.uuid}/{uuid4().hex[:16]}") for record in records]

    def test_they_are_read_as_they_were_written(self, stores: Stores, collection: Collection):
        records = self.records(collection, 3)
        stores.put_earlier(records)
        first = records[0]
        assert _plain(stores.catalogue.get(collection.uuid, first.key)) == first
        assert _plain(stores.catalogue.find(first.uuid)) == first
        found = stores.catalogue.find_many([r.uuid for r in records])
        assert [_plain(found[r.uuid]) for r in records] == records
        assert [[_plain(r) for r in chunk] for chunk in stores.catalogue.chunks(collection.uuid, 9)] == [records]
        assert list(stores.catalogue.entries(collection.uuid, None)) == [record.entry for record in records]
        content = content_key(first.account, "fake-1+d1", ObjectInfo("", first.etag, first.size))
        assert stores.catalogue.find_by_content([content])[content].collection == collection.uuid

    def test_the_next_write_of_one_stores_its_image(self, stores: Stores, collection: Collection):
        record, other = self.records(collection, 2)
        stores.put_earlier([record, other])
        read = stores.catalogue.get(collection.uuid, record.key)
        assert read is not None
        removed = read.next_revision(NOW).as_removed()
        stores.catalogue.save(removed, read)
        assert stores.catalogue.get(collection.uuid, record.key) == replace(removed, embedding=record.embedding)
        assert not stores.is_inline(record) and stores.is_inline(other)

    def test_a_renewal_that_is_stopped_and_begun_again_leaves_none_and_changes_nothing(
        self, stores: Stores, collection: Collection
    ):
        records = self.records(collection)
        stores.put_earlier(records)
        counted = stores.collections.get(collection.account, collection.uuid)
        first = stores.catalogue.renew_page(collection.uuid, None)
        assert 0 < first.renewed < RECORDS and first.after is not None
        again = self.renew(stores, collection)
        assert first.renewed + again == RECORDS
        assert self.renew(stores, collection) == 0
        assert not any(map(stores.is_inline, records))
        assert [record for chunk in stores.catalogue.chunks(collection.uuid, 100) for record in chunk] == records
        assert stores.collections.get(collection.account, collection.uuid) == counted

    def test_a_sync_during_a_renewal_finds_nothing_to_do(self, stores: Stores, collection: Collection):
        adapters = replace(
            FakeAdapters.fresh(),
            collections=stores.collections,
            syncs=stores.syncs,
            catalogue=stores.catalogue,
            quota_ledger=stores.quota_ledger,
        )
        services = services_on(adapters)
        stores.put_earlier(self.records(collection))
        for record in self.records(collection):
            adapters.sources.bucket(collection.bucket).put(record.key, BODY)
        after = stores.catalogue.renew_page(collection.uuid, None).after
        assert after is not None
        services.syncs.start(collection, Trigger.MANUAL)
        while adapters.queues.steps:
            services.sync_worker.run(adapters.queues.steps.pop(0)[0], lambda: 900.0)
        synced = stores.collections.get(collection.account, collection.uuid)
        assert synced is not None
        assert (synced.sync.progress.listed, adapters.queues.batches) == (RECORDS, [])

    def test_workers_that_write_during_a_renewal_lose_nothing_and_no_write_of_theirs_is_undone(
        self, stores: Stores, collection: Collection
    ):
        records = self.records(collection)
        stores.put_earlier(records)
        written: dict[str, FileRecord] = {}

        def write(number: int) -> None:
            """As a worker does: what it has read, with another image, or removed, or unchanged."""
            for position in range(number, RECORDS, 4):
                previous = stores.catalogue.get(collection.uuid, records[position].key)
                assert previous is not None
                record = previous.next_revision(NOW)
                if position % 3 == 0:
                    thumbnail = f"{record.uuid}/{uuid4().hex[:16]}"
                    record = replace(record, embedding=an_embedding(md5="1" * 32), etag="1" * 32, thumbnail=thumbnail)
                elif position % 3 == 1:
                    record = record.as_removed()
                pending = [PendingWrite(record, previous)]
                stores.catalogue.put_images(with_new_images(pending))
                try:
                    stores.catalogue.save(record, previous)
                except StaleWrite:
                    raise AssertionError("a renewal keeps the version that a worker has read") from None
                stores.catalogue.delete_images(unused_images(pending, set()))
                written[record.key] = record

        with ThreadPoolExecutor(5) as pool:
            renewal = pool.submit(self.renew, stores, collection)
            list(pool.map(write, range(4)))
            renewal.result()
        assert self.renew(stores, collection) == 0
        expected = [_plain(written[record.key]) for record in records]
        assert [record for chunk in stores.catalogue.chunks(collection.uuid, 100) for record in chunk] == expected
        assert not any(map(stores.is_inline, records))
        for record in expected:
            image = image_of(record) if record is not None else None
            assert image is not None
            assert "Item" in stores.client.get_item(TableName=stores.table, Key=image_key(image), ConsistentRead=True)
        statistics = stores.collections.get(collection.account, collection.uuid)
        removed = sum(record is not None and record.state is FileState.REMOVED for record in expected)
        assert statistics is not None and statistics.total_files == RECORDS - removed

    def renew(self, stores: Stores, collection: Collection) -> int:
        renewed, after = 0, None
        while True:
            page = stores.catalogue.renew_page(collection.uuid, after)
            renewed, after = renewed + page.renewed, page.after
            if after is None:
                return renewed


def _plain(record: FileRecord | None) -> FileRecord | None:
    """The record with an embedding of the domain's own class, which is compared with others."""
    if record is None or record.embedding is None:
        return record
    fields = {name: getattr(record.embedding, name) for name in type(an_embedding()).__dataclass_fields__}
    return replace(record, embedding=an_embedding(**fields))


class TestDynamoDBLocal(EarlierRecordsContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
