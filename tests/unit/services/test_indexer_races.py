"""Who wins where workers, and what happens to the bucket, meet at one object; and what one leaves that dies there."""

import pytest

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.domain.files import FileState
from chalicelib.domain.syncs import Tally
from tests.factories import a_batch
from tests.fakes.application import services_on
from tests.fakes.embedder import vector
from tests.fakes.messages import Message
from tests.unit.services.harness import AFTER_THE_LEASE, Harness, WorkerKilled, die


class TestRaces:
    def test_one_that_is_replaced_while_it_is_opened_is_looked_at_again(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.interleave("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"two"))
        assert world.apply("a.jpg") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_one_that_goes_while_it_is_opened_is_not_indexed(self, world: Harness) -> None:
        world.put("a.jpg")
        world.interleave("embedder", "embed_objects", lambda: world.bucket.delete("a.jpg"))
        assert world.apply("a.jpg") == Tally(removed=1)
        assert world.searchable() == set()

    def test_whoever_was_overtaken_looks_again_and_leaves_no_thumbnail_behind(self, world: Harness) -> None:
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

    def test_a_look_that_finds_nothing_to_do_bars_a_slower_worker_who_saw_something_else(self, world: Harness) -> None:
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

    def test_whoever_was_overtaken_and_wrote_the_store_last_puts_it_right(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")

        def overtake() -> None:
            world.put("a.jpg", body=b"two")
            assert world.apply("a.jpg", sequencer="02") == Tally(done=1)

        world.interleave("vectors", "upsert", overtake)
        assert world.apply("a.jpg", sequencer="01") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_one_that_never_stands_still_is_left_for_later(self, world: Harness) -> None:
        bodies = iter(range(100))
        world.put("a.jpg")
        world.interleave("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"%d" % next(bodies)), times=99)
        with pytest.raises(SourceUnavailable):
            world.apply("a.jpg")

    def test_a_worker_that_died_between_its_two_writes_is_made_up_for(self, world: Harness) -> None:
        world.put("a.jpg")
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.apply("a.jpg")
        assert (world.searchable(), world.record("a.jpg")) == ({"a.jpg"}, None)
        world.bucket.delete("a.jpg")
        assert world.apply("a.jpg", again=True) == Tally(removed=1)
        assert world.searchable() == set()

    def test_what_a_worker_left_half_done_no_sync_sees_and_its_dead_letter_sent_back_puts_right(
        self, world: Harness
    ) -> None:
        world.put("a.jpg", body=b"one")
        world.apply("a.jpg", sequencer="01")
        world.put("a.jpg", body=b"two")
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.apply("a.jpg", sequencer="02")
        world.put("a.jpg", body=b"one")
        assert world.sync().progress.to_do == 0
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two"), "docs/decisions/0024 says why this is left to the dead letter"
        world.apply("a.jpg", sequencer="02")
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"one")

    def test_a_message_that_comes_back_fills_the_store_although_its_news_is_old(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="01")
        world.vectors.documents.clear()
        world.apply("a.jpg", sequencer="01")
        assert world.searchable() == set()
        world.apply("a.jpg", sequencer="01", again=True)
        assert world.searchable() == {"a.jpg"}

    def test_a_slow_worker_does_not_bring_back_an_object_that_was_never_on_record(self, world: Harness) -> None:
        world.put("a.jpg")

        def goes() -> None:
            world.bucket.delete("a.jpg")
            assert world.apply("a.jpg") == Tally(removed=1)

        world.interleave("vectors", "upsert", goes)
        assert world.apply("a.jpg") == Tally(removed=1)
        record = world.record("a.jpg")
        assert (world.searchable(), record and record.state) == (set(), FileState.REMOVED)

    def test_what_is_written_while_its_collection_is_deleted_does_not_outlive_it(self, world: Harness) -> None:
        world.put("a.jpg")
        goes = world.current()
        world.interleave("catalogue", "save_all", lambda: world.ports.registry.begin_deletion(goes, world.clock()))
        assert world.apply("a.jpg") == Tally()
        assert (world.searchable(), world.record("a.jpg")) == (set(), None)


class TestABatchOfASyncThatIsNoMore:
    """A worker died at it between its two writes, and the object went back to what it was; nobody told of either."""

    @pytest.fixture(params=["called off", "taken over"])
    def batch(self, request: pytest.FixtureRequest, world: Harness) -> Message:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.put("a.jpg", body=b"two")
        world.put("new.jpg")
        world.start()
        world.work("sync")
        (batch,) = world.post.waiting
        world.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            world.deliver(batch)
        if request.param == "called off":
            world.app.syncs.cancel(world.current())
        else:
            world.clock.pass_by(AFTER_THE_LEASE)
            world.start()
        world.put("a.jpg", body=b"one")
        world.bucket.delete("new.jpg")
        return batch

    def test_is_put_right_when_it_comes_back_and_nothing_is_opened_for_it(self, world: Harness, batch: Message) -> None:
        opened = list(world.embedder.embedded)
        assert world.deliver(batch)
        (document,) = world.vectors.documents.values()
        assert (document.file.key, document.vector) == ("a.jpg", vector(b"one"))
        assert world.embedder.embedded == opened
        world.work()
        assert world.searchable() == {"a.jpg"}

    def test_leaves_a_tombstone_where_there_was_no_record_and_the_next_sync_finds_what_is_there(
        self, world: Harness, batch: Message
    ) -> None:
        world.put("new.jpg")
        assert world.deliver(batch)
        record = world.record("new.jpg")
        assert record is not None and (record.state, record.reason) == (FileState.REMOVED, "unfinished")
        world.work()
        assert world.sync().status is SyncStatus.COMPLETED
        assert world.searchable() == {"a.jpg", "new.jpg"}

    def test_counts_for_no_sync(self, world: Harness, batch: Message) -> None:
        before = world.state().progress
        assert world.deliver(batch)
        assert world.state().progress == before

    def test_leaves_the_last_word_to_whoever_writes_a_record_meanwhile(self, world: Harness, batch: Message) -> None:
        def write() -> None:
            world.put("a.jpg", body=b"three")
            assert world.apply("a.jpg") == Tally(done=1)

        world.interleave("catalogue", "save_all", write)
        assert world.deliver(batch)
        (document,) = world.vectors.documents.values()
        record = world.record("a.jpg")
        assert record is not None and record.embedding is not None
        assert document.vector == record.embedding.vector == vector(b"three")

    def test_comes_back_once_more_where_others_never_stop_writing(self, world: Harness, batch: Message) -> None:
        another, look = services_on(world.ports), a_batch(world.collection, "a.jpg")
        world.interleave("catalogue", "save_all", lambda: another.indexer.apply(look), times=99)
        assert not world.deliver(batch)
        assert "kept changing while they were put right" in world.reasons()[-1]

    def test_leaves_nothing_where_its_collection_is_gone(self, world: Harness, batch: Message) -> None:
        goes = world.current()
        world.interleave("catalogue", "save_all", lambda: world.ports.registry.begin_deletion(goes, world.clock()))
        assert world.deliver(batch)
        assert world.searchable() == set()
