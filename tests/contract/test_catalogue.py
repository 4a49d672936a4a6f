"""What every catalogue must hold: one suite, run on the fake, on the emulator and on Amazon's DynamoDB Local."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.files import OVER_PLAN, FileState, ObjectInfo, PendingWrite, content_key
from chalicelib.domain.plans import PLANS
from chalicelib.domain.sync_diff import CatalogueEntry
from chalicelib.services.ports import Catalogue, Collections, QuotaLedger
from tests.contract.tables import make_table
from tests.factories import AWKWARD_KEYS, NOW, a_collection, a_record, an_embedding
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


@dataclass(frozen=True)
class Stores:
    collections: Collections
    catalogue: Catalogue
    quota_ledger: QuotaLedger


class CatalogueContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def catalogue(self, stores: Stores) -> Catalogue:
        return stores.catalogue

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        made = a_collection()
        stores.collections.add(made)
        return made

    def stats(self, stores: Stores, collection: Collection) -> tuple[int, int]:
        found = stores.collections.get(collection.account, collection.uuid)
        assert found is not None
        return found.total_files, found.total_size

    def test_a_record_comes_back_as_it_was_saved(self, catalogue: Catalogue, collection: Collection):
        indexed = a_record(
            collection, "pictures/ä b+c.jpg", sequencer="0A1B2C3D4E5F6071", event_at=NOW, thumbnail="a/1"
        )
        failed = a_record(
            collection, "pictures/x", state=FileState.FAILED, embedding=None, reason="truncated_image", detail="half"
        )
        for record in (indexed, failed):
            catalogue.save(record, None)
            assert catalogue.get(collection.uuid, record.key) == record
            assert catalogue.find(record.uuid) == record

    def test_what_is_not_there_is_none(self, catalogue: Catalogue, collection: Collection):
        assert catalogue.get(collection.uuid, "nothing") is None
        assert catalogue.find(str(uuid4())) is None
        assert catalogue.get_many(collection.uuid, ["nothing"]) == {}
        assert list(catalogue.entries(collection.uuid, None)) == []

    def test_many_are_read_at_once_each_key_named_once_or_twice(self, catalogue: Catalogue, collection: Collection):
        keys = [f"pictures/{number:03}" for number in range(130)]
        for key in keys:
            catalogue.save(a_record(collection, key, embedding=an_embedding(vector=b"\0" * 16)), None)
        found = catalogue.get_many(collection.uuid, [*keys, keys[0], "missing"])
        assert sorted(found) == keys
        assert found[keys[7]].key == keys[7]

    def test_the_walk_goes_by_the_bytes_of_the_keys(self, catalogue: Catalogue, collection: Collection):
        for key in reversed(AWKWARD_KEYS):
            catalogue.save(a_record(collection, key), None)
        assert [record.key for record in catalogue.entries(collection.uuid, None)] == list(AWKWARD_KEYS)
        for place, key in enumerate(AWKWARD_KEYS):
            after = [record.key for record in catalogue.entries(collection.uuid, key)]
            assert after == list(AWKWARD_KEYS[place + 1 :])

    def test_the_walk_passes_over_pages_and_tells_what_a_sync_compares(
        self, catalogue: Catalogue, collection: Collection
    ):
        # 3 MB of vectors: more than one page of DynamoDB's.
        records = [
            a_record(collection, f"{number:04}", embedding=an_embedding(vector=bytes([number % 251]) * 100_000))
            for number in range(30)
        ]
        for record in records:
            catalogue.save(record, None)
        expected = [CatalogueEntry(r.key, r.state, r.etag, r.size, r.model) for r in records]
        assert list(catalogue.entries(collection.uuid, None)) == expected

    def test_collections_keep_to_themselves(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        other = a_collection(account=collection.account)
        stores.collections.add(other)
        catalogue.save(a_record(collection, "a"), None)
        catalogue.save(a_record(other, "a", size=7), None)
        assert [record.size for record in catalogue.entries(other.uuid, None)] == [7]
        assert (self.stats(stores, collection), self.stats(stores, other)) == ((1, 1000), (1, 7))

    def test_statistics_follow_what_is_indexed(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        first = a_record(collection, "a", size=10)
        larger = replace(first, size=30, version=2)
        failed = replace(larger, state=FileState.FAILED, embedding=None, version=3)
        back = replace(first, version=4)
        gone = replace(back, state=FileState.REMOVED, version=5)
        seen, previous = [], None
        for record in (first, larger, failed, back, gone):
            catalogue.save(record, previous)
            seen.append(self.stats(stores, collection))
            previous = record
        assert seen == [(1, 10), (1, 30), (0, 0), (1, 10), (0, 0)]

    def test_statistics_are_corrected_unless_they_have_moved(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        catalogue.save(a_record(collection, "a", size=10), None)
        assert catalogue.fix_statistics(collection, (1, 10), (3, 30))
        assert self.stats(stores, collection) == (3, 30)
        assert not catalogue.fix_statistics(collection, (1, 10), (9, 90))
        assert not catalogue.fix_statistics(a_collection(), (0, 0), (1, 1))
        assert self.stats(stores, collection) == (3, 30)

    def used(self, stores: Stores, collection: Collection) -> tuple[int, int]:
        usage = stores.quota_ledger.usage(collection.account, "2026-03")
        return usage.files, usage.bytes

    def test_what_an_account_has_moves_with_what_is_indexed_where_a_plan_is_named(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        plan, first = PLANS["pro"], a_record(collection, "a", size=10)
        larger, failed = replace(first, size=30, version=2), replace(first, state=FileState.FAILED, version=3)
        seen, previous = [], None
        for record in (first, larger, failed):
            assert catalogue.save_all([PendingWrite(record, previous)], plan) == set()
            seen.append(self.used(stores, collection))
            previous = record
        catalogue.save_all([PendingWrite(a_record(collection, "b"), None)])
        assert [*seen, self.used(stores, collection)] == [(1, 10), (1, 30), (0, 0), (0, 0)]

    @pytest.mark.parametrize("allowed", [{"files": 2}, {"bytes": 25}, {"bytes": 29}])
    def test_what_a_plan_does_not_allow_is_not_written_and_all_that_grows_no_more_is(
        self, stores: Stores, catalogue: Catalogue, collection: Collection, allowed: dict[str, int]
    ):
        other = a_collection(account=collection.account)
        stores.collections.add(other)
        plan = PLANS["pro"].with_limits(allowed)
        first = a_record(collection, "a", size=10)
        catalogue.save_all([PendingWrite(first, None)], plan)
        catalogue.save_all([PendingWrite(a_record(other, "a", size=10), None)], plan)
        more, failed = a_record(collection, "b", size=10), a_record(collection, "c", state=FileState.FAILED)
        with pytest.raises(QuotaExceeded):
            catalogue.save_all([PendingWrite(failed, None), PendingWrite(more, None)], plan)
        assert (catalogue.get(collection.uuid, "b"), catalogue.get(collection.uuid, "c")) == (None, None)
        assert self.used(stores, collection) == (2, 20)
        again = replace(first, version=2, size=9)
        catalogue.save_all(
            [PendingWrite(failed, None), PendingWrite(again, first)], plan.with_limits({"files": 0, "bytes": 0})
        )
        assert self.used(stores, collection) == (2, 19)

    @pytest.mark.parametrize("nothing", [{"files": 0}, {"bytes": 0}])
    def test_of_a_plan_of_nothing_nothing_is_had(
        self, stores: Stores, catalogue: Catalogue, collection: Collection, nothing: dict[str, int]
    ):
        with pytest.raises(QuotaExceeded):
            catalogue.save_all([PendingWrite(a_record(collection, "a"), None)], PLANS["pro"].with_limits(nothing))
        assert self.used(stores, collection) == (0, 0)

    def test_a_stale_record_takes_no_share(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        plan, first = PLANS["pro"].with_limits({"files": 2}), a_record(collection, "a", size=10)
        catalogue.save_all([PendingWrite(first, None)], plan)
        drafts = [PendingWrite(first, None), PendingWrite(a_record(collection, "b", size=5), None)]
        assert catalogue.save_all(drafts, plan) == {"a"}
        assert self.used(stores, collection) == (2, 15)

    def test_the_walk_tells_what_a_plan_had_no_room_for(self, catalogue: Catalogue, collection: Collection):
        for key, reason in (("a", OVER_PLAN), ("b", "truncated_image")):
            failed = a_record(collection, key, state=FileState.FAILED, embedding=None, reason=reason, detail="so")
            catalogue.save(failed, None)
        assert [known.over_plan for known in catalogue.entries(collection.uuid, None)] == [True, False]

    def test_a_write_that_was_overtaken_is_refused_and_counts_nothing(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", size=10)
        catalogue.save(first, None)
        second = replace(first, size=20, version=2)
        catalogue.save(second, first)
        for late, previous in ((replace(first, size=99), None), (replace(first, size=99, version=2), first)):
            with pytest.raises(StaleWrite):
                catalogue.save(late, previous)
        with pytest.raises(StaleWrite):
            catalogue.save(a_record(collection, "never", version=2), a_record(collection, "never"))
        assert catalogue.get(collection.uuid, "a") == second
        assert self.stats(stores, collection) == (1, 20)

    def test_a_record_of_a_collection_that_is_gone_is_refused(self, catalogue: Catalogue):
        gone = a_collection()
        with pytest.raises(NotFound):
            catalogue.save(a_record(gone, "a"), None)
        assert catalogue.get(gone.uuid, "a") is None

    def test_many_are_written_at_once_and_those_that_were_overtaken_are_told(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        overtaken = a_record(collection, "b", size=5)
        catalogue.save(overtaken, None)
        drafts = [PendingWrite(a_record(collection, key, size=10), None) for key in ("a", "b", "c")]
        assert catalogue.save_all(drafts) == {"b"}
        assert catalogue.get(collection.uuid, "b") == overtaken
        assert self.stats(stores, collection) == (3, 25)
        gone = [
            PendingWrite(replace(draft.record, state=FileState.REMOVED, version=2), draft.record)
            for draft in drafts[::2]
        ]
        assert catalogue.save_all(gone) == set()
        assert self.stats(stores, collection) == (1, 5)
        with pytest.raises(NotFound):
            catalogue.save_all([PendingWrite(a_record(a_collection(), "a"), None)])

    def test_fifty_of_the_largest_records_are_written_at_once(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        drafts = [
            PendingWrite(a_record(collection, f"{number:02}" * 512, embedding=an_embedding(vector=b"\1" * 4096)), None)
            for number in range(50)
        ]
        assert catalogue.save_all(drafts) == set()
        assert self.stats(stores, collection) == (50, 50_000)

    def test_a_record_of_hundreds_of_kilobytes_is_kept(self, catalogue: Catalogue, collection: Collection):
        record = a_record(collection, "a", embedding=an_embedding(vector=b"\7" * 390_000))
        catalogue.save(record, None)
        assert catalogue.get(collection.uuid, "a") == record

    def test_the_same_content_is_found_wherever_the_account_has_it(self, stores: Stores, catalogue: Catalogue):
        account = str(uuid4())
        one, other, strangers = a_collection(account=account), a_collection(account=account), a_collection()
        for made in (one, other, strangers):
            stores.collections.add(made)
        etag = uuid4().hex
        record = a_record(one, "a", etag=etag)
        catalogue.save(record, None)
        catalogue.save(a_record(other, "failed", etag=etag, size=1, state=FileState.FAILED, embedding=None), None)
        name = content_key(account, "fake-1+d1", ObjectInfo("elsewhere", etag, record.size))
        unknown = [
            content_key(strangers.account, "fake-1+d1", ObjectInfo("a", etag, record.size)),
            content_key(account, "fake-2+d1", ObjectInfo("a", etag, record.size)),
            content_key(account, "fake-1+d1", ObjectInfo("a", etag, record.size + 1)),
            content_key(account, "fake-1+d1", ObjectInfo("a", etag, 1)),
        ]
        assert catalogue.find_by_content([name, *unknown]) == {name: record}
        gone = replace(record, state=FileState.REMOVED, version=2)
        catalogue.save(gone, record)
        assert catalogue.find_by_content([name]) == {name: gone}, "what is gone keeps its picture"
        changed = replace(record, etag=uuid4().hex, version=3)
        catalogue.save(changed, gone)
        assert catalogue.find_by_content([name]) == {}

    def test_what_is_gone_is_found_by_the_day_and_forgotten_unless_it_came_back(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        long_ago = NOW - timedelta(days=3650 + int(uuid4().hex[:4], 16))
        gone = [a_record(collection, key, state=FileState.REMOVED, updated_at=long_ago) for key in ("a", "b")]
        for record in (*gone, a_record(collection, "c", updated_at=long_ago)):
            catalogue.save(record, None)
        assert sorted(catalogue.removed_on(long_ago.date()), key=lambda r: r.key) == gone
        assert list(catalogue.removed_on(long_ago.date() + timedelta(days=1))) == []
        back = replace(gone[0], state=FileState.INDEXED, version=2)
        catalogue.save(back, gone[0])
        assert not catalogue.forget(gone[0])
        assert not catalogue.forget(back)
        assert catalogue.forget(gone[1])
        assert catalogue.get(collection.uuid, "b") is None
        assert catalogue.get(collection.uuid, "a") == back
        assert list(catalogue.removed_on(long_ago.date())) == []
        assert self.stats(stores, collection) == (2, 2000)


class TestTheFake(CatalogueContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        allowances = FakeQuotaLedger()
        return Stores(collections, FakeCatalogue(collections, allowances), allowances)


def on(client: Any) -> Stores:
    collections, accounts = make_table(client, "CollectionsTable"), make_table(client, "AccountsTable")
    return Stores(
        DynamoDBCollections(client, collections),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections, accounts),
        DynamoDBQuotaLedger(client, accounts),
    )


class TestTheEmulator(CatalogueContract):
    @pytest.fixture
    def stores(self, emulated: Stores) -> Stores:
        return emulated


class TestAmazonsDynamoDB(CatalogueContract):
    @pytest.fixture
    def stores(self, amazons: Stores) -> Stores:
        return amazons
