"""The contract of every catalogue: one suite, run on the fake, the emulator's DynamoDB and DynamoDB Local."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.catalogue import RECORDS_PER_PAGE, DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import KnownImage
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite, Unavailable
from chalicelib.domain.file_images import image_of, unused_images, with_new_images
from chalicelib.domain.files import (
    OVER_PLAN,
    REMOVAL_SHARDS,
    CatalogueEntry,
    FileCounts,
    FileRecord,
    FileState,
    ObjectInfo,
    PendingWrite,
    content_key,
    removal_shard,
)
from chalicelib.domain.plans import PLANS, Plan
from chalicelib.services.ports import Catalogue, Collections, QuotaLedger
from tests.contract.tables import make_table, put_collection
from tests.factories import AWKWARD_KEYS, NOW, a_collection, a_record, an_embedding
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


@dataclass(frozen=True)
class Stores:
    """The catalogue, what it updates, and ``add``, which stores a collection."""

    add: Callable[[Collection], None]
    collections: Collections
    catalogue: Catalogue
    quota_ledger: QuotaLedger
    scanned: list[int] = field(default_factory=list)  # how many records each query of DynamoDB has read
    after_read: list[Callable[[], Any]] = field(default_factory=list)  # what happens once after a record's item is read


def save(catalogue: Catalogue, record: FileRecord, previous: FileRecord | None) -> None:
    """Save a record as a worker does: its image first; then the image that it replaces is deleted."""
    if save_all(catalogue, [PendingWrite(record, previous)]):
        raise StaleWrite


def save_all(catalogue: Catalogue, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
    catalogue.put_images(with_new_images(writes))
    stale = catalogue.save_all(writes, plan)
    catalogue.delete_images(unused_images([write for write in writes if write.key not in stale], set()))
    return stale


def removed_between(catalogue: Catalogue, first: date, last: date) -> list[FileRecord]:
    """The removed records of all shards."""
    return [record for shard in range(REMOVAL_SHARDS) for record in catalogue.removed(shard, first, last)]


class CatalogueContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def catalogue(self, stores: Stores) -> Catalogue:
        return stores.catalogue

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        collection = a_collection()
        stores.add(collection)
        return collection

    def statistics(self, stores: Stores, collection: Collection) -> tuple[int, int]:
        stored = stores.collections.get(collection.account, collection.uuid)
        assert stored is not None
        return stored.total_files, stored.total_size

    def unindexed(self, stores: Stores, collection: Collection) -> dict[str, int]:
        stored = stores.collections.get(collection.account, collection.uuid)
        assert stored is not None
        return dict(stored.unindexed)

    def usage(self, stores: Stores, collection: Collection) -> tuple[int, int]:
        usage = stores.quota_ledger.usage(collection.account, "2026-03")
        return usage.files, usage.bytes

    def test_a_saved_record_is_returned_unchanged(self, catalogue: Catalogue, collection: Collection):
        indexed = a_record(
            collection, "pictures/ä b+c.jpg", sequencer="0A1B2C3D4E5F6071", event_at=NOW, thumbnail="a/1"
        )
        moved = a_record(collection, "pictures/moved", state=FileState.REMOVED).as_deleted(moved_to=str(uuid4()))
        failed = a_record(
            collection, "pictures/x", state=FileState.FAILED, embedding=None, reason="truncated_image", detail="half"
        )
        for record in (indexed, failed, moved):
            save(catalogue, record, None)
            assert catalogue.get(collection.uuid, record.key) == record
            assert catalogue.find(record.uuid) == record

    def test_an_unknown_record_is_none(self, catalogue: Catalogue, collection: Collection):
        assert catalogue.get(collection.uuid, "nothing") is None
        assert catalogue.find(str(uuid4())) is None
        assert catalogue.get_many(collection.uuid, ["nothing"]) == {}
        assert list(catalogue.entries(collection.uuid, None)) == []

    def test_records_of_several_collections_are_read_at_once(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        other = a_collection()
        stores.add(other)
        records = [a_record(owner, key) for owner in (collection, other) for key in ("a", "é/c")]
        for record in records:
            save(catalogue, record, None)
        files = [(record.collection, record.key) for record in records]
        assert catalogue.get_each([*files, (other.uuid, "none"), files[0]]) == dict(zip(files, records, strict=True))
        assert catalogue.get_each([]) == {}

    def test_records_are_found_by_many_uuids_at_once(self, catalogue: Catalogue, collection: Collection):
        records = [a_record(collection, key) for key in ("a", "b", "é/c")]
        for record in records:
            save(catalogue, record, None)
        uuids = [*(record.uuid for record in records), str(uuid4()), records[0].uuid]
        assert catalogue.find_many(uuids) == {record.uuid: record for record in records}
        assert catalogue.find_many([]) == {}

    def test_many_records_are_read_at_once_although_a_key_is_repeated(
        self, catalogue: Catalogue, collection: Collection
    ):
        keys = [f"pictures/{number:03}" for number in range(130)]
        for key in keys:
            save(catalogue, a_record(collection, key, embedding=an_embedding(vector=b"\0" * 16)), None)
        records = catalogue.get_many(collection.uuid, [*keys, keys[0], "missing"])
        assert sorted(records) == keys
        assert records[keys[7]].key == keys[7]

    def test_entries_are_in_the_order_of_the_keys_bytes(self, catalogue: Catalogue, collection: Collection):
        for key in reversed(AWKWARD_KEYS):
            save(catalogue, a_record(collection, key), None)
        assert [entry.key for entry in catalogue.entries(collection.uuid, None)] == list(AWKWARD_KEYS)
        for position, key in enumerate(AWKWARD_KEYS):
            after = [entry.key for entry in catalogue.entries(collection.uuid, key)]
            assert after == list(AWKWARD_KEYS[position + 1 :])

    def test_entries_continue_over_pages_and_have_what_a_sync_compares(
        self, catalogue: Catalogue, collection: Collection
    ):
        # 3 MB of records: a page of DynamoDB has 1 MB.
        records = [a_record(collection, f"{number:04}", detail="x" * 100_000) for number in range(30)]
        for record in records:
            save(catalogue, record, None)
        expected = [CatalogueEntry(r.key, r.state, r.etag, r.size, r.model, modified=NOW) for r in records]
        assert list(catalogue.entries(collection.uuid, None)) == expected

    @pytest.mark.parametrize("limit", [1, 3, 5, 6])
    def test_entries_end_after_their_limit(self, catalogue: Catalogue, collection: Collection, limit: int):
        for number in range(5):
            save(catalogue, a_record(collection, str(number)), None)
        assert [entry.key for entry in catalogue.entries(collection.uuid, None, limit)] == list("01234")[:limit]
        assert [entry.key for entry in catalogue.entries(collection.uuid, "1", limit)] == list("234")[:limit]

    @pytest.mark.parametrize("limit", [1, 2, 7, 100])
    @pytest.mark.parametrize("state", [None, *FileState], ids=str)
    def test_the_pages_of_a_list_have_each_record_once_whatever_lies_between(
        self, catalogue: Catalogue, collection: Collection, state: FileState | None, limit: int
    ):
        states = [*FileState, FileState.REMOVED, *FileState, *[FileState.REMOVED] * 9, FileState.INDEXED]
        records = [a_record(collection, f"{n:02}", state=each, embedding=None) for n, each in enumerate(states)]
        save_all(catalogue, [PendingWrite(record, None) for record in records])
        wanted = {state} if state else set(FileState) - {FileState.REMOVED}
        listed, after = list[str](), None
        while True:
            page = catalogue.page(collection.uuid, state, after=after, limit=limit)
            assert len(page.records) <= limit
            listed += [record.key for record in page.records]
            after = page.after
            if after is None:
                break
        assert listed == [record.key for record in records if record.state in wanted]

    def test_each_collection_has_its_own_records_and_statistics(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        other = a_collection(account=collection.account)
        stores.add(other)
        save(catalogue, a_record(collection, "a"), None)
        save(catalogue, a_record(other, "a", size=7), None)
        assert [entry.size for entry in catalogue.entries(other.uuid, None)] == [7]
        assert (self.statistics(stores, collection), self.statistics(stores, other)) == ((1, 1000), (1, 7))

    def test_statistics_count_indexed_records(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        first = a_record(collection, "a", size=10)
        larger = replace(first, size=30, version=2)
        failed = replace(larger, state=FileState.FAILED, embedding=None, version=3)
        restored = replace(first, version=4)
        removed = replace(restored, state=FileState.REMOVED, version=5)
        statistics, previous = [], None
        for record in (first, larger, failed, restored, removed):
            save(catalogue, record, previous)
            statistics.append(self.statistics(stores, collection))
            previous = record
        assert statistics == [(1, 10), (1, 30), (0, 0), (1, 10), (0, 0)]

    def test_statistics_count_the_other_records_by_their_reasons(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", embedding=None, state=FileState.PENDING)
        states: list[dict[str, Any]] = [
            {"state": FileState.FAILED, "reason": "empty"},
            {"state": FileState.FAILED, "reason": "too_large"},
            {"state": FileState.FAILED, "reason": "too_large", "size": 7},
            {"state": FileState.INDEXED, "reason": None},
            {"state": FileState.PENDING},
            {"state": FileState.REMOVED, "reason": "unfinished"},
        ]
        records = [first, *(replace(first, version=number, **state) for number, state in enumerate(states, start=2))]
        save(catalogue, a_record(collection, "b", state=FileState.FAILED, embedding=None, reason="empty"), None)
        counted, previous = [], None
        for record in records:
            save(catalogue, record, previous)
            counted.append(self.unindexed(stores, collection))
            previous = record
        assert counted == [
            {"empty": 1, "pending": 1},
            {"empty": 2},
            {"empty": 1, "too_large": 1},
            {"empty": 1, "too_large": 1},
            {"empty": 1},
            {"empty": 1, "pending": 1},
            {"empty": 1},
        ]
        assert [entry.unindexed for entry in catalogue.entries(collection.uuid, None)] == [None, "empty"]

    def test_statistics_are_fixed_unless_they_have_changed(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        save(catalogue, a_record(collection, "a", size=10), None)
        stated, counted = FileCounts(1, 10), FileCounts(3, 30, {"empty": 2})
        assert catalogue.fix_statistics(collection, stated, counted)
        assert (self.statistics(stores, collection), self.unindexed(stores, collection)) == ((3, 30), {"empty": 2})
        assert not catalogue.fix_statistics(collection, stated, FileCounts(9, 90))
        assert not catalogue.fix_statistics(collection, FileCounts(3, 30), FileCounts(9, 90, {"empty": 1}))
        assert not catalogue.fix_statistics(a_collection(), FileCounts(), FileCounts(1, 1))
        assert (self.statistics(stores, collection), self.unindexed(stores, collection)) == ((3, 30), {"empty": 2})
        assert catalogue.fix_statistics(collection, counted, FileCounts(3, 30, {"pending": 1}))
        assert self.unindexed(stores, collection) == {"pending": 1}

    def test_failed_records_are_listed_by_their_reason(self, catalogue: Catalogue, collection: Collection):
        for number in range(5):
            reason = "access_denied" if number % 2 else "empty"
            failed = a_record(collection, str(number), state=FileState.FAILED, embedding=None, reason=reason)
            save(catalogue, failed, None)
        save(catalogue, a_record(collection, "indexed"), None)
        first = catalogue.page(collection.uuid, FileState.FAILED, after=None, limit=2, reason="empty")
        assert [record.key for record in first.records] == ["0", "2"]
        second = catalogue.page(collection.uuid, FileState.FAILED, after=first.after, limit=2, reason="empty")
        assert ([record.key for record in second.records], second.after) == (["4"], None)
        assert catalogue.page(collection.uuid, FileState.FAILED, after=None, limit=2, reason="too_large").records == []

    def test_the_usage_of_the_account_counts_indexed_records_where_a_plan_is_given(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        plan, first = PLANS["pro"], a_record(collection, "a", size=10)
        larger, failed = replace(first, size=30, version=2), replace(first, state=FileState.FAILED, version=3)
        usages, previous = [], None
        for record in (first, larger, failed):
            assert save_all(catalogue, [PendingWrite(record, previous)], plan) == set()
            usages.append(self.usage(stores, collection))
            previous = record
        save_all(catalogue, [PendingWrite(a_record(collection, "b"), None)])
        assert [*usages, self.usage(stores, collection)] == [(1, 10), (1, 30), (0, 0), (0, 0)]

    @pytest.mark.parametrize("limit", [{"files": 2}, {"bytes": 25}, {"bytes": 29}])
    def test_a_batch_over_the_plan_is_not_written_but_one_that_does_not_grow_is(
        self, stores: Stores, catalogue: Catalogue, collection: Collection, limit: dict[str, int]
    ):
        other = a_collection(account=collection.account)
        stores.add(other)
        plan = PLANS["pro"].with_limits(limit)
        first = a_record(collection, "a", size=10)
        save_all(catalogue, [PendingWrite(first, None)], plan)
        save_all(catalogue, [PendingWrite(a_record(other, "a", size=10), None)], plan)
        more, failed = a_record(collection, "b", size=10), a_record(collection, "c", state=FileState.FAILED)
        with pytest.raises(QuotaExceeded):
            save_all(catalogue, [PendingWrite(failed, None), PendingWrite(more, None)], plan)
        assert (catalogue.get(collection.uuid, "b"), catalogue.get(collection.uuid, "c")) == (None, None)
        assert self.usage(stores, collection) == (2, 20)
        smaller = replace(first, version=2, size=9)
        save_all(
            catalogue,
            [PendingWrite(failed, None), PendingWrite(smaller, first)],
            plan.with_limits({"files": 0, "bytes": 0}),
        )
        assert self.usage(stores, collection) == (2, 19)

    @pytest.mark.parametrize("limit", [{"files": 0}, {"bytes": 0}])
    def test_a_plan_of_zero_allows_not_even_the_first_record(
        self, stores: Stores, catalogue: Catalogue, collection: Collection, limit: dict[str, int]
    ):
        with pytest.raises(QuotaExceeded):
            save_all(catalogue, [PendingWrite(a_record(collection, "a"), None)], PLANS["pro"].with_limits(limit))
        assert self.usage(stores, collection) == (0, 0)

    def test_a_stale_record_takes_no_quota(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        plan, first = PLANS["pro"].with_limits({"files": 2}), a_record(collection, "a", size=10)
        save_all(catalogue, [PendingWrite(first, None)], plan)
        writes = [PendingWrite(first, None), PendingWrite(a_record(collection, "b", size=5), None)]
        assert save_all(catalogue, writes, plan) == {"a"}
        assert self.usage(stores, collection) == (2, 15)

    def test_an_entry_says_whether_its_file_was_over_the_plan(self, catalogue: Catalogue, collection: Collection):
        for key, reason in (("a", OVER_PLAN), ("b", "truncated_image")):
            failed = a_record(collection, key, state=FileState.FAILED, embedding=None, reason=reason, detail="so")
            save(catalogue, failed, None)
        assert [entry.over_plan for entry in catalogue.entries(collection.uuid, None)] == [True, False]

    def test_an_entry_says_from_when_on_a_waiting_file_is_tried_again(
        self, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", embedding=None).as_failed("fake-1+d1", "access_denied", "so")
        save(catalogue, first, None)
        assert [entry.retry_at for entry in catalogue.entries(collection.uuid, None)] == [NOW]
        second = first.next_revision(NOW + timedelta(hours=3)).as_failed("fake-1+d1", "archived", "so")
        save(catalogue, second, first)
        assert [entry.retry_at for entry in catalogue.entries(collection.uuid, None)] == [NOW + timedelta(hours=6)]
        assert catalogue.get(collection.uuid, "a") == second
        listed = catalogue.page(collection.uuid, FileState.FAILED, after=None, limit=9).records
        assert [record.failed_since for record in listed] == [NOW]
        save(catalogue, second.next_revision(NOW + timedelta(hours=4)).as_pending(), second)
        assert [entry.retry_at for entry in catalogue.entries(collection.uuid, None)] == [None]

    def test_a_stale_write_is_refused_and_counts_nothing(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", size=10)
        save(catalogue, first, None)
        second = replace(first, size=20, version=2)
        save(catalogue, second, first)
        for late, previous in ((replace(first, size=99), None), (replace(first, size=99, version=2), first)):
            with pytest.raises(StaleWrite):
                save(catalogue, late, previous)
        with pytest.raises(StaleWrite):
            save(catalogue, a_record(collection, "never", version=2), a_record(collection, "never"))
        assert catalogue.get(collection.uuid, "a") == second
        assert self.statistics(stores, collection) == (1, 20)

    def test_a_record_of_a_deleted_collection_is_refused(self, catalogue: Catalogue):
        deleted = a_collection()
        with pytest.raises(NotFound):
            save(catalogue, a_record(deleted, "a"), None)
        assert catalogue.get(deleted.uuid, "a") is None

    def test_many_records_are_written_at_once_and_the_stale_keys_are_returned(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        stored = a_record(collection, "b", size=5)
        save(catalogue, stored, None)
        writes = [PendingWrite(a_record(collection, key, size=10), None) for key in ("a", "b", "c")]
        assert save_all(catalogue, writes) == {"b"}
        assert catalogue.get(collection.uuid, "b") == stored
        assert self.statistics(stores, collection) == (3, 25)
        removals = [
            PendingWrite(replace(write.record, state=FileState.REMOVED, version=2), write.record)
            for write in writes[::2]
        ]
        assert save_all(catalogue, removals) == set()
        assert self.statistics(stores, collection) == (1, 5)
        with pytest.raises(NotFound):
            save_all(catalogue, [PendingWrite(a_record(a_collection(), "a"), None)])

    def test_fifty_of_the_largest_records_are_written_at_once(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        writes = [
            PendingWrite(a_record(collection, f"{number:02}" * 512, embedding=an_embedding(vector=b"\1" * 4096)), None)
            for number in range(50)
        ]
        assert save_all(catalogue, writes) == set()
        assert self.statistics(stores, collection) == (50, 50_000)

    def test_a_record_of_hundreds_of_kilobytes_is_stored(self, catalogue: Catalogue, collection: Collection):
        record = a_record(collection, "a", embedding=an_embedding(vector=b"\7" * 390_000))
        save(catalogue, record, None)
        assert catalogue.get(collection.uuid, "a") == record

    def test_an_image_of_the_same_content_is_found_in_all_collections_of_the_account(
        self, stores: Stores, catalogue: Catalogue
    ):
        account = str(uuid4())
        one, other, foreign = a_collection(account=account), a_collection(account=account), a_collection()
        for collection in (one, other, foreign):
            stores.add(collection)
        etag = uuid4().hex
        record = a_record(one, "a", etag=etag, thumbnail="a/1")
        assert record.embedding is not None
        save(catalogue, record, None)
        save(catalogue, a_record(other, "failed", etag=etag, size=1, state=FileState.FAILED, embedding=None), None)
        content = content_key(account, "fake-1+d1", ObjectInfo("elsewhere", etag, record.size))
        unknown = [
            content_key(foreign.account, "fake-1+d1", ObjectInfo("a", etag, record.size)),
            content_key(account, "fake-2+d1", ObjectInfo("a", etag, record.size)),
            content_key(account, "fake-1+d1", ObjectInfo("a", etag, record.size + 1)),
            content_key(account, "fake-1+d1", ObjectInfo("a", etag, 1)),
        ]
        known = KnownImage(record.embedding, "a/1", one.uuid)
        assert catalogue.find_by_content([content, *unknown]) == {content: known}
        removed = replace(record, state=FileState.REMOVED, version=2)
        save(catalogue, removed, record)
        assert catalogue.find_by_content([content]) == {content: known}, "a removed record keeps its image"
        changed = replace(record, etag=uuid4().hex, version=3, thumbnail="a/2")
        save(catalogue, changed, removed)
        assert catalogue.find_by_content([content]) == {}

    def test_an_image_is_found_by_its_content_although_its_record_was_never_written(
        self, catalogue: Catalogue, collection: Collection
    ):
        record = a_record(collection, "a", etag=uuid4().hex, thumbnail="a/1")
        assert record.embedding is not None
        catalogue.put_images([record])
        content = content_key(collection.account, "fake-1+d1", ObjectInfo("a", record.etag, record.size))
        found = catalogue.find_by_content([content])
        assert found == {content: KnownImage(record.embedding, "a/1", collection.uuid)}
        assert catalogue.find(record.uuid) is None

    def test_the_images_of_a_file_are_listed_and_deleted_by_their_names(
        self, catalogue: Catalogue, collection: Collection
    ):
        records = [
            a_record(collection, key, thumbnail=f"{key}/{number}") for number, key in enumerate(("a", "a", "b", "é/c"))
        ]
        images = [image_of(record) for record in records]
        catalogue.put_images(records)
        catalogue.put_images(records[1:2])
        a, b, c = (record.uuid for record in records[1:])
        assert sorted(catalogue.images_of([a, b])) == sorted(images[:3])
        assert catalogue.images_of([str(uuid4())]) == []
        catalogue.delete_images([image for image in images[:2] if image is not None])
        assert catalogue.images_of([a, c]) == images[3:]

    def test_the_images_of_a_file_are_deleted_with_the_page_of_its_record(
        self, catalogue: Catalogue, collection: Collection
    ):
        records = [a_record(collection, key, thumbnail=f"{key}/1") for key in ("a", "b")]
        for record in records:
            save(catalogue, record, None)
        catalogue.put_images([replace(records[0], thumbnail="a/left")])
        while catalogue.delete_page(collection.uuid):
            pass
        assert catalogue.images_of([record.uuid for record in records]) == []
        assert list(catalogue.entries(collection.uuid, None)) == []

    def test_whole_records_are_read_in_chunks_in_the_order_of_their_keys(
        self, catalogue: Catalogue, collection: Collection
    ):
        records = [a_record(collection, f"{n:03}", embedding=an_embedding() if n % 3 else None) for n in range(45)]
        save_all(catalogue, [PendingWrite(record, None) for record in records])
        assert [r for chunk in catalogue.chunks(collection.uuid, 10) for r in chunk] == records
        assert [len(chunk) for chunk in catalogue.chunks(collection.uuid, 20)] == [20, 20, 5]
        assert [r for chunk in catalogue.chunks(collection.uuid, 10, limit=13) for r in chunk] == records[:13]
        assert list(catalogue.chunks(str(uuid4()), 10)) == []

    def test_removed_records_are_found_in_the_shard_of_their_file_and_oldest_day_first(
        self, catalogue: Catalogue, collection: Collection
    ):
        long_ago = NOW - timedelta(days=3650 + int(uuid4().hex[:4], 16))
        records = [
            a_record(collection, f"{number}", state=FileState.REMOVED, updated_at=long_ago + timedelta(days=number % 3))
            for number in range(40)
        ]
        for record in records:
            save(catalogue, record, None)
        first, last = long_ago.date(), long_ago.date() + timedelta(days=2)
        by_shard = [list(catalogue.removed(shard, first, last)) for shard in range(REMOVAL_SHARDS)]
        for shard, found in enumerate(by_shard):
            assert all(removal_shard(record.uuid) == shard for record in found)
            assert [r.updated_at for r in found] == sorted(r.updated_at for r in found)
        assert sorted(r.uuid for found in by_shard for r in found) == sorted(r.uuid for r in records)
        assert sum(bool(found) for found in by_shard) > 8

    def test_removed_records_are_found_by_day_and_deleted_unless_they_were_restored(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        long_ago = NOW - timedelta(days=3650 + int(uuid4().hex[:4], 16))
        removed = [a_record(collection, key, state=FileState.REMOVED, updated_at=long_ago) for key in ("a", "b")]
        for record in (*removed, a_record(collection, "c", updated_at=long_ago)):
            save(catalogue, record, None)
        day, later = long_ago.date(), long_ago.date() + timedelta(days=1)
        assert sorted(removed_between(catalogue, day, day), key=lambda r: r.key) == removed
        assert removed_between(catalogue, later, later) == []
        restored = replace(removed[0], state=FileState.INDEXED, version=2)
        save(catalogue, restored, removed[0])
        assert not catalogue.delete(removed[0])
        assert not catalogue.delete(restored)
        assert catalogue.delete(removed[1])
        assert catalogue.get(collection.uuid, "b") is None
        assert catalogue.get(collection.uuid, "a") == restored
        assert removed_between(catalogue, day, later) == []
        assert self.statistics(stores, collection) == (2, 2000)


class TestFake(CatalogueContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections, quota_ledger = FakeCollections(), FakeQuotaLedger()
        return Stores(collections.add, collections, FakeCatalogue(collections, quota_ledger), quota_ledger)


def make_stores(client: Any) -> Stores:
    collections, accounts = make_table(client, "CollectionsTable"), make_table(client, "AccountsTable")
    scanned = list[int]()
    after_read: list[Callable[[], Any]] = []
    client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: scanned.append(parsed["ScannedCount"]))
    client.meta.events.register("after-call.dynamodb.GetItem", lambda **_: after_read and after_read.pop()())
    return Stores(
        partial(put_collection, client, collections),
        DynamoDBCollections(client, collections),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
        scanned,
        after_read,
    )


class DynamoDBContract(CatalogueContract):
    """With what needs workers that really write at the same time, and what is read."""

    @pytest.mark.parametrize("limit", [1, 16, 100])
    def test_a_page_reads_one_record_more_than_it_has(
        self, stores: Stores, catalogue: Catalogue, collection: Collection, limit: int
    ):
        for start in range(0, 150, 50):
            records = [a_record(collection, f"{number:03}") for number in range(start, start + 50)]
            save_all(catalogue, [PendingWrite(record, None) for record in records])
        stores.scanned.clear()
        assert len(catalogue.page(collection.uuid, None, after=None, limit=limit).records) == limit
        assert stores.scanned == [limit + 1]
        stores.scanned.clear()
        assert len(list(catalogue.entries(collection.uuid, None, limit))) == limit
        assert stores.scanned == [limit]

    def test_a_page_reads_a_thousand_records_at_most_and_the_next_one_continues(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        for start in range(0, 1050, 50):
            keys = [f"{number:04}" for number in range(start, start + 50)]
            removed = [a_record(collection, key, state=FileState.REMOVED, embedding=None) for key in keys]
            save_all(catalogue, [PendingWrite(record, None) for record in removed])
        save(catalogue, a_record(collection, "9999"), None)
        stores.scanned.clear()
        first = catalogue.page(collection.uuid, None, after=None, limit=1)
        assert (first.records, first.after) == ([], "0999")
        assert sum(stores.scanned) == RECORDS_PER_PAGE
        assert len(stores.scanned) < 20
        second = catalogue.page(collection.uuid, None, after=first.after, limit=1)
        assert ([record.key for record in second.records], second.after) == (["9999"], None)

    def test_a_record_that_is_replaced_while_it_is_read_is_read_again(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", thumbnail="a/1")
        second = replace(first, version=2, thumbnail="a/2", embedding=an_embedding(md5="1" * 32))
        save(catalogue, first, None)
        stores.after_read.append(lambda: save(catalogue, second, first))
        assert catalogue.get(collection.uuid, "a") == second
        third = replace(second, version=3, thumbnail="a/3")
        stores.after_read.append(lambda: save(catalogue, third, second))
        assert catalogue.find(first.uuid) in (second, third), "whole, as it was before or after the write"

    def test_a_record_that_is_purged_while_it_is_read_is_none(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        record = a_record(collection, "a", thumbnail="a/1")
        save(catalogue, record, None)
        stores.after_read.append(lambda: catalogue.delete_page(collection.uuid))
        assert catalogue.get(collection.uuid, "a") is None

    def test_a_record_whose_image_is_lost_is_unavailable_and_does_not_seem_to_have_none(
        self, catalogue: Catalogue, collection: Collection
    ):
        record = a_record(collection, "a", thumbnail="a/1")
        save(catalogue, record, None)
        catalogue.delete_images(catalogue.images_of([record.uuid]))
        with pytest.raises(Unavailable):
            catalogue.get(collection.uuid, "a")

    def test_statistics_are_exact_whoever_writes_at_the_same_time(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        reasons = ("empty", "too_large", "access_denied")

        def write(worker: int) -> None:
            for number in range(12):
                turn, key = worker + number, f"{(worker + number) % 6}"
                previous = catalogue.get(collection.uuid, key)
                fields: dict[str, Any] = {"state": FileState.FAILED, "reason": reasons[turn % 3]} if turn % 4 else {}
                record = a_record(collection, key, version=previous.version + 1 if previous else 1, **fields)
                with suppress(StaleWrite, Unavailable):
                    save(catalogue, record, previous)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        records = catalogue.page(collection.uuid, None, after=None, limit=100).records
        indexed = [record for record in records if record.state is FileState.INDEXED]
        failed = Counter(record.reason for record in records if record.state is FileState.FAILED)
        assert len(records) == 6
        assert self.unindexed(stores, collection) == dict(failed)
        assert self.statistics(stores, collection) == (len(indexed), 1000 * len(indexed))


class TestDynamoDBOnTheEmulator(DynamoDBContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(DynamoDBContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
