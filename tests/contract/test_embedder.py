"""What every embedder must hold: one suite, run on the fake and on the deployed function behind its wire."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.adapters.embedder.client import LambdaEmbedder
from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable
from chalicelib.services.ports import Embedder, ManagedStorage
from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.storage import FakeStorage

OWL = (SAMPLES / "photos" / "owl.jpg").read_bytes()
PIG = (SAMPLES / "photos" / "pig.jpg").read_bytes()
WORDS = b"not a picture but words"


@dataclass(frozen=True)
class World:
    """An embedder, the storage that takes its thumbnails, and presigned URLs of what a test puts into a bucket."""

    embedder: Embedder
    storage: ManagedStorage
    url_of: Callable[[bytes | None], str]

    def wish(self, body: bytes | None, file: str = "file") -> ObjectToEmbed:
        upload = self.storage.thumbnail_upload_url("collection", file, seconds=300)
        return ObjectToEmbed(self.url_of(body), upload)


class EmbedderContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_a_vector_is_of_length_one_and_its_stamp_says_what_made_it(self, world: World):
        text = world.embedder.embed_text("an owl")
        picture = world.embedder.embed_image(OWL)
        assert isinstance(picture, ImageEmbedding)
        assert picture.model == text.model == world.embedder.model_version()
        for vector in (text.vector, picture.vector):
            values = struct.unpack(f"<{len(vector) // 4}f", vector)
            assert math.hypot(*values) == pytest.approx(1, abs=1e-5)
        assert len(text.vector) == len(picture.vector)

    def test_a_picture_is_the_same_sent_along_and_fetched(self, world: World):
        (fetched,) = world.embedder.embed_objects([world.wish(OWL)])
        sent = world.embedder.embed_image(OWL)
        assert fetched == sent
        assert isinstance(fetched, ImageEmbedding)
        assert (fetched.size, len(fetched.md5)) == (len(OWL), 32)

    def test_each_object_has_its_own_outcome_in_order_and_its_thumbnail(self, world: World):
        files = [uuid4().hex for _ in range(4)]
        wishes = [world.wish(body, file) for body, file in zip([OWL, WORDS, None, PIG], files, strict=True)]
        owl, words, missing, pig = world.embedder.embed_objects(wishes)
        assert isinstance(owl, ImageEmbedding) and isinstance(pig, ImageEmbedding)
        assert (owl.size, pig.size) == (len(OWL), len(PIG))
        assert isinstance(words, ReadFailure) and isinstance(missing, ReadFailure)
        assert (words.code, words.transient) == ("not_an_image", False)
        assert (missing.code, missing.transient) == ("source_not_found", False)
        thumbnails = [world.storage.thumbnail("collection", file) is not None for file in files]
        assert thumbnails == [True, False, False, True]

    def test_an_empty_file_is_no_picture(self, world: World):
        failure = world.embedder.embed_image(b"")
        assert isinstance(failure, ReadFailure)
        assert (failure.code, failure.transient) == ("empty", False)


def fake_world() -> World:
    sources = FakeSources()
    storage = FakeStorage(sources)

    def url_of(body: bytes | None) -> str:
        key = uuid4().hex
        if body is not None:
            sources.bucket("a-bucket").put(key, body)
        return f"fake-s3://a-bucket/{key}"

    return World(FakeEmbedder(sources, storage), storage, url_of)


class TestTheFake(EmbedderContract):
    @pytest.fixture
    def world(self) -> World:
        return fake_world()

    def test_one_that_is_down_says_so(self, world: World):
        assert isinstance(world.embedder, FakeEmbedder)
        world.embedder.down = True
        with pytest.raises(EmbedderUnavailable):
            world.embedder.embed_text("an owl")


class TestTheCache(EmbedderContract):
    """In front of the fake."""

    @pytest.fixture
    def world(self) -> World:
        world = fake_world()
        return World(CachedEmbedder(world.embedder), world.storage, world.url_of)


class TestTheFunction(EmbedderContract):
    @pytest.fixture
    def world(self, stack: LocalSystem, aws: Callable[..., Any]) -> World:
        s3, outputs = aws("s3", config=S3_CLIENT), stack.outputs
        storage = S3Storage(s3, outputs["ManagedBucketName"], outputs["ThumbnailsBucketName"])

        def url_of(body: bytes | None) -> str:
            where = {"Bucket": outputs["ManagedBucketName"], "Key": f"contract/{uuid4().hex}"}
            if body is not None:
                s3.put_object(**where, Body=body)
            return str(s3.generate_presigned_url("get_object", Params=where))

        return World(LambdaEmbedder(aws("lambda"), outputs["EmbedderName"]), storage, url_of)

    def test_one_that_is_not_there_says_so(self, aws: Callable[..., Any]):
        with pytest.raises(EmbedderUnavailable):
            LambdaEmbedder(aws("lambda"), "no-such-function").embed_text("an owl")
