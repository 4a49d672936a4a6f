"""A picture that ends the embedder is found by halving its batch; its neighbours are indexed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, ReadFailure
from chalicelib.domain.errors import EmbedderEnded, EmbedderUnavailable
from chalicelib.domain.files import FileState
from chalicelib.services.pipeline.embedding_batches import HALVING_SECONDS, PICTURE, embed_batch
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.storage import FakeStorage
from tests.unit.services.harness import Harness

KEYS = [f"{number:02}.jpg" for number in range(16)]


def picture(key: str) -> bytes:
    return b"picture of " + key.encode()


class Batch:
    """Sixteen objects, and an embedder that some of them end after so many seconds."""

    def __init__(self, *guilty: str, seconds: float = 1.0) -> None:
        sources = FakeSources()
        self.storage = FakeStorage(sources)
        self.embedder = FakeEmbedder(sources, self.storage)
        self.embedder.ended_by = {picture(key) for key in guilty}
        self.objects = []
        self._now, self._seconds = 0.0, seconds
        for key in KEYS:
            sources.bucket("photographs").put(key, picture(key))
            thumbnail = self.storage.thumbnail_upload_url("collection", key, seconds=300)
            self.objects.append(ObjectToEmbed(f"fake-s3://photographs/{key}", thumbnail))

    def embed(self, *, singly: bool = False) -> dict[str, str]:
        """What became of each object."""
        results = embed_batch(self.embedder, self.objects, singly=singly, clock=self._clock)
        return {key: outcome(result) for key, result in zip(KEYS, results, strict=True)}

    def _clock(self) -> float:
        self._now += self._seconds
        return self._now


def outcome(result: ImageEmbedding | ReadFailure) -> str:
    if isinstance(result, ImageEmbedding):
        return "embedded"
    return f"{result.code}, {'transient' if result.transient else 'for good'}"


def test_a_batch_that_ends_nothing_is_embedded_by_one_call():
    batch = Batch()
    assert set(batch.embed().values()) == {"embedded"}
    assert batch.embedder.batches == [16]


@given(st.sets(st.sampled_from(KEYS), max_size=3))
def test_those_that_end_the_embedder_are_too_costly_and_all_others_embedded(guilty):
    assert Batch(*guilty, seconds=0.1).embed() == {
        key: "too_costly, for good" if key in guilty else "embedded" for key in KEYS
    }


def test_one_of_sixteen_is_found_by_nine_calls():
    batch = Batch("05.jpg", seconds=0.1)
    batch.embed()
    assert batch.embedder.batches == [16, 8, 4, 4, 2, 1, 1, 2, 8]


def test_after_a_time_out_no_time_is_left_and_all_objects_are_tried_again():
    batch = Batch("05.jpg", seconds=HALVING_SECONDS + 1)
    assert set(batch.embed().values()) == {"internal, transient"}
    assert batch.embedder.batches == [16]


def test_one_at_a_time_even_a_time_out_is_found():
    batch = Batch("02.jpg", seconds=HALVING_SECONDS + 1)
    outcomes = batch.embed(singly=True)
    assert [outcomes[key] for key in KEYS[:4]] == [
        "embedded",
        "embedded",
        "too_costly, for good",
        "internal, transient",
    ]


def test_an_embedder_that_ends_whatever_it_embeds_fails_no_object():
    batch = Batch(*KEYS)
    batch.embedder.ended_by.add(PICTURE)
    with pytest.raises(EmbedderEnded):
        batch.embed()


def test_an_embedder_that_cannot_embed_a_picture_afterwards_fails_no_object():
    batch = Batch("05.jpg")
    batch.embedder.refuses = True
    with pytest.raises(EmbedderUnavailable):
        batch.embed(singly=True)


def test_a_sync_indexes_the_neighbours_of_a_picture_that_ends_the_embedder_at_the_first_delivery(world: Harness):
    world.put(*KEYS)
    world.embedder.ended_by = {picture("05.jpg")}
    world.start()
    assert world.work() == [], "no message failed"
    assert world.searchable() == set(KEYS) - {"05.jpg"}
    record = world.record("05.jpg")
    assert record is not None
    assert (record.state, record.reason) == (FileState.FAILED, "too_costly")


def test_a_message_that_is_delivered_again_asks_for_one_object_at_a_time(world: Harness):
    world.put(*KEYS[:3])
    world.apply(*KEYS[:3], redelivered=True)
    assert world.embedder.batches == [1, 1, 1]
