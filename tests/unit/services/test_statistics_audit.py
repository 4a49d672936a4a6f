"""Figures that add up are left alone, those that do not are told, and corrected only where nobody has moved them."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from chalicelib.domain.syncs import Tally
from chalicelib.services.maintenance.statistics_audit import CollectionAudit, Statistics, SyncStatistics
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


@pytest.fixture
def world() -> Harness:
    """Two pictures of 10 and 20 bytes are indexed, and one that is none has failed."""
    world = Harness()
    world.put("a", body=b"x" * 10)
    world.put("b", body=b"y" * 20)
    world.put("broken", body=UNREADABLE)
    world.sync()
    return world


def recounted(world: Harness) -> CollectionAudit:
    (found,) = world.app.statistics_audit.recount([world.current()])
    return found


def drift(world: Harness) -> None:
    world.ports.collections.count(world.collection.account, world.collection.uuid, 5, 500)


def test_what_is_indexed_and_what_the_sync_has_done_add_up(world: Harness) -> None:
    expected = Statistics(2, 30, SyncStatistics(to_do=3, finished=3, outstanding=0, open_key_ranges=0))
    assert recounted(world) == CollectionAudit(world.current(), expected, expected)
    assert recounted(world).matches


def test_statistics_that_are_off_are_told_and_corrected(world: Harness) -> None:
    drift(world)
    found = recounted(world)
    assert (found.stated.files, found.stated.size, found.matches) == (7, 530, False)
    assert (found.counted.files, found.counted.size) == (2, 30)
    assert world.app.statistics_audit.correct(found)
    assert recounted(world).matches


def test_a_correction_does_not_undo_what_has_been_counted_since(world: Harness) -> None:
    drift(world)
    found = recounted(world)
    world.put("c")
    world.apply("c")
    assert not world.app.statistics_audit.correct(found)
    assert world.current().total_files == 8


def test_a_collection_that_changes_at_every_look_is_said_to_and_not_to_be_off(world: Harness) -> None:
    numbers = count()

    def change() -> None:
        key = f"new-{next(numbers)}"
        world.put(key)
        world.apply(key)

    world.interleave("catalogue", "entries", change, times=99)
    found = recounted(world)
    assert (found.settled, found.matches) == (False, False)


class TestTheLatestSync:
    def test_in_its_middle_it_adds_up_too(self, world: Harness) -> None:
        world.ports.syncs.save_splits(world.collection.uuid, ["b"])
        world.put(*[f"{number:02}" for number in range(20)], "z")
        world.start()
        first, _ = world.sqs.waiting
        world.deliver(first)
        world.deliver(next(message for message in world.sqs.waiting if message.queue == "index"))
        found = recounted(world)
        assert found.counted.sync == SyncStatistics(to_do=20, finished=16, outstanding=1, open_key_ranges=1)
        assert found.matches

    def test_removals_that_wait_are_counted_among_what_is_to_do(self, world: Harness) -> None:
        world.bucket.delete("a")
        world.start()
        world.work("sync")
        assert recounted(world).counted.sync == SyncStatistics(to_do=1, finished=0, outstanding=1, open_key_ranges=0)
        assert recounted(world).matches

    @pytest.mark.parametrize(("to_do", "done"), [(1, 0), (0, 1)])
    def test_figures_that_are_off_are_told_and_left_to_the_next_sync(
        self, world: Harness, to_do: int, done: int
    ) -> None:
        known, was = world.current(), world.state().progress
        tally = replace(was.tally, done=was.tally.done + done)
        off = replace(was, to_do=was.to_do + to_do, tally=tally)
        world.ports.collections.put(replace(known, sync=replace(known.sync, progress=off)))
        found = recounted(world)
        assert not found.matches
        assert found.counted.sync == SyncStatistics(to_do=3, finished=3, outstanding=0, open_key_ranges=0)
        assert world.app.statistics_audit.correct(found)
        assert not recounted(world).matches
        world.sync()
        assert recounted(world).matches

    def test_one_that_was_called_off_or_taken_over_adds_up(self, world: Harness) -> None:
        world.put("c")
        world.start()
        world.work("sync")
        world.app.syncs.cancel(world.current())
        world.work()
        assert recounted(world).counted.sync == SyncStatistics(to_do=1, finished=0, outstanding=1, open_key_ranges=0)
        assert recounted(world).matches

    def test_what_was_skipped_is_finished(self, world: Harness) -> None:
        world.put("a", body=b"another picture")
        world.bucket.denied.add("a")
        assert world.sync().progress.tally == Tally(skipped=1)
        assert recounted(world).matches

    def test_one_whose_records_may_have_expired_is_not_recounted(self, world: Harness) -> None:
        world.clock.pass_by(timedelta(days=14))
        world.ports.syncs.batches.clear()
        assert (recounted(world).stated.sync, recounted(world).matches) == (None, True)

    def test_without_one_there_is_nothing_to_recount(self) -> None:
        assert recounted(Harness()).stated == Statistics(0, 0, None)
