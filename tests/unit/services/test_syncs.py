"""Syncs as they are begun, taken over, given up, called off, and asked what they would do."""

from datetime import timedelta

import pytest

from chalicelib.api import serializers
from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import Conflict, SourceDenied, StaleWrite, SyncAlreadyRunning
from chalicelib.domain.syncs import Progress
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.fakes.embedder import UNREADABLE
from tests.fakes.messages import Message
from tests.unit.services.harness import AFTER_THE_LEASE, Harness, no_time, plenty


def test_a_second_sync_is_refused_while_one_runs(world: Harness) -> None:
    world.start()
    world.clock.pass_by(SYNC_LEASE)
    with pytest.raises(SyncAlreadyRunning):
        world.start()


def test_a_sync_that_nobody_carries_on_has_failed_once_its_lease_has_run_out_and_another_may_begin(
    world: Harness,
) -> None:
    world.put("a.jpg")
    world.start()
    world.post.waiting.clear()
    world.clock.pass_by(AFTER_THE_LEASE)
    assert world.state().status_at(world.clock()) is SyncStatus.FAILED
    assert world.sync().status is SyncStatus.COMPLETED
    assert world.searchable() == {"a.jpg"}


def test_the_worker_of_a_sync_that_was_taken_over_is_refused_and_sends_nothing(world: Harness) -> None:
    world.put("a.jpg")
    first = world.start()
    (message,) = world.post.waiting

    def stand_still_for_too_long() -> None:
        world.clock.pass_by(AFTER_THE_LEASE)
        world.start()

    world.interleave("syncs", "save_progress", stand_still_for_too_long)
    assert not world.deliver(message)
    assert world.reasons()[0].startswith(StaleWrite.__name__)
    assert (world.state().id != first, world.state().progress) == (True, Progress())
    assert [waiting.queue for waiting in world.post.waiting] == ["sync", "sync"]
    assert world.deliver(message), "the second time it is told that there is nothing left to do for it"
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 1)


def test_a_batch_of_a_sync_that_was_taken_over_is_left_to_the_new_one(world: Harness) -> None:
    world.put("a.jpg")
    world.start()
    world.work("sync")
    (old,) = world.post.waiting
    world.clock.pass_by(AFTER_THE_LEASE)
    world.start()
    assert world.deliver(old)
    assert (world.embedder.embedded, world.state().progress.finished) == ([], 0)
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 1)


def test_of_two_workers_at_one_part_the_later_one_walks_it_and_the_other_is_refused(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.start()
    (message,) = world.post.waiting
    world.interleave("syncs", "save_progress", lambda: world.deliver(message))
    assert not world.deliver(message)
    assert world.state().progress.listed == 2
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 2)


def test_a_sync_that_cannot_be_handed_to_a_worker_frees_its_collection_at_once(world: Harness) -> None:
    world.ports.queues.down = True
    with pytest.raises(ConnectionError):
        world.start()
    assert (world.state().status, world.state().reason) == (SyncStatus.FAILED, "The sync queue did not answer.")
    world.ports.queues.down = False
    assert world.sync().status is SyncStatus.COMPLETED


def test_a_batch_that_comes_back_keeps_its_sync_alive(world: Harness) -> None:
    world.put("a.jpg")
    world.start()
    world.work("sync")
    world.vectors.down = True
    for _ in range(5):
        world.clock.pass_by(SYNC_LEASE - timedelta(minutes=1))
        assert world.work()
    assert world.state().status_at(world.clock()) is SyncStatus.IN_PROGRESS
    world.vectors.down = False
    world.work()
    assert world.state().status is SyncStatus.COMPLETED


class TestABatchThatWasGivenUp:
    """After eight tries SQS puts a message among the dead letters."""

    @pytest.fixture
    def letter(self, world: Harness) -> Message:
        world.put("a.jpg", "b.jpg")
        world.embedder.hiccups = {b"picture of a.jpg"}
        world.start()
        world.work("sync")
        (message,) = world.post.waiting
        while message.received < 8:
            assert world.work() == [message]
            world.clock.pass_by(timedelta(minutes=15))
        world.post.waiting.clear()
        assert "hiccup" in str(world.ports.failure_log.reason(message.id))
        return message

    def test_its_sync_does_not_stay_in_progress_and_the_status_says_what_to_do(
        self, world: Harness, letter: Message
    ) -> None:
        assert serializers.sync_status(world.current(), world.clock())["status"] == "in_progress"
        world.clock.pass_by(AFTER_THE_LEASE)
        status = serializers.sync_status(world.current(), world.clock())
        assert (status["status"], status["last_sync"]) == ("failed", None)
        assert status["progress"]["reason"] == "The sync has stopped making progress. Start another one."
        assert (status["progress"]["to_do"], status["progress"]["done"], status["progress"]["failed"]) == (2, 0, 0)

    def test_the_next_sync_may_begin_then_and_does_what_is_left(self, world: Harness, letter: Message) -> None:
        with pytest.raises(SyncAlreadyRunning):
            world.start()
        world.clock.pass_by(AFTER_THE_LEASE)
        world.embedder.hiccups.clear()
        state = world.sync()
        assert (state.status, state.progress.to_do, state.progress.tally.done) == (SyncStatus.COMPLETED, 1, 1)
        assert world.searchable() == {"a.jpg", "b.jpg"}
        assert world.deliver(letter), "sent back after that, it has nothing left to do"
        assert len(world.embedder.embedded) == 2

    def test_sent_back_before_that_it_is_done_and_ends_its_own_sync(self, world: Harness, letter: Message) -> None:
        world.clock.pass_by(timedelta(days=3))
        world.embedder.hiccups.clear()
        assert world.deliver(Message(letter.queue, letter.body, "another identifier"))
        assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 2)


class TestCallingOff:
    def test_what_waits_is_not_worked_on_any_more(self, world: Harness) -> None:
        world.put("a.jpg")
        world.start()
        world.work("sync")
        world.app.syncs.cancel(world.current())
        assert world.work() == []
        state = world.state()
        assert (state.status, state.reason, state.last_sync) == (SyncStatus.CANCELLED, "It was cancelled.", None)
        assert (world.embedder.embedded, world.record("a.jpg")) == ([], None)

    def test_what_was_called_off_may_begin_again_at_once(self, world: Harness) -> None:
        world.put("a.jpg")
        world.start()
        world.app.syncs.cancel(world.current())
        assert world.sync().progress.tally.done == 1

    def test_only_what_runs_can_be_called_off(self, world: Harness) -> None:
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())
        world.sync()
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())
        world.start()
        world.clock.pass_by(AFTER_THE_LEASE)
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())

    def test_one_that_ends_at_that_moment_is_not_called_off(self, world: Harness) -> None:
        world.start()
        seen = world.current()
        world.work()
        with pytest.raises(Conflict):
            world.app.syncs.cancel(seen)
        assert world.state().status is SyncStatus.COMPLETED


class TestDryRuns:
    def test_each_kind_of_difference_is_named_and_nothing_is_written(self, world: Harness) -> None:
        world.put("gone.jpg", "changed.jpg", "same.jpg")
        world.put("broken.jpg", body=UNREADABLE)
        world.sync()
        world.put("changed.jpg", body=b"another picture")
        world.put("new.jpg")
        world.bucket.delete("gone.jpg")
        before = world.everything()
        shown = world.app.syncs.preview(world.current(), plenty)
        assert (shown.listed, shown.unchanged, shown.complete, shown.needs_confirmation) == (4, 2, True, False)
        assert (shown.to_add, shown.to_update, shown.to_remove, shown.to_retry) == (1, 1, 1, 0)
        assert shown.examples == {
            "to_add": ["new.jpg"],
            "to_update": ["changed.jpg"],
            "to_remove": ["gone.jpg"],
            "to_retry": [],
        }
        assert world.everything() == before

    def test_it_says_that_the_sync_would_ask_first(self, world: Harness) -> None:
        keys = [f"{number:02}.jpg" for number in range(20)]
        world.put(*keys)
        world.sync()
        for removed, asks in ((10, False), (11, True)):
            for key in keys[:removed]:
                world.bucket.delete(key)
            shown = world.app.syncs.preview(world.current(), plenty)
            assert (shown.to_remove, shown.needs_confirmation) == (removed, asks)
            assert len(shown.examples["to_remove"]) == 10

    def test_where_time_runs_out_it_says_how_far_it_came(self) -> None:
        world = Harness(step=1)
        world.put("a.jpg", "b.jpg")
        shown = world.app.syncs.preview(world.current(), no_time)
        assert (shown.listed, shown.complete) == (1, False)

    def test_of_a_bucket_that_may_not_be_listed_it_says_so(self, world: Harness) -> None:
        world.bucket.unlisted = True
        with pytest.raises(SourceDenied):
            world.app.syncs.preview(world.current(), plenty)
