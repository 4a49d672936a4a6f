"""An embedder in memory: the same bytes have the same vector, different bytes nearly never."""

import hashlib
import math
import struct
from collections.abc import Sequence

from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable
from tests.fakes.buckets import FakeSources
from tests.fakes.storage import FakeStorage

DIMENSION = 8
UNREADABLE = b"not a picture"  # what begins so, cannot be read


class FakeEmbedder:
    """What a test may look at: ``embedded``, the bytes of every picture, in order.

    What it may set: ``stamp``, the stamp of what it answers; ``down``, and it does not answer; ``hiccups``, bytes for
    which it has a transient error.
    """

    def __init__(self, sources: FakeSources, storage: FakeStorage, model: str = "fake-1+d1") -> None:
        self.stamp = model
        self.down = False
        self.hiccups: set[bytes] = set()
        self.embedded: list[bytes] = []
        self._sources = sources
        self._storage = storage

    def model_version(self) -> str:
        self._answer()
        return self.stamp

    def embed_text(self, text: str) -> QueryVector:
        self._answer()
        return QueryVector(self.stamp, vector(text.encode()))

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        self._answer()
        return self._picture(image)

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]:
        self._answer()
        return [self._object(each) for each in objects]

    def _object(self, each: ObjectToEmbed) -> ImageEmbedding | ReadFailure:
        found = self._sources.fetch(each.url)
        if found is None:
            return ReadFailure("source_not_found", "the source does not exist", transient=False)
        if isinstance(found, ReadFailure):
            return found
        result = self._picture(found)
        if isinstance(result, ImageEmbedding):
            self._storage.receive(each.thumbnail_url, b"thumbnail of " + found)
        return result

    def _picture(self, body: bytes) -> ImageEmbedding | ReadFailure:
        if body in self.hiccups:
            return ReadFailure("internal", "a hiccup, as the test wants it", transient=True)
        if not body:
            return ReadFailure("empty", "the file is empty", transient=False)
        if body.startswith(UNREADABLE):
            return ReadFailure("not_an_image", "the file is not an image", transient=False)
        self.embedded.append(body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return ImageEmbedding(self.stamp, vector(body), len(body), md5, 640, 480, "JPEG")

    def _answer(self) -> None:
        if self.down:
            raise EmbedderUnavailable("The model is down, as the test wants it.")


def vector(content: bytes) -> bytes:
    """A unit vector of little-endian float32 that follows from the content."""
    raw = [byte - 127.5 for byte in hashlib.sha256(content).digest()[:DIMENSION]]
    length = math.hypot(*raw)
    return struct.pack(f"<{DIMENSION}f", *(value / length for value in raw))
