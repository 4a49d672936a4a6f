"""A cache of query vectors, so that repeated searches do not call the embedder again."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic

from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.services.ports import Embedder

# A text of 1,000 characters and a vector of 768 dimensions are 5 KB at most: 10 MB of the function's memory.
MAX_CACHE_ENTRIES = 2_000
# The longest that a warm function still uses a model that has been replaced.
MAX_CACHE_AGE_SECONDS = 300.0


class CachedEmbedder:
    """Caches the embeddings of texts by least recent use, each for its own account; calls for pictures go through.

    No account can tell by the time of a search what another has searched for (docs/decisions/0040). The first
    embedding of another model, of a text or a picture, empties the cache.
    """

    def __init__(
        self,
        embedder: Embedder,
        max_entries: int = MAX_CACHE_ENTRIES,
        max_age: float = MAX_CACHE_AGE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._embedder = embedder
        self._max_entries = max_entries
        self._max_age = max_age
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[tuple[str, str], tuple[float, QueryVector]] = OrderedDict()
        self._model: str | None = None

    def embed_texts(self, account: str, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        """The vector of each text; those that are not cached are embedded in one call."""
        cached = {text: vector for text in texts if (vector := self._cached(account, text)) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in cached]
        embedded = self._embed(account, missing) if missing else {}
        models = {result.model for result in embedded.values() if isinstance(result, QueryVector)}
        if models and any(vector.model not in models for vector in cached.values()):
            # The model was replaced since the others were embedded, and vectors of two models do not compare.
            embedded |= self._embed(account, list(cached))
        results = {**cached, **embedded}
        return [results[text] for text in texts]

    def _cached(self, account: str, text: str) -> QueryVector | None:
        with self._lock:
            entry = self._entries.get((account, text))
            if entry is None or self._clock() - entry[0] >= self._max_age:
                return None
            self._entries.move_to_end((account, text))
            return entry[1]

    def _embed(self, account: str, texts: Sequence[str]) -> dict[str, QueryVector | ReadFailure]:
        requested_at = self._clock()
        results = dict(zip(texts, self._embedder.embed_texts(texts), strict=True))
        with self._lock:
            for text, result in results.items():
                if isinstance(result, QueryVector):
                    self._clear_if_replaced(result.model)
                    self._entries[account, text] = requested_at, result
                    self._entries.move_to_end((account, text))
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return results

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        return self._noted(self._embedder.embed_image(image))

    def embed_objects(self, urls: Sequence[str]) -> list[ImageEmbedding | ReadFailure]:
        return [
            self._noted(result) for result in self._embedder.embed_objects([ObjectToEmbed(url, None) for url in urls])
        ]

    def _noted(self, result: ImageEmbedding | ReadFailure) -> ImageEmbedding | ReadFailure:
        if isinstance(result, ImageEmbedding):
            with self._lock:
                self._clear_if_replaced(result.model)
        return result

    def _clear_if_replaced(self, model: str) -> None:
        if model != self._model:
            self._entries.clear()
            self._model = model
