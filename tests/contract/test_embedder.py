"""The contract of every embedder: one suite, run on the fake, on the cache before it, and on the deployed function."""

import hashlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.embedder.client import LambdaEmbedder
from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable
from chalicelib.domain.thumbnails import ThumbnailSize, ThumbnailToMake
from chalicelib.services.ports import Embedder, ManagedStorage
from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.factories import a_calibration
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.storage import FakeStorage

OWL = (SAMPLES / "photos" / "owl.jpg").read_bytes()
PIG = (SAMPLES / "photos" / "pig.jpg").read_bytes()
TEXT_FILE = b"not a picture but words"


@dataclass(frozen=True)
class Subject:
    """An embedder and the storage that takes its thumbnails.

    ``url_of`` stores a body, if one is given, and returns a presigned URL of it.
    """

    embedder: Embedder
    storage: ManagedStorage
    url_of: Callable[[bytes | None], str]

    def object_to_embed(self, body: bytes | None, thumbnail_key: str = "file") -> ObjectToEmbed:
        upload_url = self.storage.thumbnail_upload_url("collection", thumbnail_key, seconds=300)
        return ObjectToEmbed(self.url_of(body), upload_url)


class EmbedderContract:
    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    def test_a_vector_has_length_one_and_names_its_model_version(self, subject: Subject):
        (text,) = subject.embedder.embed_texts(["an owl"])
        assert isinstance(text, QueryVector)
        picture = subject.embedder.embed_image(OWL)
        assert isinstance(picture, ImageEmbedding)
        assert picture.model == text.model == subject.embedder.model_version()
        for vector in (text.vector, picture.vector):
            values = struct.unpack(f"<{len(vector) // 4}f", vector)
            assert math.hypot(*values) == pytest.approx(1, abs=1e-5)
        assert len(text.vector) == len(picture.vector)

    def test_texts_are_answered_in_order_and_each_as_alone(self, subject: Subject):
        owl, pig, owl_again = subject.embedder.embed_texts(["an owl", "a pig", "an owl"])
        assert owl == owl_again != pig
        assert subject.embedder.embed_texts(["a pig"]) == [pig]

    def test_the_statistics_that_a_model_ships_with_are_of_its_version(self, subject: Subject):
        calibration = subject.embedder.model_calibration()
        assert calibration is not None
        assert calibration.model == subject.embedder.model_version()
        picture = subject.embedder.embed_image(OWL)
        assert isinstance(picture, ImageEmbedding)
        assert len(calibration.mean) * 4 == len(picture.vector)

    @pytest.mark.parametrize("text", ["", " \n", "🦉", "“…”", "?!"])
    def test_a_text_without_a_word_is_not_read_and_its_neighbours_are(self, subject: Subject, text: str):
        before, failure, after = subject.embedder.embed_texts(["an owl", text, "an owl"])
        assert isinstance(failure, ReadFailure)
        assert (failure.code, failure.transient) == ("empty", False)
        assert before == after == subject.embedder.embed_texts(["an owl"])[0]

    def test_a_picture_has_the_same_embedding_whether_it_is_sent_or_fetched(self, subject: Subject):
        (fetched,) = subject.embedder.embed_objects([subject.object_to_embed(OWL)])
        sent = subject.embedder.embed_image(OWL)
        assert fetched == sent
        assert isinstance(fetched, ImageEmbedding)
        assert (fetched.size, len(fetched.md5)) == (len(OWL), 32)

    def test_each_object_has_its_own_result_in_order_and_each_picture_a_thumbnail(self, subject: Subject):
        keys = [uuid4().hex for _ in range(4)]
        bodies = [OWL, TEXT_FILE, None, PIG]
        objects = [subject.object_to_embed(body, key) for body, key in zip(bodies, keys, strict=True)]
        owl, text_file, missing, pig = subject.embedder.embed_objects(objects)
        assert isinstance(owl, ImageEmbedding) and isinstance(pig, ImageEmbedding)
        assert (owl.size, pig.size) == (len(OWL), len(PIG))
        assert isinstance(text_file, ReadFailure) and isinstance(missing, ReadFailure)
        assert (text_file.code, text_file.transient) == ("not_an_image", False)
        assert (missing.code, missing.transient) == ("source_not_found", False)
        thumbnails = [subject.storage.thumbnail("collection", key) is not None for key in keys]
        assert thumbnails == [True, False, False, True]

    @pytest.mark.parametrize("size", ThumbnailSize)
    def test_a_thumbnail_is_made_of_the_bytes_that_were_meant(self, subject: Subject, size: ThumbnailSize):
        made, refused = (uuid4().hex for _ in range(2))
        md5 = hashlib.md5(OWL, usedforsecurity=False).hexdigest()
        for key, picture in ((made, OWL), (refused, PIG)):
            upload_url = subject.storage.thumbnail_upload_url("collection", key, size=size, seconds=300)
            failure = subject.embedder.make_thumbnail(ThumbnailToMake(subject.url_of(picture), upload_url, size, md5))
            assert (failure.code if failure else None) == (None if key == made else "source_not_found")
        assert subject.storage.thumbnail("collection", made, size)
        assert subject.storage.thumbnail("collection", refused, size) is None

    def test_a_small_thumbnail_is_made_of_a_stored_one(self, subject: Subject):
        key, small = uuid4().hex, ThumbnailSize.SMALL
        subject.embedder.embed_objects([subject.object_to_embed(OWL, key)])
        urls = (
            subject.storage.thumbnail_url("collection", key, seconds=300),
            subject.storage.thumbnail_upload_url("collection", key, size=small, seconds=300),
        )
        assert subject.embedder.make_thumbnail(ThumbnailToMake(*urls, small)) is None
        assert subject.storage.thumbnail("collection", key, small)

    def test_an_empty_file_cannot_be_read(self, subject: Subject):
        failure = subject.embedder.embed_image(b"")
        assert isinstance(failure, ReadFailure)
        assert (failure.code, failure.transient) == ("empty", False)


def fake_subject() -> Subject:
    sources = FakeSources()
    storage = FakeStorage(sources)

    def url_of(body: bytes | None) -> str:
        key = uuid4().hex
        if body is not None:
            sources.bucket("a-bucket").put(key, body)
        return f"fake-s3://a-bucket/{key}"

    embedder = FakeEmbedder(sources, storage)
    embedder.calibration = a_calibration()
    return Subject(embedder, storage, url_of)


class TestFake(EmbedderContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return fake_subject()

    def test_an_embedder_that_is_down_is_unavailable(self, subject: Subject):
        assert isinstance(subject.embedder, FakeEmbedder)
        subject.embedder.down = True
        with pytest.raises(EmbedderUnavailable):
            subject.embedder.embed_texts(["an owl"])


class TestDeployedFunction(EmbedderContract):
    @pytest.fixture
    def subject(self, stack: LocalSystem, aws: Callable[..., Any]) -> Subject:
        s3, outputs = aws("s3", config=S3_CLIENT), stack.outputs
        storage = S3Storage(s3, outputs["ManagedBucketName"], outputs["ThumbnailsBucketName"])

        def url_of(body: bytes | None) -> str:
            address = {"Bucket": outputs["ManagedBucketName"], "Key": f"contract/{uuid4().hex}"}
            if body is not None:
                s3.put_object(**address, Body=body)
            return str(s3.generate_presigned_url("get_object", Params=address))

        return Subject(LambdaEmbedder(aws("lambda"), outputs["EmbedderName"]), storage, url_of)

    def test_a_function_that_does_not_exist_is_unavailable(self, aws: Callable[..., Any]):
        with pytest.raises(EmbedderUnavailable):
            LambdaEmbedder(aws("lambda"), "no-such-function").embed_texts(["an owl"])
