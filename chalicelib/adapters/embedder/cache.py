"""A cache of query vectors, so that repeated searches do not call the embedder again."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from time import monotonic

from chalicelib.domain.embeddings import ImageEmbedding, QueryVector, ReadFailure
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

    def embed_text(self, account: str, text: str) -> QueryVector:
        key = account, text
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self._clock() - entry[0] < self._max_age:
                self._entries.move_to_end(key)
                return entry[1]
        requested_at = self._clock()
        embedding = self._embedder.embed_text(text)
        with self._lock:
            self._clear_if_replaced(embedding.model)
            self._entries[key] = requested_at, embedding
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return embedding

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        result = self._embedder.embed_image(image)
        if isinstance(result, ImageEmbedding):
            with self._lock:
                self._clear_if_replaced(result.model)
        return result

    def _clear_if_replaced(self, model: str) -> None:
        if model != self._model:
            self._entries.clear()
            self._model = model
