"""What every record of syncs must hold: one suite, run on the fake, on the emulator and on Amazon's DynamoDB Local."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.syncs import REMOVAL_PHASE, KeyRange, PendingBatch, Progress, Tally, key_ranges_between
from chalicelib.services.ports import Collections, Syncs
from tests.contract.tables import make_table
from tests.factories import LEASE, NOW, a_batch, a_collection
from tests.fakes.collections import FakeCollections
from tests.fakes.syncs import FakeSyncs

LATE = LEASE + timedelta(seconds=1)


@dataclass(frozen=True)
class Stores:
    collections: Collections
    syncs: Syncs


class SyncsContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def syncs(self, stores: Stores) -> Syncs:
        return stores.syncs

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        made = a_collection(total_files=7)
        stores.collections.add(made)
        return made

    def begin(
        self,
        syncs: Syncs,
        collection: Collection,
        *,
        trigger: Trigger = Trigger.MANUAL,
        splits: tuple[str, ...] = (),
        now: datetime = NOW,
    ) -> SyncStep | None:
        key_ranges = key_ranges_between(splits)
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=str(uuid4()),
            trigger=trigger,
            lease_until=now + (LEASE - NOW),
            started_at=now,
            retry=True,
            key_ranges=len(key_ranges) - 1,
        )
        began = syncs.begin(collection, state, key_ranges, now)
        return SyncStep(collection.account, collection.uuid, str(state.id)) if began else None

    def state(self, stores: Stores, collection: Collection) -> SyncState:
        found = stores.collections.get(collection.account, collection.uuid)
        assert found is not None
        return found.sync

    def pending_batches(
        self, collection: Collection, step: SyncStep, batch_id: str, *keys: str, deferred: bool = False
    ) -> PendingBatch:
        return PendingBatch(a_batch(collection, *keys, sync=step.sync, batch_id=batch_id), deferred)

    def scanned(
        self, syncs: Syncs, collection: Collection
    ) -> tuple[SyncStep, KeyRange, list[PendingBatch], PendingBatch]:
        """A sync, its key_range as a worker has it, and three batches and a removal that are to be pending_batches."""
        step = self.begin(syncs, collection)
        assert step is not None
        key_range = syncs.acquire(step, LEASE)
        assert key_range is not None
        pending_batches = [self.pending_batches(collection, step, f"sent.000.00000000{n}", f"k{n}") for n in range(3)]
        return (
            step,
            key_range,
            pending_batches,
            self.pending_batches(collection, step, "deferred.000.000000000", "gone", deferred=True),
        )

    def test_a_sync_begins_with_its_parts_and_its_figures_at_nought(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step = self.begin(syncs, collection, splits=("ä", "\U0001f600"))
        assert step is not None
        state = self.state(stores, collection)
        assert (state.status, state.id, state.key_ranges, state.files_before) == (
            SyncStatus.IN_PROGRESS,
            step.sync,
            3,
            7,
        )
        assert (state.started_at, state.lease_until, state.retry, state.confirmed) == (NOW, LEASE, True, False)
        assert (state.progress, state.outstanding, state.listed, state.reason) == (Progress(), 0, False, None)
        expected = [
            KeyRange(REMOVAL_PHASE),
            KeyRange(0, None, "ä"),
            KeyRange(1, "ä", "\U0001f600"),
            KeyRange(2, "\U0001f600", None),
        ]
        assert sorted(syncs.key_ranges(step.sync), key=lambda key_range: key_range.number) == expected

    def test_a_collection_that_is_not_there_cannot_be_synced(self, syncs: Syncs):
        assert self.begin(syncs, a_collection()) is None

    def test_one_sync_at_a_time_until_its_lease_runs_out(self, stores: Stores, syncs: Syncs, collection: Collection):
        first = self.begin(syncs, collection)
        assert first is not None
        assert self.begin(syncs, collection) is None
        assert self.begin(syncs, collection, now=LEASE) is None
        second = self.begin(syncs, collection, now=LATE)
        assert second is not None
        assert self.state(stores, collection).id == second.sync
        assert syncs.acquire(first, LATE) is None
        syncs.renew_lease(first.account, first.collection, first.sync, LATE + timedelta(days=1))
        assert self.state(stores, collection).lease_until == LATE + (LEASE - NOW)

    def test_a_lease_that_is_extended_holds_longer(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        syncs.renew_lease(step.account, step.collection, step.sync, LATE + timedelta(minutes=5))
        assert self.begin(syncs, collection, now=LATE) is None

    def test_whoever_takes_a_part_bars_whoever_had_it(self, stores: Stores, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        slow, quick = syncs.acquire(step, LEASE), syncs.acquire(step, LEASE)
        assert slow is not None and quick is not None
        moved, late = quick.advance("k", 5), self.pending_batches(collection, step, "sent.000.000000000", "z")
        syncs.save_progress(step, moved, Progress(listed=5), [], LEASE)
        with pytest.raises(StaleWrite):
            syncs.save_progress(step, slow.advance("z", 9), Progress(listed=9), [late], LEASE)
        state = self.state(stores, collection)
        assert (state.progress.listed, state.outstanding) == (5, 0)
        taken = syncs.acquire(step, LEASE)
        assert taken is not None
        assert (taken.cursor, taken.scanned) == ("k", 5)

    def test_a_leg_that_has_been_handed_on_is_not_walked_again(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        assert syncs.acquire(replace(step, continuation=2), LEASE) is not None
        assert syncs.acquire(replace(step, continuation=1), LEASE) is None
        assert syncs.acquire(replace(step, continuation=2), LEASE) is not None

    def test_a_part_says_where_it_stands_with_all_that_it_noted(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        key_range = syncs.acquire(step, LEASE)
        assert key_range is not None
        moved = replace(key_range.advance("ä\n+", 20_000), sent=3, unsent_count=2, deferred=1)
        assert moved.split_samples == ("ä\n+",)
        syncs.save_progress(step, moved, Progress(), [], LEASE)
        taken = syncs.acquire(step, LEASE)
        assert taken is not None
        assert replace(taken, fencing_token=moved.fencing_token) == moved

    def test_batches_count_once_however_often_they_are_closed(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step, key_range, pending_batches, removal = self.scanned(syncs, collection)
        key_range = replace(key_range, sent=3, unsent_count=2, deferred=1)
        syncs.save_progress(step, key_range, Progress(9, 4, 1), [*pending_batches, removal], LATE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress, state.lease_until) == (4, Progress(9, 4, 1), LATE)
        assert syncs.unsent_batches(step, key_range) == [pending_batches[1].batch, pending_batches[2].batch]
        for _ in range(2):
            syncs.complete_batch(pending_batches[1].batch, Tally(done=1), LATE)
        syncs.complete_batch(
            a_batch(collection, "x", sync=step.sync, batch_id="sent.000.000000099"), Tally(9, 9, 9, 9), LATE
        )
        assert syncs.unsent_batches(step, key_range) == [pending_batches[2].batch]
        syncs.complete_batch(removal.batch, Tally(removed=1), LATE)
        syncs.complete_batch(pending_batches[2].batch, Tally(failed=1, skipped=2), LATE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress.tally) == (1, Tally(1, 1, 1, 2))

    def test_every_batch_stays_on_record_closed_or_not(self, syncs: Syncs, collection: Collection):
        step, key_range, pending_batches, removal = self.scanned(syncs, collection)
        syncs.save_progress(
            step, replace(key_range, sent=3, unsent_count=3, deferred=1), Progress(), [*pending_batches, removal], LEASE
        )
        syncs.complete_batch(pending_batches[1].batch, Tally(done=1), LEASE)
        syncs.complete_batch(removal.batch, Tally(removed=1), LEASE)
        found = {each.batch.batch_id: (each.batch, each.done) for each in syncs.batch_records(step.sync)}
        assert found == {
            each.batch.batch_id: (each.batch, each in (pending_batches[1], removal))
            for each in [*pending_batches, removal]
        }
        assert list(syncs.batch_records(str(uuid4()))) == []

    def test_removals_are_held_in_order_until_they_are_done(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection, splits=("m",))
        assert step is not None
        batches = []
        for number in (1, 0):
            key_range = syncs.acquire(replace(step, key_range=number), LEASE)
            assert key_range is not None
            deferred = [
                self.pending_batches(collection, step, f"deferred.00{number}.00000000{n}", f"{n}", deferred=True)
                for n in range(2)
            ]
            sent = self.pending_batches(collection, step, f"sent.00{number}.000000000", "s")
            syncs.save_progress(
                step, replace(key_range, deferred=2, sent=1, unsent_count=1), Progress(), [*deferred, sent], LEASE
            )
            batches = [each.batch for each in deferred] + batches
        assert list(syncs.deferred_batches(step, None)) == batches
        assert list(syncs.deferred_batches(step, batches[0].batch_id)) == batches[1:]
        assert list(syncs.deferred_batches(step, batches[3].batch_id)) == []
        syncs.complete_batch(batches[1], Tally(), LEASE)
        assert list(syncs.deferred_batches(step, None)) == [batches[0], *batches[2:]]

    def test_parts_that_end_are_counted_down(self, stores: Stores, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection, splits=("m",))
        assert step is not None
        for number, left in ((1, 1), (0, 0)):
            key_range = syncs.acquire(replace(step, key_range=number), LEASE)
            assert key_range is not None
            syncs.save_progress(step, replace(key_range, finished=True), Progress(), [], LEASE)
            assert self.state(stores, collection).key_ranges == left
        syncs.mark_listed(step)
        state = self.state(stores, collection)
        assert state.listed and state.all_done

    @pytest.mark.parametrize(
        ("trigger", "which", "other"),
        [
            (Trigger.MANUAL, "last_manual_sync", "last_auto_sync"),
            (Trigger.AUTO, "last_auto_sync", "last_manual_sync"),
        ],
    )
    def test_a_sync_that_succeeds_leaves_its_time(
        self, stores: Stores, syncs: Syncs, collection: Collection, trigger: Trigger, which: str, other: str
    ):
        step = self.begin(syncs, collection, trigger=trigger)
        assert step is not None
        assert syncs.end(step.account, step.collection, step.sync, LATE, SyncStatus.COMPLETED)
        assert not syncs.end(step.account, step.collection, step.sync, LATE, SyncStatus.FAILED, "late")
        state = self.state(stores, collection)
        assert (state.status, state.last_sync, getattr(state, which)) == (SyncStatus.COMPLETED, LATE, LATE)
        assert (getattr(state, other), state.reason) == (None, None)
        assert self.begin(syncs, collection) is not None
        assert getattr(self.state(stores, collection), which) == LATE

    @pytest.mark.parametrize("status", [SyncStatus.FAILED, SyncStatus.CANCELLED, SyncStatus.NEEDS_CONFIRMATION])
    def test_a_sync_that_stops_leaves_its_reason_and_no_time(
        self, stores: Stores, syncs: Syncs, collection: Collection, status: SyncStatus
    ):
        step = self.begin(syncs, collection)
        assert step is not None
        key_range = syncs.acquire(step, LEASE)
        assert key_range is not None
        pending_batches = self.pending_batches(collection, step, "sent.000.000000000", "a")
        syncs.save_progress(step, replace(key_range, sent=1, unsent_count=1), Progress(), [pending_batches], LEASE)
        syncs.end(step.account, step.collection, step.sync, NOW, status, "because")
        state = self.state(stores, collection)
        assert (state.status, state.last_sync, state.last_manual_sync, state.reason) == (status, None, None, "because")
        assert syncs.acquire(step, LEASE) is None
        with pytest.raises(StaleWrite):
            syncs.save_progress(step, key_range, Progress(listed=1), [], LEASE)
        syncs.complete_batch(pending_batches.batch, Tally(done=1), LEASE)
        counted = 1 if status is SyncStatus.NEEDS_CONFIRMATION else 0
        assert self.state(stores, collection).progress.tally.done == counted, "what was sent before is still done"
        again = self.begin(syncs, collection)
        assert again is not None
        assert self.state(stores, collection).reason is None

    def test_splits_are_kept_for_the_next_sync(self, syncs: Syncs, collection: Collection):
        assert syncs.splits(collection.uuid) == []
        syncs.save_splits(collection.uuid, ["ä", "\U0001f600"])
        assert syncs.splits(collection.uuid) == ["ä", "\U0001f600"]


class TestTheFake(SyncsContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        return Stores(collections, FakeSyncs(collections))


def on(client: Any) -> Stores:
    collections = make_table(client, "CollectionsTable")
    return Stores(
        DynamoDBCollections(client, collections), DynamoDBSyncs(client, collections, make_table(client, "SyncsTable"))
    )


class TestTheEmulator(SyncsContract):
    @pytest.fixture
    def stores(self, emulated: Stores) -> Stores:
        return emulated


class TestAmazonsDynamoDB(SyncsContract):
    @pytest.fixture
    def stores(self, amazons: Stores) -> Stores:
        return amazons
