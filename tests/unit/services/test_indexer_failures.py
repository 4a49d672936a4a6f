"""Whose fault a failure is: the object's, recorded once with its reason, or nobody's, and the message comes back."""

from collections.abc import Callable

import pytest

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.files import FileState
from chalicelib.domain.syncs import Tally
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


class TestFailuresOfAnObject:
    @pytest.mark.parametrize(
        ("out_of_order", "reason"),
        [("archived", "archived"), ("denied", "access_denied"), ("sealed", "source_denied")],
    )
    def test_one_that_may_not_be_read_is_recorded_once_with_its_reason_and_not_tried_again(
        self, world: Harness, out_of_order: str, reason: str
    ) -> None:
        world.put("a.jpg", "beside.jpg")
        getattr(world.bucket, out_of_order).add("a.jpg")
        first = world.sync()
        record = world.record("a.jpg")
        assert record is not None
        assert (record.state, record.reason, record.etag) == (
            FileState.FAILED,
            reason,
            world.bucket.info("a.jpg").etag,
        )
        assert record.detail
        assert (first.status, first.progress.tally) == (SyncStatus.COMPLETED, Tally(done=1, failed=1))
        assert (world.post.waiting, world.reasons()) == ([], [])
        assert world.sync().progress.to_do == 0
        assert world.record("a.jpg") == record
        getattr(world.bucket, out_of_order).clear()
        assert world.sync().progress.to_do == 0, "nothing tells a sync that it may be read by now"
        assert world.sync(retry_failed=True).progress.tally == Tally(done=1)
        assert world.searchable() == {"a.jpg", "beside.jpg"}

    @pytest.mark.parametrize(("body", "reason"), [(UNREADABLE, "not_an_image"), (b"", "empty")])
    def test_what_is_no_picture_is_tried_again_only_when_asked_or_when_it_changes(
        self, world: Harness, body: bytes, reason: str
    ) -> None:
        world.put("a.jpg", body=body)
        world.sync()
        record = world.record("a.jpg")
        assert record is not None
        assert (record.state, record.reason) == (FileState.FAILED, reason)
        asked = world.sync(retry_failed=True)
        assert (asked.progress.to_do, asked.progress.tally) == (1, Tally(failed=1))
        assert world.sync(retry_failed=False).progress.to_do == 0
        world.put("a.jpg")
        assert world.sync().progress.tally == Tally(done=1)

    def test_a_retry_looks_only_at_what_has_failed(self, world: Harness) -> None:
        world.put("broken.jpg", body=UNREADABLE)
        world.put("fine.jpg")
        world.sync()
        assert world.sync(retry_failed=True).progress.to_do == 1
        assert len(world.embedder.embedded) == 1

    def test_one_that_is_indexed_stays_so_while_it_may_not_be_read(self, world: Harness) -> None:
        world.put("a.jpg")
        world.sync()
        before = world.record("a.jpg")
        world.put("a.jpg", body=b"another picture")
        world.bucket.denied.add("a.jpg")
        state = world.sync()
        assert (state.status, state.progress.tally) == (SyncStatus.COMPLETED, Tally(skipped=1))
        assert (world.record("a.jpg"), world.searchable()) == (before, {"a.jpg"})
        world.bucket.denied.clear()
        assert world.sync().progress.tally == Tally(done=1), "it still differs, so the next sync looks again"

    def test_a_new_model_is_no_reason_to_keep_an_old_failure(self, world: Harness) -> None:
        world.put("a.jpg", body=UNREADABLE)
        world.sync()
        world.embedder.stamp = "fake-2+d1"
        assert world.sync().progress.tally == Tally(failed=1)
        record = world.record("a.jpg")
        assert record is not None and record.model == "fake-2+d1"
        assert world.sync().progress.to_do == 0


def _the_bucket(world: Harness, down: bool) -> None:
    world.bucket.down = down


def _the_embedder(world: Harness, down: bool) -> None:
    world.embedder.down = down


def _one_picture(world: Harness, down: bool) -> None:
    world.embedder.hiccups = {b"picture of a.jpg"} if down else set()


def _the_store(world: Harness, down: bool) -> None:
    world.vectors.down = down


class TestOutages:
    @pytest.mark.parametrize(
        ("outage", "said"),
        [
            (_the_bucket, "SourceUnavailable: source_unavailable"),
            (_the_embedder, "EmbedderUnavailable"),
            (_one_picture, "SourceUnavailable: internal: a hiccup"),
            (_the_store, "StoreUnavailable"),
        ],
    )
    def test_they_are_never_the_objects_fault_and_the_message_comes_back_until_they_are_over(
        self, world: Harness, outage: Callable[[Harness, bool], None], said: str
    ) -> None:
        world.put("a.jpg")
        world.start()
        world.work("sync")
        outage(world, True)
        for _ in range(3):
            (message,) = world.work()
            assert world.record("a.jpg") is None
        assert said in str(world.ports.failure_log.reason(message.id))
        pauses = [seconds for delivery, seconds in world.ports.queues.delayed if delivery.id == message.id]
        assert pauses == sorted(set(pauses)), "each is longer than the one before"
        outage(world, False)
        assert world.work() == []
        assert (world.state().status, world.state().progress.tally) == (SyncStatus.COMPLETED, Tally(done=1))

    def test_of_one_object_leaves_its_neighbours_done_and_they_are_not_done_again(self, world: Harness) -> None:
        world.put("a.jpg", "b.jpg", "c.jpg")
        world.embedder.hiccups = {b"picture of b.jpg"}
        world.start()
        (message,) = world.work()
        assert world.searchable() == {"a.jpg", "c.jpg"}
        world.embedder.hiccups.clear()
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"picture of c.jpg", b"picture of b.jpg"]
        assert world.state().progress.tally == Tally(done=3)

    def test_of_the_store_leaves_the_catalogue_behind_it_never_before(self, world: Harness) -> None:
        world.put("a.jpg")
        world.vectors.down = True
        with pytest.raises(StoreUnavailable):
            world.apply("a.jpg")
        assert world.record("a.jpg") is None
