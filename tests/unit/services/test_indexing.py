"""Objects looked at: whose fault a failure is, which news is too old, what is opened again, and who wins a race."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import SourceUnavailable, StoreUnavailable
from chalicelib.domain.files import FileState, is_old_news
from chalicelib.domain.syncs import Tally
from tests.contract.things import a_batch, a_collection
from tests.fakes.embedder import UNREADABLE, vector
from tests.fakes.messages import Message
from tests.unit.services.world import BUCKET, PAST_THE_LEASE, World

# As S3 writes them: hexadecimal, of varying length, in order once the shorter is padded on the right with zeros.
SEQUENCERS = st.text("0123456789ABCDEF", min_size=1, max_size=18)


class Died(BaseException):
    """The worker's process is no more."""


def die() -> None:
    raise Died


class TestFailuresOfAnObject:
    @pytest.mark.parametrize(
        ("out_of_order", "reason"),
        [("archived", "archived"), ("denied", "access_denied"), ("sealed", "source_denied")],
    )
    def test_one_that_may_not_be_read_is_recorded_once_with_its_reason_and_not_tried_again(
        self, world: World, out_of_order: str, reason: str
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
        self, world: World, body: bytes, reason: str
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

    def test_a_retry_looks_only_at_what_has_failed(self, world: World) -> None:
        world.put("broken.jpg", body=UNREADABLE)
        world.put("fine.jpg")
        world.sync()
        assert world.sync(retry_failed=True).progress.to_do == 1
        assert len(world.embedder.embedded) == 1

    def test_one_that_is_indexed_stays_so_while_it_may_not_be_read(self, world: World) -> None:
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

    def test_a_new_model_is_no_reason_to_keep_an_old_failure(self, world: World) -> None:
        world.put("a.jpg", body=UNREADABLE)
        world.sync()
        world.embedder.stamp = "fake-2+d1"
        assert world.sync().progress.tally == Tally(failed=1)
        record = world.record("a.jpg")
        assert record is not None and record.model == "fake-2+d1"
        assert world.sync().progress.to_do == 0


def _the_bucket(world: World, down: bool) -> None:
    world.bucket.down = down


def _the_embedder(world: World, down: bool) -> None:
    world.embedder.down = down


def _one_picture(world: World, down: bool) -> None:
    world.embedder.hiccups = {b"picture of a.jpg"} if down else set()


def _the_store(world: World, down: bool) -> None:
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
        self, world: World, outage: Callable[[World, bool], None], said: str
    ) -> None:
        world.put("a.jpg")
        world.start()
        world.work("sync")
        outage(world, True)
        for _ in range(3):
            (message,) = world.work()
            assert world.record("a.jpg") is None
        assert said in str(world.ports.troubles.reason(message.id))
        pauses = [seconds for delivery, seconds in world.ports.troubles.postponed if delivery.id == message.id]
        assert pauses == sorted(set(pauses)), "each is longer than the one before"
        outage(world, False)
        assert world.work() == []
        assert (world.state().status, world.state().progress.tally) == (SyncStatus.COMPLETED, Tally(done=1))

    def test_of_one_object_leaves_its_neighbours_done_and_they_are_not_done_again(self, world: World) -> None:
        world.put("a.jpg", "b.jpg", "c.jpg")
        world.embedder.hiccups = {b"picture of b.jpg"}
        world.start()
        (message,) = world.work()
        assert world.searchable() == {"a.jpg", "c.jpg"}
        world.embedder.hiccups.clear()
        assert world.deliver(message)
        assert world.embedder.embedded == [b"picture of a.jpg", b"picture of c.jpg", b"picture of b.jpg"]
        assert world.state().progress.tally == Tally(done=3)

    def test_of_the_store_leaves_the_catalogue_behind_it_never_before(self, world: World) -> None:
        world.put("a.jpg")
        world.vectors.down = True
        with pytest.raises(StoreUnavailable):
            world.apply("a.jpg")
        assert world.record("a.jpg") is None


class TestOldNews:
    @given(SEQUENCERS, SEQUENCERS)
    def test_an_event_no_later_than_the_last_is_passed_over_and_a_later_one_is_not(
        self, first: str, second: str
    ) -> None:
        world = World()
        world.put("a.jpg")
        world.apply("a.jpg", sequencer=first)
        world.put("a.jpg", body=b"another picture")
        is_later = int(second.ljust(18, "0"), 16) > int(first.ljust(18, "0"), 16)
        assert world.apply("a.jpg", sequencer=second) == Tally(done=1)
        assert len(world.embedder.embedded) == 1 + is_later
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == (second if is_later else first)

    def test_the_longer_of_two_sequencers_is_not_the_later_for_that(self, world: World) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="005F")
        assert is_old_news(world.record("a.jpg"), "005E99")
        assert not is_old_news(world.record("a.jpg"), "005F01")
        assert is_old_news(world.record("a.jpg"), "005f00"), "capital or small, padded or not, it is the same"

    def test_what_is_to_be_tried_again_is_looked_at_whatever_is_known_and_the_latest_news_stays_the_latest(
        self, world: World
    ) -> None:
        world.put("a.jpg", body=UNREADABLE)
        assert world.apply("a.jpg", sequencer="05") == Tally(failed=1)
        world.bucket.objects["a.jpg"] = b"a picture"
        assert world.apply("a.jpg", sequencer="04", retry=True) == Tally(done=1)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == "05"

    def test_a_sync_looks_whatever_events_have_said(self, world: World) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="FF")
        world.bucket.delete("a.jpg")
        assert world.sync().progress.tally == Tally(removed=1)

    def test_an_event_of_an_object_that_came_back_does_not_take_it_out(self, world: World) -> None:
        world.put("a.jpg")
        assert world.apply("a.jpg", sequencer="02") == Tally(done=1)
        assert world.apply("a.jpg", sequencer="03") == Tally(done=1), "whatever the event says, the object is there"
        assert world.searchable() == {"a.jpg"}


class TestTheSameBytes:
    def test_a_copy_a_rename_and_a_return_are_not_opened_again(self, world: World) -> None:
        world.put("a.jpg", "copy.jpg", body=b"one")
        world.sync()
        world.bucket.delete("a.jpg")
        world.put("renamed.jpg", body=b"one")
        world.sync()
        assert world.searchable() == {"copy.jpg", "renamed.jpg"}
        world.put("a.jpg", body=b"one")
        world.sync()
        assert world.searchable() == {"a.jpg", "copy.jpg", "renamed.jpg"}
        assert world.embedder.embedded == [b"one"]
        for key in world.searchable():
            record = world.record(key)
            assert record is not None and record.thumbnail is not None
            assert world.ports.storage.thumbnail(record.collection, record.thumbnail) == b"thumbnail of one"

    def test_another_accounts_are(self, world: World) -> None:
        strangers = a_collection(bucket=BUCKET, prefix="")
        world.ports.collections.add(strangers)
        world.put("a.jpg", body=b"one")
        world.sync()
        world.sync(strangers)
        assert world.embedder.embedded == [b"one", b"one"]

    def test_they_are_when_the_model_is_another(self, world: World) -> None:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.embedder.stamp = "fake-2+d1"
        assert world.sync().progress.tally == Tally(done=1)
        assert world.embedder.embedded == [b"one", b"one"]
        (document,) = world.vectors.documents.values()
        assert document.model == "fake-2+d1"


class TestRaces:
    def test_one_that_is_replaced_while_it_is_opened_is_looked_at_again(self, world: World) -> None:
        world.put("a.jpg", body=b"one")
        world.meanwhile("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"two"))
        assert world.apply("a.jpg") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_one_that_goes_while_it_is_opened_is_not_indexed(self, world: World) -> None:
        world.put("a.jpg")
        world.meanwhile("embedder", "embed_objects", lambda: world.bucket.delete("a.jpg"))
        assert world.apply("a.jpg") == Tally(removed=1)
        assert world.searchable() == set()

    def test_whoever_was_overtaken_looks_again_and_leaves_no_thumbnail_behind(self, world: World) -> None:
        world.put("a.jpg", body=b"one")

        def overtake() -> None:
            world.put("a.jpg", body=b"two")
            assert world.apply("a.jpg") == Tally(done=1)

        world.meanwhile("catalogue", "save_all", overtake)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.picture is not None
        (document,) = world.vectors.documents.values()
        assert record.picture.vector == document.vector == vector(b"two")
        assert list(world.ports.storage.thumbnails) == [(record.collection, record.thumbnail)]

    def test_a_look_that_finds_nothing_to_do_bars_a_slower_worker_who_saw_something_else(self, world: World) -> None:
        world.put("a.jpg", body=b"one")
        world.apply("a.jpg")
        world.put("a.jpg", body=b"two")

        def change_back() -> None:
            world.put("a.jpg", body=b"one")
            assert world.apply("a.jpg") == Tally(done=1)

        world.meanwhile("catalogue", "save_all", change_back)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.etag == world.bucket.info("a.jpg").etag

    def test_whoever_was_overtaken_and_wrote_the_store_last_puts_it_right(self, world: World) -> None:
        world.put("a.jpg", body=b"one")

        def overtake() -> None:
            world.put("a.jpg", body=b"two")
            assert world.apply("a.jpg", sequencer="02") == Tally(done=1)

        world.meanwhile("vectors", "upsert", overtake)
        assert world.apply("a.jpg", sequencer="01") == Tally(done=1)
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two")

    def test_one_that_never_stands_still_is_left_for_later(self, world: World) -> None:
        bodies = iter(range(100))
        world.put("a.jpg")
        world.meanwhile("embedder", "embed_objects", lambda: world.put("a.jpg", body=b"%d" % next(bodies)), times=99)
        with pytest.raises(SourceUnavailable):
            world.apply("a.jpg")

    def test_a_worker_that_died_between_its_two_writes_is_made_up_for(self, world: World) -> None:
        world.put("a.jpg")
        world.meanwhile("catalogue", "save_all", die)
        with pytest.raises(Died):
            world.apply("a.jpg")
        assert (world.searchable(), world.record("a.jpg")) == ({"a.jpg"}, None)
        world.bucket.delete("a.jpg")
        assert world.apply("a.jpg", again=True) == Tally(removed=1)
        assert world.searchable() == set()

    def test_what_a_worker_left_half_done_no_sync_sees_and_its_dead_letter_sent_back_puts_right(
        self, world: World
    ) -> None:
        world.put("a.jpg", body=b"one")
        world.apply("a.jpg", sequencer="01")
        world.put("a.jpg", body=b"two")
        world.meanwhile("catalogue", "save_all", die)
        with pytest.raises(Died):
            world.apply("a.jpg", sequencer="02")
        world.put("a.jpg", body=b"one")
        assert world.sync().progress.to_do == 0
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"two"), "docs/decisions/0024 says why this is left to the dead letter"
        world.apply("a.jpg", sequencer="02")
        (document,) = world.vectors.documents.values()
        assert document.vector == vector(b"one")

    def test_a_message_that_comes_back_fills_the_store_although_its_news_is_old(self, world: World) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="01")
        world.vectors.documents.clear()
        world.apply("a.jpg", sequencer="01")
        assert world.searchable() == set()
        world.apply("a.jpg", sequencer="01", again=True)
        assert world.searchable() == {"a.jpg"}

    def test_a_slow_worker_does_not_bring_back_an_object_that_was_never_on_record(self, world: World) -> None:
        world.put("a.jpg")

        def goes() -> None:
            world.bucket.delete("a.jpg")
            assert world.apply("a.jpg") == Tally(removed=1)

        world.meanwhile("vectors", "upsert", goes)
        assert world.apply("a.jpg") == Tally(removed=1)
        record = world.record("a.jpg")
        assert (world.searchable(), record and record.state) == (set(), FileState.REMOVED)

    def test_what_is_written_while_its_collection_is_deleted_does_not_outlive_it(self, world: World) -> None:
        world.put("a.jpg")
        goes = world.current()
        world.meanwhile("catalogue", "save_all", lambda: world.ports.register.begin_deletion(goes, world.clock()))
        assert world.apply("a.jpg") == Tally()
        assert (world.searchable(), world.record("a.jpg")) == (set(), None)


def test_an_object_that_goes_keeps_its_picture_so_that_its_return_costs_nothing(world: World) -> None:
    world.put("a.jpg")
    world.apply("a.jpg")
    world.bucket.delete("a.jpg")
    assert world.apply("a.jpg") == Tally(removed=1)
    record = world.record("a.jpg")
    assert record is not None
    assert (record.state, record.picture is not None, world.searchable()) == (FileState.REMOVED, True, set())
    world.put("a.jpg")
    assert world.apply("a.jpg") == Tally(done=1)
    assert len(world.embedder.embedded) == 1


def test_a_key_outside_the_collection_is_not_looked_at(world: World) -> None:
    nested = world.add("b/")
    world.put("a.jpg", "b/folder/")
    batch = a_batch(nested, "a.jpg", "b/folder/", "b/")
    assert world.app.indexing.apply(batch) == Tally()
    assert world.ports.catalogue.records == {}


def test_statistics_follow_what_is_indexed_to_the_byte(world: World) -> None:
    world.put("a.jpg", body=b"12345")
    world.put("b.jpg", body=b"123")
    world.put("broken.jpg", body=UNREADABLE)
    world.sync()
    assert (world.current().total_files, world.current().total_size) == (2, 8)
    world.put("a.jpg", body=b"1234567")
    world.bucket.delete("b.jpg")
    world.clock.pass_by(timedelta(minutes=1))
    world.sync()
    assert (world.current().total_files, world.current().total_size) == (1, 7)


class TestABatchOfASyncThatIsNoMore:
    """A worker died at it between its two writes, and the object went back to what it was; nobody told of either."""

    @pytest.fixture(params=["called off", "taken over"])
    def batch(self, request: pytest.FixtureRequest, world: World) -> Message:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.put("a.jpg", body=b"two")
        world.put("new.jpg")
        world.start()
        world.work("sync")
        (batch,) = world.post.waiting
        world.meanwhile("catalogue", "save_all", die)
        with pytest.raises(Died):
            world.deliver(batch)
        if request.param == "called off":
            world.app.sync.cancel(world.current())
        else:
            world.clock.pass_by(PAST_THE_LEASE)
            world.start()
        world.put("a.jpg", body=b"one")
        world.bucket.delete("new.jpg")
        return batch

    def test_is_put_right_when_it_comes_back_and_nothing_is_opened_for_it(self, world: World, batch: Message) -> None:
        opened = list(world.embedder.embedded)
        assert world.deliver(batch)
        (document,) = world.vectors.documents.values()
        assert (document.key, document.vector) == ("a.jpg", vector(b"one"))
        assert world.embedder.embedded == opened
        world.work()
        assert world.searchable() == {"a.jpg"}

    def test_counts_for_no_sync(self, world: World, batch: Message) -> None:
        before = world.state().progress
        assert world.deliver(batch)
        assert world.state().progress == before
