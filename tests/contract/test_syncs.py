"""What every record of syncs must hold: one suite, run on the fake, on the emulator and on Amazon's DynamoDB Local."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb_collections import DynamoDBCollections
from chalicelib.adapters.dynamodb_syncs import DynamoDBSyncs
from chalicelib.domain.changes import SyncStep
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.syncs import RELEASING, Part, Progress, Tally, parts_between
from chalicelib.services.ports import Collections, Opened, Syncs
from tests.contract.tables import make_table
from tests.contract.things import LEASE, NOW, a_batch, a_collection
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
        parts = parts_between(splits)
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=str(uuid4()),
            trigger=trigger,
            lease_until=now + (LEASE - NOW),
            started_at=now,
            retry=True,
            parts=len(parts) - 1,
        )
        began = syncs.begin(collection, state, parts, now)
        return SyncStep(collection.account, collection.uuid, str(state.id)) if began else None

    def state(self, stores: Stores, collection: Collection) -> SyncState:
        found = stores.collections.get(collection.account, collection.uuid)
        assert found is not None
        return found.sync

    def opened(self, collection: Collection, step: SyncStep, mark: str, *keys: str, held: bool = False) -> Opened:
        return Opened(a_batch(collection, *keys, sync=step.sync, mark=mark), held)

    def met(self, syncs: Syncs, collection: Collection) -> tuple[SyncStep, Part, list[Opened], Opened]:
        """A sync, its part as a worker has it, and three batches and a removal that are to be opened."""
        step = self.begin(syncs, collection)
        assert step is not None
        part = syncs.take(step, LEASE)
        assert part is not None
        opened = [self.opened(collection, step, f"sent.000.00000000{n}", f"k{n}") for n in range(3)]
        return step, part, opened, self.opened(collection, step, "held.000.000000000", "gone", held=True)

    def test_a_sync_begins_with_its_parts_and_its_figures_at_nought(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step = self.begin(syncs, collection, splits=("ä", "\U0001f600"))
        assert step is not None
        state = self.state(stores, collection)
        assert (state.status, state.id, state.parts, state.files_before) == (SyncStatus.IN_PROGRESS, step.sync, 3, 7)
        assert (state.started_at, state.lease_until, state.retry, state.confirmed) == (NOW, LEASE, True, False)
        assert (state.progress, state.outstanding, state.listed, state.reason) == (Progress(), 0, False, None)
        expected = [Part(RELEASING), Part(0, None, "ä"), Part(1, "ä", "\U0001f600"), Part(2, "\U0001f600", None)]
        assert sorted(syncs.parts(step.sync), key=lambda part: part.number) == expected

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
        assert syncs.take(first, LATE) is None
        syncs.extend(first.account, first.collection, first.sync, LATE + timedelta(days=1))
        assert self.state(stores, collection).lease_until == LATE + (LEASE - NOW)

    def test_a_lease_that_is_extended_holds_longer(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        syncs.extend(step.account, step.collection, step.sync, LATE + timedelta(minutes=5))
        assert self.begin(syncs, collection, now=LATE) is None

    def test_whoever_takes_a_part_bars_whoever_had_it(self, stores: Stores, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        slow, quick = syncs.take(step, LEASE), syncs.take(step, LEASE)
        assert slow is not None and quick is not None
        moved, late = quick.moved("k", 5), self.opened(collection, step, "sent.000.000000000", "z")
        syncs.advance(step, moved, Progress(listed=5), [], LEASE)
        with pytest.raises(StaleWrite):
            syncs.advance(step, slow.moved("z", 9), Progress(listed=9), [late], LEASE)
        state = self.state(stores, collection)
        assert (state.progress.listed, state.outstanding) == (5, 0)
        taken = syncs.take(step, LEASE)
        assert taken is not None
        assert (taken.cursor, taken.met) == ("k", 5)

    def test_a_leg_that_has_been_handed_on_is_not_walked_again(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        assert syncs.take(replace(step, leg=2), LEASE) is not None
        assert syncs.take(replace(step, leg=1), LEASE) is None
        assert syncs.take(replace(step, leg=2), LEASE) is not None

    def test_a_part_says_where_it_stands_with_all_that_it_noted(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection)
        assert step is not None
        part = syncs.take(step, LEASE)
        assert part is not None
        moved = replace(part.moved("ä\n+", 20_000), sent=3, fresh=2, held=1)
        assert moved.marks == ("ä\n+",)
        syncs.advance(step, moved, Progress(), [], LEASE)
        taken = syncs.take(step, LEASE)
        assert taken is not None
        assert replace(taken, fence=moved.fence) == moved

    def test_batches_count_once_however_often_they_are_closed(
        self, stores: Stores, syncs: Syncs, collection: Collection
    ):
        step, part, opened, removal = self.met(syncs, collection)
        part = replace(part, sent=3, fresh=2, held=1)
        syncs.advance(step, part, Progress(9, 4, 1), [*opened, removal], LATE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress, state.lease_until) == (4, Progress(9, 4, 1), LATE)
        assert syncs.unsent(step, part) == [opened[1].batch, opened[2].batch]
        for _ in range(2):
            syncs.close_batch(opened[1].batch, Tally(done=1), LATE)
        syncs.close_batch(a_batch(collection, "x", sync=step.sync, mark="sent.000.000000099"), Tally(9, 9, 9, 9), LATE)
        assert syncs.unsent(step, part) == [opened[2].batch]
        syncs.close_batch(removal.batch, Tally(removed=1), LATE)
        syncs.close_batch(opened[2].batch, Tally(failed=1, skipped=2), LATE)
        state = self.state(stores, collection)
        assert (state.outstanding, state.progress.tally) == (1, Tally(1, 1, 1, 2))

    def test_every_batch_stays_on_record_closed_or_not(self, syncs: Syncs, collection: Collection):
        step, part, opened, removal = self.met(syncs, collection)
        syncs.advance(step, replace(part, sent=3, fresh=3, held=1), Progress(), [*opened, removal], LEASE)
        syncs.close_batch(opened[1].batch, Tally(done=1), LEASE)
        syncs.close_batch(removal.batch, Tally(removed=1), LEASE)
        found = {each.batch.mark: (each.batch, each.done) for each in syncs.on_record(step.sync)}
        assert found == {each.batch.mark: (each.batch, each in (opened[1], removal)) for each in [*opened, removal]}
        assert list(syncs.on_record(str(uuid4()))) == []

    def test_removals_are_held_in_order_until_they_are_done(self, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection, splits=("m",))
        assert step is not None
        batches = []
        for number in (1, 0):
            part = syncs.take(replace(step, part=number), LEASE)
            assert part is not None
            held = [self.opened(collection, step, f"held.00{number}.00000000{n}", f"{n}", held=True) for n in range(2)]
            sent = self.opened(collection, step, f"sent.00{number}.000000000", "s")
            syncs.advance(step, replace(part, held=2, sent=1, fresh=1), Progress(), [*held, sent], LEASE)
            batches = [each.batch for each in held] + batches
        assert list(syncs.held(step, None)) == batches
        assert list(syncs.held(step, batches[0].mark)) == batches[1:]
        assert list(syncs.held(step, batches[3].mark)) == []
        syncs.close_batch(batches[1], Tally(), LEASE)
        assert list(syncs.held(step, None)) == [batches[0], *batches[2:]]

    def test_parts_that_end_are_counted_down(self, stores: Stores, syncs: Syncs, collection: Collection):
        step = self.begin(syncs, collection, splits=("m",))
        assert step is not None
        for number, left in ((1, 1), (0, 0)):
            part = syncs.take(replace(step, part=number), LEASE)
            assert part is not None
            syncs.advance(step, replace(part, finished=True), Progress(), [], LEASE)
            assert self.state(stores, collection).parts == left
        syncs.set_listed(step)
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
        part = syncs.take(step, LEASE)
        assert part is not None
        opened = self.opened(collection, step, "sent.000.000000000", "a")
        syncs.advance(step, replace(part, sent=1, fresh=1), Progress(), [opened], LEASE)
        syncs.end(step.account, step.collection, step.sync, NOW, status, "because")
        state = self.state(stores, collection)
        assert (state.status, state.last_sync, state.last_manual_sync, state.reason) == (status, None, None, "because")
        assert syncs.take(step, LEASE) is None
        with pytest.raises(StaleWrite):
            syncs.advance(step, part, Progress(listed=1), [], LEASE)
        syncs.close_batch(opened.batch, Tally(done=1), LEASE)
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
