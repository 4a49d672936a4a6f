"""Races: workers and changes of the bucket that meet at one object, and workers that die there."""

import pytest

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import Contention
from chalicelib.domain.file_images import image_of
from chalicelib.domain.files import FileState
from chalicelib.domain.syncs import Tally
from tests.factories import a_batch
from tests.fakes.application import services_on
from tests.fakes.embedder import vector
from tests.fakes.messages import Message
from tests.unit.services.harness import AFTER_THE_LEASE, Harness, WorkerKilled, die


class TestRaces:
    def test_an_object_that_is_replaced_while_it_is_embedded_is_indexed_as_it_is_now(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.interleave("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"two"))
        assert world.apply("a.jpg") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_an_object_that_is_deleted_while_it_is_embedded_is_not_indexed(self, world: Harness) -> None:
        world.put("a.jpg")
        world.interleave("embedder", "embed_objects", lambda: world.bucket.delete("a.jpg"))
        assert world.apply("a.jpg") == Tally(removed=1)
        assert world.searchable() == set()

    def test_a_worker_whose_write_is_stale_checks_again_and_leaves_no_thumbnail_behind(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")

        def overtake() -> None:
            world.put("a.jpg", body=b"two")
            assert world.apply("a.jpg") == Tally(done=1)

        world.interleave("catalogue", "save_all", overtake)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.embedding is not None
        (document,) = world.vectors.documents.values()
        assert record.embedding.vector == document.vector == vector(b"two")
        assert list(world.ports.storage.thumbnails) == [(record.collection, record.thumbnail)]

    @pytest.mark.parametrize("earlier", [None, b"one"])
    def test_a_record_that_is_stored_although_its_answer_is_lost_keeps_its_image(
        self, world: Harness, earlier: bytes | None
    ) -> None:
        if earlier is not None:
            world.put("a.jpg", body=earlier)
            world.apply("a.jpg")
        world.put("a.jpg", body=b"two")
        world.lose_answer("catalogue", "save_all")
        world.apply("a.jpg")
        record = world.record("a.jpg")
        assert record is not None
        assert list(world.ports.catalogue.images) == [image_of(record)]
        assert list(world.ports.storage.thumbnails) == [(record.collection, record.thumbnail)]

    def test_a_worker_that_finds_nothing_to_do_makes_the_write_of_a_slower_worker_stale(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.apply("a.jpg")
        world.put("a.jpg", body=b"two")

        def change_back() -> None:
            world.put("a.jpg", body=b"one")
            assert world.apply("a.jpg") == Tally(done=1)

        world.interleave("catalogue", "save_all", change_back)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.etag == world.bucket.info("a.jpg").etag

    def test_a_worker_whose_write_is_stale_corrects_what_it_wrote_into_the_store(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")

        def overtake() -> None:
            world.put("a.jpg", body=b"two")
            assert world.apply("a.jpg", sequencer="02") == Tally(done=1)

        world.interleave("vectors", "upsert", overtake)
        assert world.apply("a.jpg", sequencer="01") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_an_object_that_keeps_changing_is_left_for_a_later_delivery(self, world: Harness) -> None:
        bodies = iter(range(100))
        world.put("a.jpg")
        world.interleave("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"%d" % next(bodies)), times=99)
        with pytest.raises(Contention, match="kept changing"):
            world.apply("a.jpg")

    def test_a_redelivered_message_repairs_the_store_after_a_worker_died_between_its_writes(
        self, world: Harness
    ) -> None:
        world.put("a.jpg")
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.apply("a.jpg")
        assert (world.searchable(), world.record("a.jpg")) == ({"a.jpg"}, None)
        world.bucket.delete("a.jpg")
        assert world.apply("a.jpg", redelivered=True) == Tally(removed=1)
        assert world.searchable() == set()

    def test_a_half_finished_write_that_no_sync_sees_is_repaired_by_its_redriven_message(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.apply("a.jpg", sequencer="01")
        world.put("a.jpg", body=b"two")
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.apply("a.jpg", sequencer="02")
        world.put("a.jpg", body=b"one")
        assert world.sync().progress.to_do == 0
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two"), "docs/decisions/0024 says why this is left to the redriven message"
        world.apply("a.jpg", sequencer="02")
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"one")

    def test_a_redelivered_message_fills_the_store_although_its_event_is_stale(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="01")
        world.vectors.documents.clear()
        world.apply("a.jpg", sequencer="01")
        assert world.searchable() == set()
        world.apply("a.jpg", sequencer="01", redelivered=True)
        assert world.searchable() == {"a.jpg"}

    def test_a_slow_worker_does_not_index_an_object_that_vanished_without_a_record(self, world: Harness) -> None:
        world.put("a.jpg")

        def vanish() -> None:
            world.bucket.delete("a.jpg")
            assert world.apply("a.jpg") == Tally(removed=1)

        world.interleave("vectors", "upsert", vanish)
        assert world.apply("a.jpg") == Tally(removed=1)
        record = world.record("a.jpg")
        assert (world.searchable(), record and record.state) == (set(), FileState.REMOVED)

    def test_a_document_that_is_written_while_its_collection_is_deleted_does_not_outlive_it(
        self, world: Harness
    ) -> None:
        world.put("a.jpg")
        collection = world.current()
        world.interleave(
            "catalogue", "save_all", lambda: world.ports.registry.begin_deletion(collection, world.clock())
        )
        assert world.apply("a.jpg") == Tally()
        assert (world.searchable(), world.record("a.jpg")) == (set(), None)


class TestBatchOfAnEndedSync:
    """A worker died at the batch between its two writes; then the object changed back, and no event was sent."""

    @pytest.fixture(params=["cancelled", "replaced"])
    def batch(self, request: pytest.FixtureRequest, world: Harness) -> Message:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.put("a.jpg", body=b"two")
        world.put("new.jpg")
        world.start()
        world.work("sync")
        (batch,) = world.sqs.waiting
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.deliver(batch)
        if request.param == "cancelled":
            world.app.syncs.cancel(world.current())
        else:
            world.clock.pass_by(AFTER_THE_LEASE)
            world.start()
        world.put("a.jpg", body=b"one")
        world.bucket.delete("new.jpg")
        return batch

    def test_the_redelivered_batch_repairs_the_store_and_embeds_nothing(self, world: Harness, batch: Message) -> None:
        embedded = list(world.embedder.embedded)
        assert world.deliver(batch)
        (document,) = world.vectors.documents.values()
        assert (document.file.key, document.vector) == ("a.jpg", vector(b"one"))
        assert world.embedder.embedded == embedded
        world.work()
        assert world.searchable() == {"a.jpg"}

    def test_the_redelivered_batch_leaves_a_tombstone_for_a_new_object_and_the_next_sync_indexes_it(
        self, world: Harness, batch: Message
    ) -> None:
        world.put("new.jpg")
        assert world.deliver(batch)
        record = world.record("new.jpg")
        assert record is not None and (record.state, record.reason) == (FileState.REMOVED, "unfinished")
        world.work()
        assert world.sync().status is SyncStatus.COMPLETED
        assert world.searchable() == {"a.jpg", "new.jpg"}

    def test_the_redelivered_batch_counts_for_no_sync(self, world: Harness, batch: Message) -> None:
        before = world.state().progress
        assert world.deliver(batch)
        assert world.state().progress == before

    def test_the_repair_yields_to_a_worker_that_writes_a_record_meanwhile(self, world: Harness, batch: Message) -> None:
        def write() -> None:
            world.put("a.jpg", body=b"three")
            assert world.apply("a.jpg") == Tally(done=1)

        world.interleave("catalogue", "save_all", write)
        assert world.deliver(batch)
        (document,) = world.vectors.documents.values()
        record = world.record("a.jpg")
        assert record is not None and record.embedding is not None
        assert document.vector == record.embedding.vector == vector(b"three")

    def test_the_batch_is_redelivered_if_other_workers_keep_writing_its_records(
        self, world: Harness, batch: Message
    ) -> None:
        other, other_batch = services_on(world.ports), a_batch(world.collection, "a.jpg")
        world.interleave("catalogue", "save_all", lambda: other.indexer.apply(other_batch), times=99)
        assert not world.deliver(batch)
        assert world.reasons()[-1].startswith("Contention: ")
        assert "kept changing while their vectors were repaired" in world.reasons()[-1]

    def test_the_redelivered_batch_leaves_nothing_of_a_deleted_collection(self, world: Harness, batch: Message) -> None:
        collection = world.current()
        world.interleave(
            "catalogue", "save_all", lambda: world.ports.registry.begin_deletion(collection, world.clock())
        )
        assert world.deliver(batch)
        assert world.searchable() == set()
