"""Syncs: started, replaced when their lease has expired, cancelled, and previewed."""

from datetime import timedelta

import pytest

from chalicelib.api import serializers
from chalicelib.domain.collections import CANCELLATIONS_PERIOD, MAX_CANCELLATIONS, SyncStatus
from chalicelib.domain.errors import Conflict, SourceDenied, StaleWrite, SyncAlreadyRunning, Unavailable
from chalicelib.domain.files import FileState
from chalicelib.domain.image_files import PICTURE_LIMIT
from chalicelib.domain.syncs import Progress
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.fakes.buckets import MODIFIED
from tests.fakes.embedder import UNREADABLE
from tests.fakes.messages import Message
from tests.unit.services.harness import AFTER_THE_LEASE, Harness, lost_answer, no_time, plenty

NOT_STARTED = "It could not be started: a system did not answer."


def test_a_second_sync_is_refused_while_one_is_running(world: Harness) -> None:
    world.start()
    world.clock.pass_by(SYNC_LEASE)
    with pytest.raises(SyncAlreadyRunning):
        world.start()


def test_a_sync_without_a_worker_has_failed_once_its_lease_has_expired_and_another_may_start(
    world: Harness,
) -> None:
    world.put("a.jpg")
    world.start()
    world.sqs.waiting.clear()
    world.clock.pass_by(AFTER_THE_LEASE)
    assert world.state().status_at(world.clock()) is SyncStatus.FAILED
    assert world.sync().status is SyncStatus.COMPLETED
    assert world.searchable() == {"a.jpg"}


def test_the_worker_of_a_replaced_sync_cannot_save_its_progress_and_sends_nothing(world: Harness) -> None:
    world.put("a.jpg")
    first = world.start()
    (message,) = world.sqs.waiting

    def exceed_the_lease() -> None:
        world.clock.pass_by(AFTER_THE_LEASE)
        world.start()

    world.interleave("syncs", "save_progress", exceed_the_lease)
    assert not world.deliver(message)
    assert world.reasons()[0].startswith(StaleWrite.__name__)
    assert (world.state().id != first, world.state().progress) == (True, Progress())
    assert [waiting.queue for waiting in world.sqs.waiting] == ["sync", "sync"]
    assert world.deliver(message), "the redelivered message of the replaced sync is dropped"
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 1)


def test_a_batch_of_a_replaced_sync_is_left_to_the_new_sync(world: Harness) -> None:
    world.put("a.jpg")
    world.start()
    world.work("sync")
    (old,) = world.sqs.waiting
    world.clock.pass_by(AFTER_THE_LEASE)
    world.start()
    assert world.deliver(old)
    assert (world.embedder.embedded, world.state().progress.finished) == ([], 0)
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 1)


def test_of_two_workers_at_one_key_range_the_later_one_scans_it_and_the_other_is_refused(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.start()
    (message,) = world.sqs.waiting
    world.interleave("syncs", "save_progress", lambda: world.deliver(message))
    assert not world.deliver(message)
    assert world.state().progress.listed == 2
    world.work()
    assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 2)


def test_a_sync_whose_messages_cannot_be_sent_fails_at_once_and_another_may_start(world: Harness) -> None:
    world.ports.queues.down = True
    with pytest.raises(ConnectionError):
        world.start()
    assert (world.state().status, world.state().reason) == (SyncStatus.FAILED, NOT_STARTED)
    world.ports.queues.down = False
    assert world.sync().status is SyncStatus.COMPLETED


def test_a_sync_that_has_begun_although_the_answer_was_lost_fails_at_once_and_another_may_start(
    world: Harness,
) -> None:
    with lost_answer(world.ports.syncs, "begin"):
        with pytest.raises(Unavailable):
            world.start()
        assert (world.state().status, world.state().reason) == (SyncStatus.FAILED, NOT_STARTED)
    assert world.sync().status is SyncStatus.COMPLETED


def test_a_redelivered_batch_renews_the_lease_of_its_sync(world: Harness) -> None:
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


class TestBatchInTheDeadLetterQueue:
    """After eight deliveries SQS moves a message into the dead-letter queue."""

    @pytest.fixture
    def dead_letter(self, world: Harness) -> Message:
        world.put("a.jpg", "b.jpg")
        world.embedder.hiccups = {b"picture of a.jpg"}
        world.start()
        world.work("sync")
        (message,) = world.sqs.waiting
        while message.received < 8:
            assert world.work() == [message]
            world.clock.pass_by(timedelta(minutes=15))
        world.sqs.waiting.clear()
        assert "hiccup" in str(world.ports.failure_log.reason(message.id))
        return message

    def test_the_sync_of_a_dead_letter_fails_and_its_status_says_what_to_do(
        self, world: Harness, dead_letter: Message
    ) -> None:
        assert serializers.sync_status(world.current(), world.clock(), 0)["status"] == "in_progress"
        world.clock.pass_by(AFTER_THE_LEASE)
        status = serializers.sync_status(world.current(), world.clock(), 0)
        assert (status["status"], status["last_sync"]) == ("failed", None)
        assert status["progress"]["reason"] == "The sync has stopped making progress. Start another one."
        assert (status["progress"]["to_do"], status["progress"]["done"], status["progress"]["failed"]) == (2, 0, 0)

    def test_the_next_sync_indexes_the_objects_of_a_dead_letter(self, world: Harness, dead_letter: Message) -> None:
        with pytest.raises(SyncAlreadyRunning):
            world.start()
        world.clock.pass_by(AFTER_THE_LEASE)
        world.embedder.hiccups.clear()
        state = world.sync()
        assert (state.status, state.progress.to_do, state.progress.tally.done) == (SyncStatus.COMPLETED, 1, 1)
        assert world.searchable() == {"a.jpg", "b.jpg"}
        assert world.deliver(dead_letter), "if it is redriven after that, it has nothing left to do"
        assert len(world.embedder.embedded) == 2

    def test_a_redriven_dead_letter_completes_its_own_sync(self, world: Harness, dead_letter: Message) -> None:
        world.clock.pass_by(timedelta(days=3))
        world.embedder.hiccups.clear()
        assert world.deliver(Message(dead_letter.queue, dead_letter.body, "another identifier"))
        assert (world.state().status, world.state().progress.tally.done) == (SyncStatus.COMPLETED, 2)


class TestCancelling:
    def test_the_batches_of_a_cancelled_sync_are_skipped(self, world: Harness) -> None:
        world.put("a.jpg")
        world.start()
        world.work("sync")
        world.app.syncs.cancel(world.current())
        assert world.work() == []
        state = world.state()
        assert (state.status, state.reason, state.last_sync) == (SyncStatus.CANCELLED, "It was cancelled.", None)
        assert (world.embedder.embedded, world.record("a.jpg")) == ([], None)

    def test_batches_that_were_begun_before_the_cancellation_count(self, world: Harness) -> None:
        world.put(*(f"{number:02}.jpg" for number in range(40)))
        world.start()
        world.work("sync")
        collection = world.current()
        world.interleave("embedder", "embed_objects", lambda: world.app.syncs.cancel(collection))
        world.work()
        progress = world.state().progress
        assert world.state().status is SyncStatus.CANCELLED
        assert (progress.to_do, progress.tally.done, len(world.searchable())) == (40, 16, 16)
        assert world.app.statistics_audit.audit_collection(world.current()).matches

    def test_another_sync_may_start_right_after_one_was_cancelled(self, world: Harness) -> None:
        world.put("a.jpg")
        world.start()
        world.app.syncs.cancel(world.current())
        assert world.sync().progress.tally.done == 1

    def test_after_ten_cancellations_within_an_hour_the_next_sync_has_to_wait(self, world: Harness) -> None:
        began = world.clock()
        for _ in range(MAX_CANCELLATIONS):
            world.start()
            world.app.syncs.cancel(world.current())
        with pytest.raises(Conflict, match="10 syncs of this collection were cancelled") as refused:
            world.start()
        assert not isinstance(refused.value, SyncAlreadyRunning)
        assert f"{began + CANCELLATIONS_PERIOD:%H:%M} UTC" in refused.value.message
        world.clock.pass_by(CANCELLATIONS_PERIOD)
        world.work()
        assert world.sync().status is SyncStatus.COMPLETED

    def test_only_a_running_sync_can_be_cancelled(self, world: Harness) -> None:
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())
        world.sync()
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())
        world.start()
        world.clock.pass_by(AFTER_THE_LEASE)
        with pytest.raises(Conflict):
            world.app.syncs.cancel(world.current())

    def test_a_sync_that_has_ended_since_it_was_read_cannot_be_cancelled(self, world: Harness) -> None:
        world.start()
        collection = world.current()
        world.work()
        with pytest.raises(Conflict):
            world.app.syncs.cancel(collection)
        assert world.state().status is SyncStatus.COMPLETED


class TestSelection:
    def test_a_sync_removes_what_falls_out_and_indexes_what_comes_in(self, world: Harness) -> None:
        world.put("a.jpg", "drafts/b.jpg", "c.png")
        world.change(exclude=("*.PNG",))
        assert world.sync().progress.ignored == 1
        assert world.searchable() == {"a.jpg", "drafts/b.jpg"}
        world.change(exclude=("drafts/",))
        assert world.searchable() == {"a.jpg", "drafts/b.jpg"}
        progress = world.sync().progress
        assert (progress.to_do, progress.tally.done, progress.tally.removed) == (2, 1, 1)
        assert world.searchable() == {"a.jpg", "c.png"}
        assert world.sync().progress.to_do == 0

    def test_a_file_that_comes_back_in_is_not_embedded_again(self, world: Harness) -> None:
        world.put("a.jpg")
        world.sync()
        for include in (("*.png",), ()):
            world.change(include=include)
            world.sync()
        assert world.searchable() == {"a.jpg"}
        assert len(world.embedder.embedded) == 1

    def test_dropping_most_of_a_collection_by_patterns_needs_no_confirmation(self, world: Harness) -> None:
        world.put(*(f"drafts/{number:02}.jpg" for number in range(40)), "a.jpg")
        world.sync()
        world.change(exclude=("drafts/",))
        assert not world.app.syncs.preview(world.current(), plenty).needs_confirmation
        state = world.sync()
        assert (state.status, state.progress.to_remove) == (SyncStatus.COMPLETED, 0)
        assert world.searchable() == {"a.jpg"}

    def test_what_cannot_be_a_picture_costs_neither_a_request_nor_a_record(self, world: Harness) -> None:
        world.put("film.mp4", "words.pdf", "@eaDir/a.jpg", "empty.jpg")
        world.put("empty", body=b"")
        world.put("large", body=bytes(PICTURE_LIMIT + 1))
        world.bucket.denied = set(world.bucket.objects) - {"empty.jpg"}
        progress = world.sync().progress
        assert (progress.listed, progress.ignored, progress.to_do) == (1, 5, 1)
        assert {key for _, key in world.ports.catalogue.records} == {"empty.jpg"}

    @pytest.mark.parametrize(("size", "reason"), [(0, "empty"), (PICTURE_LIMIT + 1, "too_large")])
    def test_a_picture_whose_size_forbids_it_is_not_read(self, world: Harness, size: int, reason: str) -> None:
        world.put("a.jpg", body=bytes(size))
        world.bucket.sealed = {"a.jpg"}  # a GET would be refused, and that would be the reason
        world.sync()
        record = world.record("a.jpg")
        assert record is not None and (record.state, record.reason) == (FileState.FAILED, reason)
        assert world.sync().progress.to_do == 0

    def test_an_object_that_is_no_longer_a_picture_by_its_size_leaves_the_index(self, world: Harness) -> None:
        world.put("a")
        world.sync()
        world.put("a", body=b"")
        world.notify("a", "01")
        world.work()
        assert world.searchable() == set()

    def test_patterns_that_change_while_a_sync_runs_leave_its_figures_true(self, world: Harness) -> None:
        world.put("a.jpg", "b.jpg")
        world.start()
        world.work("sync")
        world.change(exclude=("a.jpg",))
        world.work()
        progress = world.state().progress
        assert (world.state().status, progress.to_do, progress.finished) == (SyncStatus.COMPLETED, 2, 2)
        assert (progress.tally.done, progress.tally.skipped) == (1, 1)
        assert world.searchable() == {"b.jpg"}
        assert world.record("a.jpg") is None


class TestPreview:
    def test_a_preview_counts_each_kind_of_difference_and_writes_nothing(self, world: Harness) -> None:
        world.put("gone.jpg", "changed.jpg", "same.jpg")
        world.put("broken.jpg", body=UNREADABLE)
        world.sync()
        world.put("changed.jpg", body=b"another picture")
        world.put("new.jpg")
        world.bucket.delete("gone.jpg")
        before = world.everything()
        preview = world.app.syncs.preview(world.current(), plenty)
        assert (preview.listed, preview.unchanged, preview.complete, preview.needs_confirmation) == (4, 2, True, False)
        assert (preview.to_add, preview.to_update, preview.to_remove, preview.to_retry) == (1, 1, 1, 0)
        assert preview.examples == {
            "to_add": ["new.jpg"],
            "to_update": ["changed.jpg"],
            "to_remove": ["gone.jpg"],
            "to_retry": [],
            "ignored": [],
        }
        assert world.everything() == before

    def test_a_preview_names_what_the_patterns_leave_out_and_what_falls_out_of_the_index(self, world: Harness) -> None:
        world.put("drafts/a.jpg", "b.jpg")
        world.sync()
        world.put("film.mp4", "c.jpg", "@eaDir/c.jpg")
        world.change(exclude=("drafts/",))
        preview = world.app.syncs.preview(world.current(), plenty)
        assert (preview.listed, preview.ignored, preview.to_add, preview.to_remove) == (3, 2, 2, 1)
        assert preview.examples["to_remove"] == ["drafts/a.jpg"]
        assert preview.examples["to_add"] == ["@eaDir/c.jpg", "c.jpg"]
        assert preview.examples["ignored"] == ["drafts/a.jpg", "film.mp4"]

    def test_a_preview_says_whether_the_sync_would_ask_before_removals(self, world: Harness) -> None:
        keys = [f"{number:02}.jpg" for number in range(20)]
        world.put(*keys)
        world.sync()
        for removed, confirmation in ((10, False), (11, True)):
            for key in keys[:removed]:
                world.bucket.delete(key)
            preview = world.app.syncs.preview(world.current(), plenty)
            assert (preview.to_remove, preview.needs_confirmation) == (removed, confirmation)
            assert len(preview.examples["to_remove"]) == 10

    def test_a_preview_that_runs_out_of_time_says_that_it_is_incomplete(self) -> None:
        world = Harness(chunk_keys=1)
        world.put("a.jpg", "b.jpg")
        preview = world.app.syncs.preview(world.current(), no_time)
        assert (preview.listed, preview.complete) == (1, False)

    def test_a_preview_of_a_bucket_that_may_not_be_listed_is_refused(self, world: Harness) -> None:
        world.bucket.unlisted = True
        with pytest.raises(SourceDenied):
            world.app.syncs.preview(world.current(), plenty)


def test_a_sync_follows_metadata_that_alone_has_changed_and_embeds_nothing(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.sync()
    embedded = len(world.embedder.embedded)
    stored_again = MODIFIED + timedelta(hours=1)
    world.bucket.put_again("a.jpg", {"product_id": "A1"}, stored_again)
    state = world.sync()
    record = world.record("a.jpg")
    assert record is not None
    assert (record.metadata, record.modified) == ({"product_id": "A1"}, stored_again)
    assert (state.progress.to_do, state.progress.tally.done) == (1, 1)
    assert len(world.embedder.embedded) == embedded and world.searchable() == {"a.jpg", "b.jpg"}
    assert world.sync().progress.to_do == 0, "what was followed is not followed again"


def test_an_event_alone_has_metadata_followed(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    world.bucket.put_again("a.jpg", {"product_id": "A1"}, MODIFIED)
    world.notify("a.jpg", "0A")
    world.work()
    record = world.record("a.jpg")
    assert record is not None and record.metadata == {"product_id": "A1"}
    assert len(world.embedder.embedded) == 1
