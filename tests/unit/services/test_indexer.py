"""Indexing: stale events, reuse of embeddings, tombstones, and statistics."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.files import FileState
from chalicelib.domain.sequencers import is_stale_event
from chalicelib.domain.syncs import Tally
from tests.factories import a_batch, a_collection
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import BUCKET, Harness

# As S3 writes them: hexadecimal, of varying length, in order once the shorter is padded on the right with zeros.
SEQUENCERS = st.text("0123456789ABCDEF", min_size=1, max_size=18)


class TestStaleEvents:
    @given(SEQUENCERS, SEQUENCERS)
    def test_an_event_no_later_than_the_last_is_ignored_and_a_later_one_is_not(self, first: str, second: str) -> None:
        world = Harness()
        world.put("a.jpg")
        world.apply("a.jpg", sequencer=first)
        world.put("a.jpg", body=b"another picture")
        is_later = int(second.ljust(18, "0"), 16) > int(first.ljust(18, "0"), 16)
        assert world.apply("a.jpg", sequencer=second) == Tally(done=1)
        assert len(world.embedder.embedded) == 1 + is_later
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == (second if is_later else first)

    def test_a_longer_sequencer_is_not_later_because_it_is_longer(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="005F")
        assert is_stale_event(world.record("a.jpg"), "005E99")
        assert not is_stale_event(world.record("a.jpg"), "005F01")
        assert is_stale_event(world.record("a.jpg"), "005f00"), "neither case nor padding makes a difference"

    def test_a_retry_is_never_stale_and_the_latest_sequencer_stays_recorded(self, world: Harness) -> None:
        world.put("a.jpg", body=UNREADABLE)
        assert world.apply("a.jpg", sequencer="05") == Tally(failed=1)
        world.bucket.objects["a.jpg"] = b"a picture"
        assert world.apply("a.jpg", sequencer="04", retry=True) == Tally(done=1)
        assert world.apply("a.jpg") == Tally(done=1)
        record = world.record("a.jpg")
        assert record is not None and record.sequencer == "05"

    def test_a_sync_compares_an_object_whatever_events_came_before(self, world: Harness) -> None:
        world.put("a.jpg")
        world.apply("a.jpg", sequencer="FF")
        world.bucket.delete("a.jpg")
        assert world.sync().progress.tally == Tally(removed=1)

    def test_an_event_of_a_removal_does_not_remove_an_object_that_is_back(self, world: Harness) -> None:
        world.put("a.jpg")
        assert world.apply("a.jpg", sequencer="02") == Tally(done=1)
        assert world.apply("a.jpg", sequencer="03") == Tally(done=1), "the object is there, whatever the event says"
        assert world.searchable() == {"a.jpg"}


class TestReuseOfEmbeddings:
    def test_a_copy_a_rename_and_a_returned_object_are_not_embedded_again(self, world: Harness) -> None:
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

    def test_same_bytes_in_another_account_are_embedded_again(self, world: Harness) -> None:
        collection = a_collection(bucket=BUCKET, prefix="")
        world.ports.collections.add(collection)
        world.put("a.jpg", body=b"one")
        world.sync()
        world.sync(collection)
        assert world.embedder.embedded == [b"one", b"one"]

    def test_same_bytes_are_embedded_again_by_another_model(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.embedder.model = "fake-2+d1"
        assert world.sync().progress.tally == Tally(done=1)
        assert world.embedder.embedded == [b"one", b"one"]
        (document,) = world.vectors.documents.values()
        assert document.model == "fake-2+d1"

    def test_a_copy_whose_original_has_no_thumbnail_is_embedded_itself(self, world: Harness) -> None:
        world.put("a.jpg", body=b"one")
        world.sync()
        world.ports.storage.thumbnails.clear()
        world.put("copy.jpg", body=b"one")
        world.sync()
        assert world.embedder.embedded == [b"one", b"one"]
        record = world.record("copy.jpg")
        assert record is not None and record.thumbnail is not None
        assert world.ports.storage.thumbnail(record.collection, record.thumbnail) == b"thumbnail of one"


def test_a_tombstone_keeps_its_embedding_so_that_a_returned_object_is_not_embedded(world: Harness) -> None:
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


def test_a_key_outside_the_collection_is_ignored(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a.jpg", "b/folder/")
    batch = a_batch(nested, "a.jpg", "b/folder/", "b/")
    assert world.app.indexer.apply(batch) == Tally()
    assert world.ports.catalogue.records == {}


def test_statistics_count_indexed_files_and_their_bytes(world: Harness) -> None:
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
