"""The contract of every store of syncs: one suite, run on the fake, the emulator's DynamoDB and DynamoDB Local."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.collections import (
    CANCELLATIONS_PERIOD,
    MAX_CANCELLATIONS,
    Collection,
    SyncState,
    SyncStatus,
    Trigger,
)
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.syncs import REMOVAL_PHASE, KeyRange, PendingBatch, Progress, Tally, key_ranges_between
from chalicelib.services.ports import Collections, Syncs
from tests.contract.tables import make_table, put_collection
from tests.factories import LEASE, NOW, a_batch, a_collection
from tests.fakes.collections import FakeCollections
from tests.fakes.syncs import FakeSyncs

AFTER_LEASE = LEASE + timedelta(seconds=1)


@dataclass(frozen=True)
class Stores:
    """The syncs, the collections whose state they write, and ``add``, which stores a collection."""

    add: Callable[[Collection], None]
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
        collection = a_collection(total_files=7)
        stores.add(collection)
        return collection

    def begin(
        self,
        syncs: Syncs,
        collection: Collection,
        *,
        trigger: Trigger = Trigger.MANUAL,
        splits: tuple[str, ...] = (),
        now: datetime = NOW,
        scheduled_for: datetime | None = None,
        delay: timedelta = timedelta(),
    ) -> SyncStep | None:
        key_ranges = key_ranges_between(splits)
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=str(uuid4()),
            trigger=trigger,
            lease_until=now + (LEASE - NOW),
            started_at=now + delay,
            scheduled_for=scheduled_for,
            retry=True,
            open_key_ranges=len(key_ranges) - 1,
        )
        began = syncs.begin(collection, state, key_ranges, now)
        return SyncStep(collection.account, collection.uuid, str(state.id)) if began else None

    def begun(self, syncs: Syncs, collection: Collection, **options: Any) -> SyncStep:
        step = self.begin(syncs, collection, **options)
        assert step is not None
        return step

    def acquired(self, syncs: Syncs, step: SyncStep) -> KeyRange:
        key_range = syncs.acquire(step, LEASE)
        assert key_range is not None
        return key_range

    def state(self, stores: Stores, collection: Collection) -> SyncState:
        stored = stores.collections.get(collection.account, collection.uuid)
        assert stored is not None
        return stored.sync

    def pending_batch(
        self, collection: Collection, step: SyncStep, batch_id: str, *keys: str, deferred: bool = False
    ) -> PendingBatch:
        return PendingBatch(a_batch(collection, *keys, sync=step.sync, batch_id=batch_id), deferred)

    def begun_with_batches(
        self, syncs: Syncs, collection: Collection
    ) -> tuple[SyncStep, KeyRange, list[PendingBatch], PendingBatch]:
        """Begin a sync; return its acquired key range, and three batches and a deferred removal to save."""
        step = self.begun(syncs, collection)
        key_range = self.acquired(syncs, step)
        to_send = [self.pending_batch(collection, step, f"sent.000.00000000{n}", f"k{n}") for n in range(3)]
        removal = self.pending_batch(collection, step, "deferred.000.000000000", "gone", deferred=True)
        return step, key_range, to_send, removal

    def test_a_sync_begins_with_its_key_ranges_and_all_figures_zero(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step = self.begun(syncs, collection, splits=("ä", "\U0001f600"))
        state = self.state(stores, collection)
        assert (state.status, state.id, state.open_key_ranges, state.files_before) == (
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

    def test_a_collection_that_does_not_exist_cannot_be_synced(self, syncs: Syncs):
        assert self.begin(syncs, a_collection()) is None

    def test_a_sync_is_the_only_one_until_its_lease_expires(self, stores: Stores, syncs: Syncs, collection: Collection):
        first = self.begun(syncs, collection)
        assert self.begin(syncs, collection) is None
        assert self.begin(syncs, collection, now=LEASE) is None
        second = self.begun(syncs, collection, now=AFTER_LEASE)
        assert self.state(stores, collection).id == second.sync
        assert syncs.acquire(first, AFTER_LEASE) is None
        syncs.renew_lease(first.account, first.collection, first.sync, AFTER_LEASE + timedelta(days=1))
        assert self.state(stores, collection).lease_until == AFTER_LEASE + (LEASE - NOW)

    def test_a_run_of_the_schedule_begins_once_however_often_it_fires_and_whatever_was_synced_since(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        def end(step: SyncStep) -> None:
            assert syncs.end(step.account, step.collection, step.sync, NOW, SyncStatus.COMPLETED)

        run, auto = NOW + timedelta(hours=3), Trigger.AUTO
        end(self.begun(syncs, collection, trigger=auto, scheduled_for=run))
        assert self.begin(syncs, collection, trigger=auto, scheduled_for=run) is None
        end(self.begun(syncs, collection))
        assert self.state(stores, collection).scheduled_for == run
        for late in (run, run - timedelta(days=1)):
            assert self.begin(syncs, collection, trigger=auto, scheduled_for=late) is None
        end(self.begun(syncs, collection, trigger=auto, scheduled_for=run + timedelta(days=1)))
        assert self.state(stores, collection).scheduled_for == run + timedelta(days=1)

    def test_a_sync_by_hand_takes_the_place_of_a_scheduled_one_until_its_time_has_come(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        delay = timedelta(minutes=10)
        run, auto = NOW + delay, Trigger.AUTO
        waiting = self.begun(syncs, collection, trigger=auto, scheduled_for=run, delay=delay)
        assert self.begin(syncs, collection, trigger=auto, scheduled_for=run + timedelta(days=1)) is None
        assert self.begin(syncs, collection, now=run) is None
        by_hand = self.begun(syncs, collection, now=run - timedelta(seconds=1))
        state = self.state(stores, collection)
        assert (state.id, state.scheduled_for, syncs.acquire(waiting, LEASE)) == (by_hand.sync, run, None)
        assert self.begin(syncs, collection, now=run - timedelta(seconds=1)) is None

    def test_a_renewed_lease_expires_later(self, syncs: Syncs, collection: Collection):
        step = self.begun(syncs, collection)
        syncs.renew_lease(step.account, step.collection, step.sync, AFTER_LEASE + timedelta(minutes=5))
        assert self.begin(syncs, collection, now=AFTER_LEASE) is None

    def test_a_worker_that_acquires_a_key_range_stops_the_writes_of_the_one_before(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step = self.begun(syncs, collection)
        slow, quick = self.acquired(syncs, step), self.acquired(syncs, step)
        moved, late = quick.advance("k", 5), self.pending_batch(collection, step, "sent.000.000000000", "z")
        syncs.save_progress(step, moved, Progress(listed=5), [], LEASE)
        with pytest.raises(StaleWrite):
            syncs.save_progress(step, slow.advance("z", 9), Progress(listed=9), [late], LEASE)
        state = self.state(stores, collection)
        assert (state.progress.listed, state.outstanding) == (5, 0)
        acquired = self.acquired(syncs, step)
        assert (acquired.cursor, acquired.scanned) == ("k", 5)

    def test_a_step_of_an_earlier_continuation_does_not_acquire_the_key_range(
        self, syncs: Syncs, collection: Collection
    ):
        step = self.begun(syncs, collection)
        assert syncs.acquire(replace(step, continuation=2), LEASE) is not None
        assert syncs.acquire(replace(step, continuation=1), LEASE) is None
        assert syncs.acquire(replace(step, continuation=2), LEASE) is not None

    def test_the_progress_of_a_key_range_is_stored_with_all_its_fields(self, syncs: Syncs, collection: Collection):
        step = self.begun(syncs, collection)
        key_range = self.acquired(syncs, step)
        moved = replace(key_range.advance("ä\n+", 20_000), sent=3, unsent_count=2, deferred=1)
        assert moved.split_samples == ("ä\n+",)
        syncs.save_progress(step, moved, Progress(), [], LEASE)
        assert replace(self.acquired(syncs, step), fencing_token=moved.fencing_token) == moved

    def test_a_batch_counts_once_however_often_it_is_completed(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step, key_range, to_send, removal = self.begun_with_batches(syncs, collection)
        key_range = replace(key_range, sent=3, unsent_count=2, deferred=1)
        syncs.save_progress(step, key_range, Progress(9, 4, 1, ignored=2), [*to_send, removal], AFTER_LEASE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress, state.lease_until) == (4, Progress(9, 4, 1, ignored=2), AFTER_LEASE)
        assert syncs.unsent_batches(step, key_range) == [to_send[1].batch, to_send[2].batch]
        for _ in range(2):
            syncs.complete_batch(to_send[1].batch, Tally(done=1), AFTER_LEASE)
        unknown = a_batch(collection, "x", sync=step.sync, batch_id="sent.000.000000099")
        syncs.complete_batch(unknown, Tally(9, 9, 9, 9), AFTER_LEASE)
        assert syncs.unsent_batches(step, key_range) == [to_send[2].batch]
        syncs.complete_batch(removal.batch, Tally(removed=1), AFTER_LEASE)
        syncs.complete_batch(to_send[2].batch, Tally(failed=1, skipped=2), AFTER_LEASE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress.tally) == (1, Tally(1, 1, 1, 2))

    def test_every_batch_has_a_record_whether_it_is_done_or_not(self, syncs: Syncs, collection: Collection):
        step, key_range, to_send, removal = self.begun_with_batches(syncs, collection)
        all_batches = [*to_send, removal]
        syncs.save_progress(
            step, replace(key_range, sent=3, unsent_count=3, deferred=1), Progress(), all_batches, LEASE
        )
        syncs.complete_batch(to_send[1].batch, Tally(done=1), LEASE)
        syncs.complete_batch(removal.batch, Tally(removed=1), LEASE)
        records = {record.batch.batch_id: (record.batch, record.done) for record in syncs.batch_records(step.sync)}
        assert records == {
            pending.batch.batch_id: (pending.batch, pending in (to_send[1], removal)) for pending in all_batches
        }
        assert list(syncs.batch_records(str(uuid4()))) == []

    @pytest.mark.parametrize(
        ("status", "tally", "counts"),
        [
            (SyncStatus.CANCELLED, Tally(done=2), True),
            (SyncStatus.CANCELLED, Tally(), False),
            (SyncStatus.FAILED, Tally(done=2), True),
            (SyncStatus.NEEDS_CONFIRMATION, Tally(), True),
        ],
    )
    def test_a_batch_that_ends_after_its_sync_counts_unless_it_was_dropped(
        self, stores: Stores, syncs: Syncs, collection: Collection, status: SyncStatus, tally: Tally, counts: bool
    ):
        step = self.begun(syncs, collection)
        sent = self.pending_batch(collection, step, "sent.000.000000000", "a")
        key_range = replace(self.acquired(syncs, step), sent=1, unsent_count=1)
        syncs.save_progress(step, key_range, Progress(to_do=2), [sent], LEASE)
        syncs.end(step.account, step.collection, step.sync, NOW, status, "because")
        syncs.complete_batch(sent.batch, tally, LEASE)
        state = self.state(stores, collection)
        assert (state.status, state.progress.tally) == (status, tally)
        assert state.outstanding == (0 if counts else 1)
        assert [record.done for record in syncs.batch_records(step.sync)] == [counts]

    def test_unfinished_removals_are_returned_in_order(self, syncs: Syncs, collection: Collection):
        step = self.begun(syncs, collection, splits=("m",))
        removals = []
        for number in (1, 0):
            key_range = self.acquired(syncs, replace(step, key_range=number))
            deferred = [
                self.pending_batch(collection, step, f"deferred.00{number}.00000000{n}", f"{n}", deferred=True)
                for n in range(2)
            ]
            sent = self.pending_batch(collection, step, f"sent.00{number}.000000000", "s")
            syncs.save_progress(
                step, replace(key_range, deferred=2, sent=1, unsent_count=1), Progress(), [*deferred, sent], LEASE
            )
            removals = [pending.batch for pending in deferred] + removals
        assert list(syncs.deferred_batches(step, None)) == removals
        assert list(syncs.deferred_batches(step, removals[0].batch_id)) == removals[1:]
        assert list(syncs.deferred_batches(step, removals[3].batch_id)) == []
        syncs.complete_batch(removals[1], Tally(), LEASE)
        assert list(syncs.deferred_batches(step, None)) == [removals[0], *removals[2:]]

    def test_finished_key_ranges_are_counted_down(self, stores: Stores, syncs: Syncs, collection: Collection):
        step = self.begun(syncs, collection, splits=("m",))
        for number, open_key_ranges in ((1, 1), (0, 0)):
            key_range = self.acquired(syncs, replace(step, key_range=number))
            syncs.save_progress(step, replace(key_range, finished=True), Progress(), [], LEASE)
            assert self.state(stores, collection).open_key_ranges == open_key_ranges
        syncs.mark_listed(step)
        state = self.state(stores, collection)
        assert state.listed and state.all_done

    @pytest.mark.parametrize(
        ("trigger", "set_time", "other_time"),
        [
            (Trigger.MANUAL, "last_manual_sync", "last_auto_sync"),
            (Trigger.AUTO, "last_auto_sync", "last_manual_sync"),
        ],
    )
    def test_a_completed_sync_sets_the_time_of_its_trigger(
        self, stores: Stores, syncs: Syncs, collection: Collection, trigger: Trigger, set_time: str, other_time: str
    ):
        step = self.begun(syncs, collection, trigger=trigger)
        assert syncs.end(step.account, step.collection, step.sync, AFTER_LEASE, SyncStatus.COMPLETED)
        assert not syncs.end(step.account, step.collection, step.sync, AFTER_LEASE, SyncStatus.FAILED, "late")
        state = self.state(stores, collection)
        times = (state.last_sync, getattr(state, set_time), state.ended_at)
        assert (state.status, *times) == (SyncStatus.COMPLETED, AFTER_LEASE, AFTER_LEASE, AFTER_LEASE)
        assert (getattr(state, other_time), state.reason) == (None, None)
        assert self.begin(syncs, collection) is not None
        assert getattr(self.state(stores, collection), set_time) == AFTER_LEASE

    @pytest.mark.parametrize("status", [SyncStatus.FAILED, SyncStatus.CANCELLED, SyncStatus.NEEDS_CONFIRMATION])
    def test_a_sync_that_stops_has_a_reason_and_no_time(
        self, stores: Stores, syncs: Syncs, collection: Collection, status: SyncStatus
    ):
        step = self.begun(syncs, collection)
        key_range = self.acquired(syncs, step)
        sent = self.pending_batch(collection, step, "sent.000.000000000", "a")
        syncs.save_progress(step, replace(key_range, sent=1, unsent_count=1), Progress(), [sent], LEASE)
        syncs.end(step.account, step.collection, step.sync, NOW, status, "because")
        state = self.state(stores, collection)
        assert (state.status, state.last_sync, state.last_manual_sync, state.reason) == (status, None, None, "because")
        assert state.ended_at == NOW
        assert syncs.acquire(step, LEASE) is None
        with pytest.raises(StaleWrite):
            syncs.save_progress(step, key_range, Progress(listed=1), [], LEASE)
        syncs.complete_batch(sent.batch, Tally(done=1), LEASE)
        assert self.state(stores, collection).progress.tally.done == 1, "a batch that was begun before is done"
        assert self.begin(syncs, collection) is not None
        assert (self.state(stores, collection).reason, self.state(stores, collection).ended_at) == (None, None)

    def test_a_caller_may_start_no_sync_after_too_many_were_cancelled_within_an_hour(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        def begin_and_cancel(now: datetime) -> None:
            step = self.begun(syncs, collection, now=now)
            assert syncs.end(step.account, step.collection, step.sync, now, SyncStatus.CANCELLED, "It was cancelled.")

        for number in range(MAX_CANCELLATIONS):
            begin_and_cancel(NOW + timedelta(minutes=number))
        now = NOW + timedelta(minutes=MAX_CANCELLATIONS)
        assert self.begin(syncs, collection, now=now) is None
        state = self.state(stores, collection)
        assert (state.cancelled, state.cancelled_since) == (MAX_CANCELLATIONS, NOW)
        assert state.next_start(now) == NOW + CANCELLATIONS_PERIOD
        scheduled = self.begun(syncs, collection, trigger=Trigger.AUTO, now=now)
        syncs.end(scheduled.account, scheduled.collection, scheduled.sync, now, SyncStatus.COMPLETED)
        assert self.begin(syncs, collection, now=now) is None, "the schedule's sync changes nothing"
        later = NOW + CANCELLATIONS_PERIOD
        begin_and_cancel(later)
        state = self.state(stores, collection)
        assert (state.cancelled, state.cancelled_since, state.next_start(later)) == (1, later, None)
        begin_and_cancel(later)

    def test_splits_are_stored_for_the_next_sync(self, syncs: Syncs, collection: Collection):
        assert syncs.splits(collection.uuid) == []
        syncs.save_splits(collection.uuid, ["ä", "\U0001f600"])
        assert syncs.splits(collection.uuid) == ["ä", "\U0001f600"]

    def test_all_that_is_stored_of_a_collection_and_its_latest_sync_is_deleted_page_by_page(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step, key_range, to_send, removal = self.begun_with_batches(syncs, collection)
        syncs.save_progress(step, key_range, Progress(), [*to_send, removal], LEASE)
        syncs.save_splits(collection.uuid, ["a", "b"])
        other = a_collection()
        stores.add(other)
        other_step = self.begun(syncs, other)
        while syncs.delete_page(collection.uuid, step.sync):
            pass
        assert (
            list(syncs.batch_records(step.sync)) == syncs.key_ranges(step.sync) == syncs.splits(collection.uuid) == []
        )
        assert syncs.key_ranges(other_step.sync)

    def test_a_collection_that_was_never_synced_has_nothing_to_delete(self, syncs: Syncs, collection: Collection):
        assert not syncs.delete_page(collection.uuid, None)


class TestFake(SyncsContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        return Stores(collections.add, collections, FakeSyncs(collections))


def make_stores(client: Any) -> Stores:
    collections = make_table(client, "CollectionsTable")
    return Stores(
        partial(put_collection, client, collections),
        DynamoDBCollections(client, collections),
        DynamoDBSyncs(client, collections, make_table(client, "SyncsTable")),
    )


class TestDynamoDBOnTheEmulator(SyncsContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(SyncsContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
