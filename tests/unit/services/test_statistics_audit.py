"""The audit compares stored statistics with counted ones, and fixes only those that have not changed since."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from chalicelib.domain.collections import CollectionType
from chalicelib.domain.files import FileCounts
from chalicelib.domain.syncs import Tally
from chalicelib.services.maintenance.statistics_audit import (
    CollectionAudit,
    CollectionFigures,
    StatisticsAudit,
    SyncFigures,
    Totals,
)
from tests.factories import a_collection
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


@pytest.fixture
def world() -> Harness:
    """Two pictures of 10 and 20 bytes are indexed, and an object that is no picture has failed."""
    world = Harness()
    world.put("a", body=b"x" * 10)
    world.put("b", body=b"y" * 20)
    world.put("broken", body=UNREADABLE)
    world.sync()
    return world


def audit_of(world: Harness) -> CollectionAudit:
    return world.app.statistics_audit.audit_collection(world.current())


def add_to_stored_totals(world: Harness, files: int, size: int) -> None:
    world.ports.collections.count(world.collection.account, world.collection.uuid, files, size)


class TestACollection:
    def test_stored_statistics_match_the_catalogue_and_the_syncs_batches(self, world: Harness) -> None:
        sync = SyncFigures(to_do=3, finished=3, outstanding=0, open_key_ranges=0)
        figures = CollectionFigures(FileCounts(2, 30, {"not_an_image": 1}), sync)
        assert audit_of(world) == CollectionAudit(world.current(), figures, figures)
        assert audit_of(world).matches

    def test_wrong_totals_are_found_and_fixed(self, world: Harness) -> None:
        add_to_stored_totals(world, 5, 500)
        audit = audit_of(world)
        unindexed = {"not_an_image": 1}
        assert (audit.stored.counts, audit.counted.counts, audit.matches) == (
            FileCounts(7, 530, unindexed),
            FileCounts(2, 30, unindexed),
            False,
        )
        assert world.app.statistics_audit.fix(audit)
        assert audit_of(world).matches

    @pytest.mark.parametrize("wrong", [{}, {"not_an_image": 2}, {"not_an_image": 1, "pending": 1}, {"empty": 1}])
    def test_wrong_counts_of_files_that_are_not_indexed_are_found_and_fixed(
        self, world: Harness, wrong: dict[str, int]
    ) -> None:
        world.ports.collections.put(replace(world.current(), unindexed=wrong))
        audit = audit_of(world)
        assert (audit.stored.counts.unindexed, audit.counted.counts.unindexed) == (wrong, {"not_an_image": 1})
        assert not audit.matches
        assert world.app.statistics_audit.fix(audit)
        assert audit_of(world).matches

    def test_a_fix_does_not_undo_what_was_counted_since_the_audit(self, world: Harness) -> None:
        add_to_stored_totals(world, 5, 500)
        audit = audit_of(world)
        world.put("c")
        world.apply("c")
        assert not world.app.statistics_audit.fix(audit)
        assert world.current().total_files == 8

    def test_a_collection_that_changes_during_every_count_is_not_stable(self, world: Harness) -> None:
        numbers = count()

        def index_another() -> None:
            key = f"new-{next(numbers)}"
            world.put(key)
            world.apply(key)

        world.interleave("catalogue", "entries", index_another, times=99)
        audit = audit_of(world)
        assert (audit.stable, audit.matches) == (False, False)


class TestTheLatestSync:
    def test_figures_of_a_running_sync_match_its_batches(self, world: Harness) -> None:
        world.ports.syncs.save_splits(world.collection.uuid, ["b"])
        world.put(*[f"{number:02}" for number in range(20)], "z")
        world.start()
        first, _ = world.sqs.waiting
        world.deliver(first)
        world.deliver(next(message for message in world.sqs.waiting if message.queue == "index"))
        audit = audit_of(world)
        assert audit.counted.sync == SyncFigures(to_do=20, finished=16, outstanding=1, open_key_ranges=1)
        assert audit.matches

    def test_removals_that_wait_are_counted_as_to_do(self, world: Harness) -> None:
        world.bucket.delete("a")
        world.start()
        world.work("sync")
        assert audit_of(world).counted.sync == SyncFigures(to_do=1, finished=0, outstanding=1, open_key_ranges=0)
        assert audit_of(world).matches

    @pytest.mark.parametrize(("to_do", "done"), [(1, 0), (0, 1)])
    def test_wrong_figures_of_a_sync_are_found_and_left_to_the_next_sync(
        self, world: Harness, to_do: int, done: int
    ) -> None:
        collection, progress = world.current(), world.state().progress
        tally = replace(progress.tally, done=progress.tally.done + done)
        wrong = replace(progress, to_do=progress.to_do + to_do, tally=tally)
        world.ports.collections.put(replace(collection, sync=replace(collection.sync, progress=wrong)))
        audit = audit_of(world)
        assert not audit.matches
        assert audit.counted.sync == SyncFigures(to_do=3, finished=3, outstanding=0, open_key_ranges=0)
        assert world.app.statistics_audit.fix(audit)
        assert not audit_of(world).matches
        world.sync()
        assert audit_of(world).matches

    def test_figures_of_a_cancelled_sync_match_its_batches(self, world: Harness) -> None:
        world.put("c")
        world.start()
        world.work("sync")
        world.app.syncs.cancel(world.current())
        world.work()
        assert audit_of(world).counted.sync == SyncFigures(to_do=1, finished=0, outstanding=1, open_key_ranges=0)
        assert audit_of(world).matches

    def test_skipped_objects_count_as_finished(self, world: Harness) -> None:
        world.put("a", body=b"another picture")
        world.bucket.denied.add("a")
        assert world.sync().progress.tally == Tally(skipped=1)
        assert audit_of(world).matches

    def test_a_sync_whose_records_may_have_expired_is_not_counted(self, world: Harness) -> None:
        world.clock.pass_by(timedelta(days=14))
        world.ports.syncs.batches.clear()
        assert (audit_of(world).stored.sync, audit_of(world).matches) == (None, True)

    def test_a_collection_without_a_sync_has_no_sync_figures(self) -> None:
        assert audit_of(Harness()).stored == CollectionFigures(FileCounts(), None)


class TestAnAccount:
    @pytest.fixture
    def account(self, world: Harness) -> str:
        """Has 3 files of 35 bytes in two customers' buckets that its stored totals do not include."""
        first = a_collection(total_files=2, total_size=30)
        second = a_collection(account=first.account, total_files=1, total_size=5)
        managed = a_collection(
            account=first.account, type=CollectionType.MANAGED, total_files=7, total_size=70
        )  # counted by its uploads, of which there are none here
        for collection in (first, second, managed):
            world.ports.collections.add(collection)
        return first.account

    @pytest.fixture
    def statistics(self, world: Harness) -> StatisticsAudit:
        return world.app.statistics_audit

    def test_wrong_totals_of_an_account_are_found_and_fixed(self, statistics: StatisticsAudit, account: str) -> None:
        audit = statistics.audit_account(account)
        assert (audit.stored, audit.counted, audit.matches) == (Totals(0, 0), Totals(3, 35), False)
        assert statistics.fix(audit)
        assert statistics.audit_account(account).matches

    def test_a_fix_of_an_account_is_refused_when_its_totals_have_changed_since_the_audit(
        self, world: Harness, statistics: StatisticsAudit, account: str
    ) -> None:
        audit = statistics.audit_account(account)
        world.ports.quota_ledger.move(account, 1, 5)
        assert not statistics.fix(audit)
