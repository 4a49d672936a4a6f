"""Failures of indexing: an object's own are recorded with their reason; after an outage the message is redelivered."""

from collections.abc import Callable

import pytest

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import EmbedderUnavailable, SourceUnavailable, StoreUnavailable, Unavailable
from chalicelib.domain.files import FileState
from chalicelib.domain.syncs import Tally
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


class TestFailuresOfAnObject:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [("archived", "archived"), ("denied", "access_denied"), ("sealed", "source_denied")],
    )
    def test_an_object_that_may_not_be_read_is_recorded_and_tried_again_by_every_sync(
        self, world: Harness, fault: str, reason: str
    ) -> None:
        world.put("a.jpg", "beside.jpg")
        getattr(world.bucket, fault).add("a.jpg")
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
        assert (world.sqs.waiting, world.reasons()) == ([], [])
        assert world.sync().progress.tally == Tally(failed=1)
        again = world.record("a.jpg")
        assert again is not None
        assert (again.state, again.reason, again.failed_since) == (FileState.FAILED, reason, record.updated_at)
        getattr(world.bucket, fault).clear()
        assert world.sync().progress.tally == Tally(done=1)
        assert world.searchable() == {"a.jpg", "beside.jpg"}

    @pytest.mark.parametrize(("body", "reason"), [(UNREADABLE, "not_an_image"), (b"", "empty")])
    def test_an_object_that_is_no_picture_is_retried_only_on_request_or_when_it_changes(
        self, world: Harness, body: bytes, reason: str
    ) -> None:
        world.put("a.jpg", body=body)
        world.sync()
        record = world.record("a.jpg")
        assert record is not None
        assert (record.state, record.reason) == (FileState.FAILED, reason)
        retried = world.sync(retry_failed=True)
        assert (retried.progress.to_do, retried.progress.tally) == (1, Tally(failed=1))
        assert world.sync(retry_failed=False).progress.to_do == 0
        world.put("a.jpg")
        assert world.sync().progress.tally == Tally(done=1)

    def test_a_retry_embeds_only_failed_files(self, world: Harness) -> None:
        world.put("broken.jpg", body=UNREADABLE)
        world.put("fine.jpg")
        world.sync()
        assert world.sync(retry_failed=True).progress.to_do == 1
        assert len(world.embedder.embedded) == 1

    def test_an_indexed_file_stays_indexed_while_its_object_may_not_be_read(self, world: Harness) -> None:
        world.put("a.jpg")
        world.sync()
        before = world.record("a.jpg")
        world.put("a.jpg", body=b"another picture")
        world.bucket.denied.add("a.jpg")
        state = world.sync()
        assert (state.status, state.progress.tally) == (SyncStatus.COMPLETED, Tally(skipped=1))
        assert (world.record("a.jpg"), world.searchable()) == (before, {"a.jpg"})
        world.bucket.denied.clear()
        assert world.sync().progress.tally == Tally(done=1), "it still differs, so the next sync tries it again"

    def test_a_failure_of_an_old_model_is_retried_by_the_new_one(self, world: Harness) -> None:
        world.put("a.jpg", body=UNREADABLE)
        world.sync()
        world.embedder.model = "fake-2+d1"
        assert world.sync().progress.tally == Tally(failed=1)
        record = world.record("a.jpg")
        assert record is not None and record.model == "fake-2+d1"
        assert world.sync().progress.to_do == 0


def _bucket(world: Harness, down: bool) -> None:
    world.bucket.down = down


def _embedder(world: Harness, down: bool) -> None:
    world.embedder.down = down


def _one_picture(world: Harness, down: bool) -> None:
    world.embedder.hiccups = {b"picture of a.jpg"} if down else set()


def _store(world: Harness, down: bool) -> None:
    world.vectors.down = down


class TestOutages:
    @pytest.mark.parametrize(
        ("outage", "reason"),
        [
            (_bucket, "SourceUnavailable: source_unavailable"),
            (_embedder, "EmbedderUnavailable"),
            (_one_picture, "EmbedderUnavailable: internal: a hiccup"),
            (_store, "StoreUnavailable"),
        ],
    )
    def test_an_outage_fails_no_object_and_the_message_is_redelivered_until_it_is_over(
        self, world: Harness, outage: Callable[[Harness, bool], None], reason: str
    ) -> None:
        world.put("a.jpg")
        world.start()
        world.work("sync")
        outage(world, True)
        for _ in range(3):
            (message,) = world.work()
            assert world.record("a.jpg") is None
        assert reason in str(world.ports.failure_log.reason(message.id))
        delays = [seconds for delivery, seconds in world.ports.queues.delayed if delivery.id == message.id]
        assert delays == sorted(set(delays)), "each is longer than the one before"
        outage(world, False)
        assert world.work() == []
        assert (world.state().status, world.state().progress.tally) == (SyncStatus.COMPLETED, Tally(done=1))

    def test_pictures_are_not_embedded_again_after_an_outage_of_the_index(self, world: Harness) -> None:
        world.put("a.jpg", "b.jpg")
        world.vectors.down = True
        world.start()
        for _ in range(3):
            (message,) = world.work()
        world.vectors.down = False
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"picture of b.jpg"]
        assert world.state().progress.tally == Tally(done=2)
        for key in ("a.jpg", "b.jpg"):
            record = world.record(key)
            assert record is not None and record.thumbnail is not None
            thumbnail = world.ports.storage.thumbnail(record.collection, record.thumbnail)
            assert thumbnail == b"thumbnail of picture of " + key.encode()

    def test_pictures_are_not_embedded_again_after_their_records_were_throttled(self, world: Harness) -> None:
        def throttle() -> None:
            raise Unavailable("The database is busy.")

        world.put("a.jpg", "b.jpg")
        world.start()
        world.interleave("catalogue", "save_all", throttle, times=3)
        for _ in range(3):
            (message,) = world.work()
            assert "Unavailable" in world.reasons()[0]
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"picture of b.jpg"]
        assert (world.searchable(), world.state().progress.tally) == ({"a.jpg", "b.jpg"}, Tally(done=2))

    def test_a_picture_that_was_overwritten_during_an_outage_is_embedded_as_it_is_now(self, world: Harness) -> None:
        world.put("a.jpg")
        world.vectors.down = True
        world.start()
        (message,) = world.work()
        world.put("a.jpg", body=b"another picture")
        world.vectors.down = False
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"another picture"]

    def test_a_picture_whose_thumbnail_is_gone_is_embedded_again(self, world: Harness) -> None:
        world.put("a.jpg")
        world.vectors.down = True
        world.start()
        (message,) = world.work()
        world.ports.storage.thumbnails.clear()
        world.vectors.down = False
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg"] * 2

    def test_a_transient_failure_of_one_object_leaves_the_others_indexed_and_not_embedded_again(
        self, world: Harness
    ) -> None:
        world.put("a.jpg", "b.jpg", "c.jpg")
        world.embedder.hiccups = {b"picture of b.jpg"}
        world.start()
        (message,) = world.work()
        assert world.searchable() == {"a.jpg", "c.jpg"}
        world.embedder.hiccups.clear()
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"picture of c.jpg", b"picture of b.jpg"]
        assert world.state().progress.tally == Tally(done=3)

    def test_a_transient_failure_of_the_embedder_is_not_blamed_on_the_bucket(self, world: Harness) -> None:
        world.put("a.jpg")
        world.embedder.hiccups = {b"picture of a.jpg"}
        with pytest.raises(EmbedderUnavailable, match="a hiccup"):
            world.apply("a.jpg")

    def test_a_bucket_that_fails_while_the_embedder_reads_it_is_not_blamed_on_the_embedder(
        self, world: Harness
    ) -> None:
        world.put("a.jpg")

        def fail_bucket() -> None:
            world.bucket.down = True

        world.interleave("embedder", "embed_objects", fail_bucket)
        with pytest.raises(SourceUnavailable, match="source_unavailable"):
            world.apply("a.jpg")

    def test_an_outage_of_the_store_leaves_the_catalogue_behind_it_never_ahead_of_it(self, world: Harness) -> None:
        world.put("a.jpg")
        world.vectors.down = True
        with pytest.raises(StoreUnavailable):
            world.apply("a.jpg")
        assert world.record("a.jpg") is None
