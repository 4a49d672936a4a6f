"""An embedder in memory: the same bytes have the same vector, different bytes almost never."""

import hashlib
import math
import struct
from collections.abc import Sequence

from chalicelib.domain.calibration import Calibration
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderEnded, EmbedderUnavailable
from chalicelib.domain.thumbnails import ThumbnailSize, ThumbnailToMake
from tests.fakes.buckets import FakeSources
from tests.fakes.storage import FakeStorage

DIMENSION = 8
UNREADABLE = b"not a picture"  # bytes that begin so cannot be read
# What follows these makes other bytes of the picture before it, whose vector is near; of a copy the hash is, too.
COPY, VARIANT = b" as copy ", b" as variant "


class FakeEmbedder:
    """Keeps ``embedded``, the bytes of every image, in order.

    A test may set ``model``, the model version of the next embeddings; ``calibration``, the model's statistics;
    ``down``, which makes every call fail; ``refuses``, which makes every image fail for good, as a crash of its decoder
    does; and ``hiccups``, images that
    fail transiently; and ``ended_by``, images that end the embedder's process, for whatever it was asked with them.
    ``batches`` has the number of objects of each call, ``texts`` the texts of each call, ``resized`` the size of each
    thumbnail that was made alone.
    """

    def __init__(self, sources: FakeSources, storage: FakeStorage, model: str = "fake-1+d1") -> None:
        self.model = model
        self.down = False
        self.refuses = False
        self.hiccups: set[bytes] = set()
        self.ended_by: set[bytes] = set()
        self.calibration: Calibration | None = None
        self.embedded: list[bytes] = []
        self.batches: list[int] = []
        self.texts: list[list[str]] = []
        self.resized: list[ThumbnailSize] = []
        self._sources = sources
        self._storage = storage

    def model_version(self) -> str:
        self._check_up()
        return self.model

    def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        self._check_up()
        self.texts.append(list(texts))
        return [self._embed_text(text) for text in texts]

    def model_calibration(self) -> Calibration | None:
        self._check_up()
        return self.calibration

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        self._check_up()
        if image in self.ended_by:
            raise EmbedderEnded("The test has let the embedder's process end.")
        return self._embed(image)

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]:
        self._check_up()
        self.batches.append(len(objects))
        if any(self._sources.fetch(item.url) in self.ended_by for item in objects):
            raise EmbedderEnded("The test has let the embedder's process end.")
        return [self._embed_object(item) for item in objects]

    def make_thumbnail(self, thumbnail: ThumbnailToMake) -> ReadFailure | None:
        self._check_up()
        self.resized.append(thumbnail.size)
        body = self._storage.fetch_thumbnail(thumbnail.url) or self._sources.fetch(thumbnail.url)
        if isinstance(body, ReadFailure):
            return body
        if body is None or thumbnail.md5 not in (None, hashlib.md5(body, usedforsecurity=False).hexdigest()):
            return ReadFailure("source_not_found", "the source does not exist", transient=False)
        self._storage.receive(thumbnail.upload_url, b"%d pixels of " % thumbnail.size + body)
        return None

    def _embed_text(self, text: str) -> QueryVector | ReadFailure:
        if not any(character.isalnum() for character in text):
            return ReadFailure("empty", "it has no word that the model reads", transient=False)
        return QueryVector(self.model, vector(text.encode()))

    def _embed_object(self, item: ObjectToEmbed) -> ImageEmbedding | ReadFailure:
        body = self._sources.fetch(item.url)
        if body is None:
            return ReadFailure("source_not_found", "the source does not exist", transient=False)
        if isinstance(body, ReadFailure):
            return body
        result = self._embed(body)
        if isinstance(result, ImageEmbedding) and item.thumbnail_url is not None:
            self._storage.receive(item.thumbnail_url, b"thumbnail of " + body)
        return result

    def _embed(self, body: bytes) -> ImageEmbedding | ReadFailure:
        if body in self.hiccups:
            return ReadFailure("internal", "a hiccup that the test has set", transient=True)
        if self.refuses:
            return ReadFailure("decoder_crashed", "the test has let the decoder crash", transient=False)
        if not body:
            return ReadFailure("empty", "the file is empty", transient=False)
        if body.startswith(UNREADABLE):
            return ReadFailure("not_an_image", "the file is not an image", transient=False)
        self.embedded.append(body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return ImageEmbedding(
            self.model, vector(body), len(body), md5, 640, 480, "JPEG", perceptual_hash=perceptual_hash(body)
        )

    def _check_up(self) -> None:
        if self.down:
            raise EmbedderUnavailable("The test has set the model down.")


def vector(content: bytes) -> bytes:
    """A unit vector of little-endian float32, computed from the content."""
    original = content.partition(COPY)[0].partition(VARIANT)[0]
    raw = [byte - 127.5 for byte in hashlib.sha256(original).digest()[:DIMENSION]]
    if original != content:
        noise = hashlib.sha256(content).digest()[:DIMENSION]
        raw = [value + (byte - 127.5) / 10 for value, byte in zip(raw, noise, strict=True)]
    length = math.hypot(*raw)
    return struct.pack(f"<{DIMENSION}f", *(value / length for value in raw))


def perceptual_hash(content: bytes) -> str:
    """64 bits of which half are set; of a copy another one at most."""
    original, _, copy = content.partition(COPY)
    half = int.from_bytes(hashlib.sha256(original).digest()[-4:])
    bits = half << 32 | half ^ 0xFFFFFFFF
    return f"{bits ^ (1 << len(copy) % 64):016x}"
