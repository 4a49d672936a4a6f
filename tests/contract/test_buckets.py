"""What every source, and our own storage, must hold: one suite, run on the fakes and on the emulator's S3."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import uuid4

import pytest
import requests

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.collections import CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied
from chalicelib.domain.files import ObjectInfo
from chalicelib.services.ports import ManagedStorage, Source, Sources
from tests.factories import AWKWARD_KEYS, a_collection
from tests.fakes.buckets import FakeSources
from tests.fakes.clock import FakeClock
from tests.fakes.storage import FakeStorage


@dataclass(frozen=True)
class World:
    """Sources and storage, and what a test does to buckets from outside."""

    sources: Sources
    storage: ManagedStorage
    bucket: str
    put: Callable[[str, bytes], None]
    fetch: Callable[[str], bytes]
    send: Callable[[str, bytes], None]
    archive: Callable[[str, bytes], None]
    now: Callable[[], datetime]

    def source(self, prefix: str, bucket: str | None = None) -> Source:
        managed = a_collection(
            type=CollectionType.MANAGED, bucket=bucket or self.bucket, prefix=prefix, role_arn=None, external_id=None
        )
        return self.sources.of(managed)


class BucketsContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    @pytest.fixture
    def prefix(self) -> str:
        return f"{uuid4().hex}/"

    def test_the_walk_goes_by_the_bytes_of_the_keys_below_the_prefix(self, world: World, prefix: str):
        keys = [prefix + key for key in AWKWARD_KEYS if len((prefix + key).encode()) <= 1024]
        for key in reversed(keys):
            world.put(key, b"a picture")
        world.put(f"{prefix[:-1]}-beside/x", b"not below it")
        source = world.source(prefix)
        assert [found.key for found in source.list_objects(None)] == keys
        for place, key in enumerate(keys):
            assert [found.key for found in source.list_objects(key)] == keys[place + 1 :]

    def test_the_walk_passes_over_pages(self, world: World, prefix: str):
        keys = [f"{prefix}{number:04}" for number in range(1005)]
        for key in keys:
            world.put(key, b"")
        assert [found.key for found in world.source(prefix).list_objects(None)] == keys

    def test_the_walk_and_a_look_agree_on_what_an_object_is(self, world: World, prefix: str):
        world.put(f"{prefix}a b+ü.jpg", b"a picture")
        source = world.source(prefix)
        expected = ObjectInfo(f"{prefix}a b+ü.jpg", md5(b"a picture", usedforsecurity=False).hexdigest(), 9)
        assert list(source.list_objects(None)) == [expected]
        assert source.head_objects([expected.key, f"{prefix}none"]) == {expected.key: expected, f"{prefix}none": None}

    def test_an_archived_object_is_listed_and_cannot_be_read(self, world: World, prefix: str):
        world.archive(f"{prefix}a.jpg", b"a picture")
        world.put(f"{prefix}b.jpg", b"a picture")
        source = world.source(prefix)
        assert [found.key for found in source.list_objects(None)] == [f"{prefix}a.jpg", f"{prefix}b.jpg"]
        looked = source.head_objects([f"{prefix}a.jpg", f"{prefix}b.jpg"])
        refused = looked[f"{prefix}a.jpg"]
        assert isinstance(refused, ReadFailure) and (refused.code, refused.transient) == ("archived", False)
        assert isinstance(looked[f"{prefix}b.jpg"], ObjectInfo), "its neighbour can"

    def test_a_bucket_that_is_not_there_cannot_be_listed(self, world: World):
        with pytest.raises(SourceDenied):
            list(world.source("", bucket=f"missing-{uuid4().hex}").list_objects(None))

    def test_a_url_gives_the_object_to_whoever_has_it(self, world: World, prefix: str):
        key = f"{prefix}a b+ü ?&#%.jpg"
        world.put(key, b"a picture")
        source = world.source(prefix)
        assert world.fetch(source.url(key, seconds=60)) == b"a picture"
        assert world.fetch(source.url(key, seconds=60, file_name='a "b" ü.jpg')) == b"a picture"

    def test_what_is_stored_is_there_at_once(self, world: World, prefix: str):
        stored = world.storage.put(f"{prefix}a.jpg", b"a picture", "image/jpeg")
        assert stored == ObjectInfo(f"{prefix}a.jpg", md5(b"a picture", usedforsecurity=False).hexdigest(), 9)
        assert world.source(prefix, world.storage.bucket).head_objects([stored.key]) == {stored.key: stored}

    def test_a_thumbnail_is_what_was_sent_to_its_url(self, world: World):
        collection, file = str(uuid4()), str(uuid4())
        assert world.storage.thumbnail(collection, file) is None
        world.send(world.storage.thumbnail_upload_url(collection, file, seconds=60), b"a small picture")
        assert world.storage.thumbnail(collection, file) == b"a small picture"
        assert world.storage.thumbnail(str(uuid4()), file) is None

    def test_a_thumbnail_is_copied_and_deleted(self, world: World):
        collection, file, copy = (str(uuid4()) for _ in range(3))
        world.send(world.storage.thumbnail_upload_url(collection, file, seconds=60), b"a small picture")
        assert world.storage.copy_thumbnail(collection, file, collection, copy)
        world.storage.delete_thumbnail(collection, file)
        assert world.storage.thumbnail(collection, file) is None
        assert world.storage.thumbnail(collection, copy) == b"a small picture"
        assert not world.storage.copy_thumbnail(collection, file, collection, copy)
        world.storage.delete_thumbnail(collection, file)

    def test_thumbnails_are_told_by_collection_and_age(self, world: World):
        collection, places = str(uuid4()), [f"{uuid4()}/{number:016x}" for number in range(3)]
        for owner, place in ((collection, places[0]), (collection, places[1]), (str(uuid4()), places[2])):
            world.send(world.storage.thumbnail_upload_url(owner, place, seconds=60), b"a small picture")
        later = world.now() + timedelta(minutes=1)
        assert sorted(world.storage.stored_thumbnails(collection, later)) == sorted(places[:2])
        assert list(world.storage.stored_thumbnails(collection, later - timedelta(days=1))) == []
        assert list(world.storage.stored_thumbnails(str(uuid4()), later)) == []


class TestTheFakes(BucketsContract):
    @pytest.fixture
    def world(self) -> World:
        sources = FakeSources()
        storage = FakeStorage(sources)

        def fetch(url: str) -> bytes:
            found = sources.fetch(url)
            assert isinstance(found, bytes)
            return found

        customers = sources.bucket("a-bucket")

        def archive(key: str, body: bytes) -> None:
            customers.put(key, body)
            customers.archived.add(key)

        return World(sources, storage, "a-bucket", customers.put, fetch, storage.receive, archive, FakeClock())


@pytest.fixture(scope="module")
def s3_world(aws: Callable[..., Any]) -> World:
    s3, names = (
        aws("s3", config=S3_CLIENT),
        [f"{kind}-{uuid4().hex}" for kind in ("customers", "managed", "thumbnails")],
    )
    for name in names:
        s3.create_bucket(Bucket=name)

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket=names[0], Key=key, Body=body)

    def now() -> datetime:
        return datetime.now(UTC)

    def archive(key: str, body: bytes) -> None:
        s3.put_object(Bucket=names[0], Key=key, Body=body, StorageClass="GLACIER")

    def fetch(url: str) -> bytes:
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        return answer.content

    def send(url: str, body: bytes) -> None:
        requests.put(url, data=body, headers={"Content-Type": "image/jpeg"}, timeout=10).raise_for_status()

    sources = S3Sources(s3, lambda: aws("sts"), lambda region, credentials: s3)
    return World(sources, S3Storage(s3, names[1], names[2]), names[0], put, fetch, send, archive, now)


class TestS3(BucketsContract):
    @pytest.fixture
    def world(self, s3_world: World) -> World:
        return s3_world
