"""Objects looked at: which news is too old, what is opened again, and what is left of one that goes."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.files import FileState, is_stale_event
from chalicelib.domain.syncs import Tally
from tests.factories import a_batch, a_collection
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import BUCKET, Harness

# As S3 writes them: hexadecimal, of varying length, in order once the shorter is padded on the right with zeros.
SEQUENCERS = st.text("0123456789ABCDEF", min_size=1, max_size=18)


class TestOldNews:
    @given(SEQUENCERS, SEQUENCERS)
    def test_an_event_no_later_than_the_last_is_passed_over_and_a_later_one_is_not(
        self, first: str, second: str
    ) -> None:
        world = Harness()
        world.put("a.jpg")
        world.apply("a.jpg", sequencer=first)
        world.put("a.jpg", body=b"another picture")
        is_later = int(second.ljust(18, "0"), 16) > int(first.ljust(18, "0"), 16)
        assert world.apply("a.jpg", sequencer=second) == Tally(done=1)
        assert len(world.embedder.embedded) == 1 + is_later
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == (second if is_later else first)

    def test_the_longer_of_two_sequencers_is_not_the_later_for_that(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="005F")
        assert is_stale_event(world.record("a.jpg"), "005E99")
        assert not is_stale_event(world.record("a.jpg"), "005F01")
        assert is_stale_event(world.record("a.jpg"), "005f00"), "capital or small, padded or not, it is the same"

    def test_what_is_to_be_tried_again_is_looked_at_whatever_is_known_and_the_latest_news_stays_the_latest(
        self, world: Harness
    ) -> None:
        world.put("a.jpg", body=UNREADABLE)
        assert world.apply("a.jpg", sequencer="05") == Tally(failed=1)
        world.bucket.objects["a.jpg"] = b"a picture"
        assert world.apply("a.jpg", sequencer="04", retry=True) == Tally(done=1)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == "05"

    def test_a_sync_looks_whatever_events_have_said(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="FF")
        world.bucket.delete("a.jpg")
        assert world.sync().progress.tally == Tally(removed=1)

    def test_an_event_of_an_object_that_came_back_does_not_take_it_out(self, world: Harness) -> None:
        world.put("a.jpg")
        assert world.apply("a.jpg", sequencer="02") == Tally(done=1)
        assert world.apply("a.jpg", sequencer="03") == Tally(done=1), "whatever the event says, the object is there"
        assert world.searchable() == {"a.jpg"}


class TestTheSameBytes:
    def test_a_copy_a_rename_and_a_return_are_not_opened_again(self, world: Harness) -> None:
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

    def test_another_accounts_are(self, world: Harness) -> None:
        strangers = a_collection(bucket=BUCKET, prefix="")
        world.ports.collections.add(strangers)
        world.put("a.jpg", body=b"one")
        world.sync()
        world.sync(strangers)
        assert world.embedder.embedded == [b"one", b"one"]

    def test_they_are_when_the_model_is_another(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.embedder.stamp = "fake-2+d1"
        assert world.sync().progress.tally == Tally(done=1)
        assert world.embedder.embedded == [b"one", b"one"]
        (document,) = world.vectors.documents.values()
        assert document.model == "fake-2+d1"


def test_an_object_that_goes_keeps_its_picture_so_that_its_return_costs_nothing(world: Harness) -> None:
    world.put("a.jpg")
    world.apply("a.jpg")
    world.bucket.delete("a.jpg")
    assert world.apply("a.jpg") == Tally(removed=1)
    record = world.record("a.jpg")
    assert record is not None
    assert (record.state, record.embedding is not None, world.searchable()) == (FileState.REMOVED, True, set())
    world.put("a.jpg")
    assert world.apply("a.jpg") == Tally(done=1)
    assert len(world.embedder.embedded) == 1


def test_a_key_outside_the_collection_is_not_looked_at(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a.jpg", "b/folder/")
    batch = a_batch(nested, "a.jpg", "b/folder/", "b/")
    assert world.app.indexer.apply(batch) == Tally()
    assert world.ports.catalogue.records == {}


def test_statistics_follow_what_is_indexed_to_the_byte(world: Harness) -> None:
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
