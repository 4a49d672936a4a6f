"""The same text is embedded once, as long as the model is the same and the cache is not full."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.errors import EmbedderUnavailable
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.storage import FakeStorage


class CountingEmbedder(FakeEmbedder):
    """The fake, telling which texts it was asked."""

    def __init__(self) -> None:
        sources = FakeSources()
        super().__init__(sources, FakeStorage(sources))
        self.asked: list[str] = []

    def embed_text(self, text: str) -> QueryVector:
        self.asked.append(text)
        return super().embed_text(text)


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_same_text_is_embedded_once():
    embedder = CountingEmbedder()
    cached = CachedEmbedder(embedder)
    assert cached.embed_text("an owl") == cached.embed_text("an owl") == embedder.embed_text("an owl")
    assert embedder.asked == ["an owl", "an owl"]  # the second by this test itself


def test_texts_that_differ_in_anything_are_two():
    embedder = CountingEmbedder()
    cached = CachedEmbedder(embedder)
    assert cached.embed_text("an owl") != cached.embed_text("An owl")


def test_after_its_time_a_text_is_embedded_again():
    embedder, clock = CountingEmbedder(), Seconds()
    cached = CachedEmbedder(embedder, seconds=300, clock=clock)
    cached.embed_text("an owl")
    clock.now = 299
    cached.embed_text("an owl")
    assert embedder.asked == ["an owl"]
    clock.now = 300
    cached.embed_text("an owl")
    assert embedder.asked == ["an owl", "an owl"]


@pytest.mark.parametrize("how", ["text", "picture"])
def test_an_answer_of_another_model_empties_the_cache(how: str):
    embedder = CountingEmbedder()
    cached = CachedEmbedder(embedder)
    cached.embed_text("an owl")
    embedder.model = "fake-2+d1"
    if how == "text":
        cached.embed_text("a pig")
    else:
        cached.embed_image(b"a picture")
    assert cached.embed_text("an owl").model == "fake-2+d1"


def test_what_failed_is_not_remembered():
    embedder = CountingEmbedder()
    cached = CachedEmbedder(embedder)
    embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        cached.embed_text("an owl")
    embedder.down = False
    assert cached.embed_text("an owl").model == "fake-1+d1"


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(1, 5))
def test_the_least_recently_used_goes_first(texts: list[str], entries: int):
    embedder = CountingEmbedder()
    cached = CachedEmbedder(embedder, entries=entries)
    known: OrderedDict[str, None] = OrderedDict()
    wanted = []
    for text in texts:
        cached.embed_text(text)
        if text not in known:
            wanted.append(text)
        known[text] = None
        known.move_to_end(text)
        while len(known) > entries:
            known.popitem(last=False)
    assert embedder.asked == wanted
