"""The cache of text embeddings: a repeated text is embedded once per model, within the cache's size and age."""

from collections import OrderedDict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.embeddings import QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.storage import FakeStorage

ALICE, BOB = "alice", "bob"


class RecordingEmbedder(FakeEmbedder):
    """The fake without objects; ``embedded_texts`` has the texts of all its calls."""

    def __init__(self) -> None:
        sources = FakeSources()
        super().__init__(sources, FakeStorage(sources))

    @property
    def embedded_texts(self) -> list[str]:
        return [text for texts in self.texts for text in texts]


def models(results: Sequence[QueryVector | ReadFailure]) -> set[str]:
    assert all(isinstance(result, QueryVector) for result in results)
    return {result.model for result in results if isinstance(result, QueryVector)}


class ManualClock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_repeated_text_is_embedded_once():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    assert (
        cached.embed_texts(ALICE, ["an owl"])
        == cached.embed_texts(ALICE, ["an owl"])
        == embedder.embed_texts(["an owl"])
    )
    assert embedder.embedded_texts == ["an owl", "an owl"]  # the second by this test itself


def test_a_text_that_another_account_has_searched_for_is_embedded_again():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    assert cached.embed_texts(ALICE, ["an owl"]) == cached.embed_texts(BOB, ["an owl"])
    assert embedder.embedded_texts == ["an owl", "an owl"], "it takes as long as a text without a search before"
    cached.embed_texts(BOB, ["an owl"])
    assert len(embedder.embedded_texts) == 2


def test_texts_that_differ_only_in_case_are_embedded_each():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    assert cached.embed_texts(ALICE, ["an owl"]) != cached.embed_texts(ALICE, ["An owl"])


def test_an_expired_text_is_embedded_again():
    embedder, clock = RecordingEmbedder(), ManualClock()
    cached = CachedEmbedder(embedder, max_age=300, clock=clock)
    cached.embed_texts(ALICE, ["an owl"])
    clock.now = 299
    cached.embed_texts(ALICE, ["an owl"])
    assert embedder.embedded_texts == ["an owl"]
    clock.now = 300
    cached.embed_texts(ALICE, ["an owl"])
    assert embedder.embedded_texts == ["an owl", "an owl"]


@pytest.mark.parametrize("embedded", ["text", "picture"])
def test_an_embedding_of_another_model_empties_the_cache(embedded: str):
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    cached.embed_texts(ALICE, ["an owl"])
    embedder.model = "fake-2+d1"
    if embedded == "text":
        cached.embed_texts(ALICE, ["a pig"])
    else:
        cached.embed_image(b"a picture")
    assert models(cached.embed_texts(ALICE, ["an owl"])) == {"fake-2+d1"}


def test_a_failure_is_not_cached():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        cached.embed_texts(ALICE, ["an owl"])
    embedder.down = False
    assert models(cached.embed_texts(ALICE, ["an owl"])) == {"fake-1+d1"}


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(1, 5))
def test_the_least_recently_used_text_is_dropped_first(texts: list[str], max_entries: int):
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder, max_entries=max_entries)
    expected_cache: OrderedDict[str, None] = OrderedDict()
    expected_texts = []
    for text in texts:
        cached.embed_texts(ALICE, [text])
        if text not in expected_cache:
            expected_texts.append(text)
        expected_cache[text] = None
        expected_cache.move_to_end(text)
        while len(expected_cache) > max_entries:
            expected_cache.popitem(last=False)
    assert embedder.embedded_texts == expected_texts


def test_several_texts_are_embedded_in_one_call_each_once_and_answered_in_order():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    cached.embed_texts(ALICE, ["a pig"])
    vectors = cached.embed_texts(ALICE, ["an owl", "a pig", "an owl", "a cow"])
    assert embedder.texts == [["a pig"], ["an owl", "a cow"]]
    assert vectors == embedder.embed_texts(["an owl", "a pig", "an owl", "a cow"])


def test_texts_of_one_call_have_vectors_of_one_model_also_after_a_replacement():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    cached.embed_texts(ALICE, ["an owl"])
    embedder.model = "fake-2+d1"
    assert models(cached.embed_texts(ALICE, ["an owl", "a pig"])) == {"fake-2+d1"}


def test_a_text_that_the_model_does_not_read_is_not_cached_and_its_neighbour_is():
    embedder = RecordingEmbedder()
    cached = CachedEmbedder(embedder)
    for _ in range(2):
        failure, vector = cached.embed_texts(ALICE, ["?", "an owl"])
        assert isinstance(failure, ReadFailure)
        assert isinstance(vector, QueryVector)
    assert embedder.texts == [["?", "an owl"], ["?"]]
