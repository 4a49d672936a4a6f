"""Remembers the vectors of texts, so that the same search does not ask the embedder twice."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic

from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.services.ports import Embedder

# A text of 1,000 characters and a vector of 768 dimensions are 5 KB at most: 10 MB of the function's memory.
CACHE_ENTRIES = 2_000
# How long a function that stays warm may answer with a model that has been replaced meanwhile.
CACHE_SECONDS = 300.0


class CachedEmbedder:
    """An embedder that keeps what it was told of texts; pictures pass through.

    The least recently used of ENTRIES goes first. An answer of another model, to whatever question, empties the cache.
    """

    def __init__(
        self,
        embedder: Embedder,
        entries: int = CACHE_ENTRIES,
        seconds: float = CACHE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._embedder = embedder
        self._entries = entries
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[float, QueryVector]] = OrderedDict()
        self._model: str | None = None

    def embed_text(self, text: str) -> QueryVector:
        with self._lock:
            known = self._known.get(text)
            if known is not None and self._clock() - known[0] < self._seconds:
                self._known.move_to_end(text)
                return known[1]
        asked = self._clock()
        embedding = self._embedder.embed_text(text)
        with self._lock:
            self._notice(embedding.model)
            self._known[text] = asked, embedding
            self._known.move_to_end(text)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)
        return embedding

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        picture = self._embedder.embed_image(image)
        if isinstance(picture, ImageEmbedding):
            with self._lock:
                self._notice(picture.model)
        return picture

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]:
        return self._embedder.embed_objects(objects)

    def model_version(self) -> str:
        return self._embedder.model_version()

    def _notice(self, model: str) -> None:
        if model != self._model:
            self._known.clear()
            self._model = model
