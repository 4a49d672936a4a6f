"""The contract of S3's sources and of the managed storage: one suite, run on the fakes and on the emulator's S3."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import uuid4

import pytest
import requests

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import Contention, NotFound, OutsideFolder
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.search_uploads import SearchUploadArea
from chalicelib.domain.thumbnails import ThumbnailCopy, ThumbnailSize
from chalicelib.domain.uploads import ManagedArea, StoredObject
from chalicelib.services.ports import ManagedStorage
from tests.contract.test_sources import SourcesContract, SourcesSubject, downloaded
from tests.factories import a_collection
from tests.fakes.buckets import MODIFIED, FakeSources
from tests.fakes.clock import FakeClock
from tests.fakes.storage import FakeStorage


@dataclass(frozen=True, kw_only=True)
class Subject(SourcesSubject):
    """Sources and storage, and what a test does to buckets without them.

    ``archive`` stores an object in ``bucket``, ``copy_onto_itself`` gives one other user metadata, ``upload`` uses a
    presigned URL, and ``now`` is the clock of the storage.
    """

    storage: ManagedStorage
    copy_onto_itself: Callable[[str, dict[str, str]], None]
    upload: Callable[[str, bytes], None]
    archive: Callable[[str, bytes], None]
    now: Callable[[], datetime]


class BucketsContract(SourcesContract):
    """What the managed storage promises, and what S3 promises beyond other servers."""

    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    @pytest.fixture
    def area(self) -> ManagedArea:
        return ManagedArea(str(uuid4()), str(uuid4()))

    def test_the_etag_of_an_object_is_the_md5_of_its_bytes(self, subject: Subject, prefix: str):
        subject.put(f"{prefix}a.jpg", b"a picture")
        expected = ObjectInfo(f"{prefix}a.jpg", md5(b"a picture", usedforsecurity=False).hexdigest(), 9)
        assert list(subject.source(prefix).list_objects(None)) == [expected]

    def test_a_head_has_the_user_metadata_and_a_copy_onto_itself_changes_it_alone(self, subject: Subject, prefix: str):
        key = f"{prefix}a.jpg"
        subject.put(key, b"a picture")
        source = subject.source(prefix)
        before = source.head_objects([key])[key]
        assert isinstance(before, ObjectInfo) and before.metadata == {}
        subject.copy_onto_itself(key, {"product_id": "A1", "photographer": "=?UTF-8?B?TcO8bGxlcg==?="})
        after = source.head_objects([key])[key]
        assert isinstance(after, ObjectInfo) and after == before
        assert after.metadata == {"product_id": "A1", "photographer": "Müller"}

    def test_an_archived_object_is_listed_but_cannot_be_read(self, subject: Subject, prefix: str):
        subject.archive(f"{prefix}a.jpg", b"a picture")
        subject.put(f"{prefix}b.jpg", b"a picture")
        source = subject.source(prefix)
        assert [listed.key for listed in source.list_objects(None)] == [f"{prefix}a.jpg", f"{prefix}b.jpg"]
        heads = source.head_objects([f"{prefix}a.jpg", f"{prefix}b.jpg"])
        failure = heads[f"{prefix}a.jpg"]
        assert isinstance(failure, ReadFailure) and (failure.code, failure.transient) == ("archived", False)
        assert isinstance(heads[f"{prefix}b.jpg"], ObjectInfo), "its neighbour can be read"

    def test_a_stored_object_can_be_read_at_once(self, subject: Subject, area: ManagedArea):
        prefix = area.prefixes[0]
        stored = subject.storage.put(area, f"{prefix}a.jpg", b"a picture", "image/jpeg")
        assert stored == ObjectInfo(f"{prefix}a.jpg", md5(b"a picture", usedforsecurity=False).hexdigest(), 9)
        assert subject.source(prefix, subject.storage.bucket).head_objects([stored.key]) == {stored.key: stored}

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "{own}",
            "{own}/",
            "{own}/.",
            "{own}/..",
            "{own}/x//a.jpg",
            "{own}/x/",
            "{own}/../{id}/a.jpg",
            "objects/{id}/{id}/a.jpg",
        ],
    )
    def test_no_call_to_the_storage_reaches_a_key_outside_the_area_of_the_collection(
        self, subject: Subject, area: ManagedArea, key: str
    ):
        storage, own = subject.storage, f"{area.prefixes[0]}a.jpg"
        key = key.format(own=area.prefixes[0][:-1], id=uuid4())
        digest = storage.put(area, own, b"a picture", "image/jpeg").etag
        calls: list[Callable[[], object]] = [
            lambda: storage.put(area, key, b"mine", "image/jpeg"),
            lambda: storage.copy(area, own, key, "image/jpeg", md5=digest, upload="u"),
            lambda: storage.copy(area, key, own, "image/jpeg", md5=digest, upload="u"),
            lambda: storage.stored(area, key),
            lambda: storage.delete(area, key),
            lambda: storage.presigned_get(area, key, seconds=60),
            lambda: storage.presigned_form(area, key, size=1, content_type="image/jpeg", seconds=60),
        ]
        for call in calls:
            with pytest.raises(OutsideFolder):
                call()

    @pytest.mark.parametrize(
        "key", ["", "{own}", "{own}/", "{own}/..", "{own}/x/y", "queries/{id}/x", "objects/{id}/{id}/a.jpg"]
    )
    def test_no_call_for_a_search_upload_reaches_a_key_outside_the_folder_of_the_account(
        self, subject: Subject, key: str
    ):
        storage, area = subject.storage, SearchUploadArea(str(uuid4()))
        key = key.format(own=area.prefixes[0][:-1], id=uuid4())
        calls: list[Callable[[], object]] = [
            lambda: storage.stored(area, key),
            lambda: storage.delete(area, key),
            lambda: storage.presigned_get(area, key, seconds=60),
            lambda: storage.presigned_form(area, key, size=1, content_type="image/jpeg", seconds=60),
        ]
        for call in calls:
            with pytest.raises(OutsideFolder):
                call()

    def test_an_object_is_copied_only_while_its_bytes_are_the_expected_ones(self, subject: Subject, area: ManagedArea):
        storage, (objects, uploads, _) = subject.storage, area.prefixes
        staged, stored = f"{uploads}u", f"{objects}stored ü.jpg"
        opened = storage.put(area, staged, b"a picture", "image/jpeg")
        storage.put(area, staged, b"no picture any more", "image/jpeg")
        with pytest.raises(Contention):
            storage.copy(area, staged, stored, "image/jpeg", md5=opened.etag, upload="an-upload")
        assert storage.stored(area, stored) is None
        storage.put(area, staged, b"a picture", "image/jpeg")
        storage.copy(area, staged, stored, "image/jpeg", md5=opened.etag, upload="an-upload")
        assert subject.source(objects, storage.bucket).head_objects([stored]) == {stored: replace(opened, key=stored)}

    def test_a_copy_names_the_upload_that_stored_it(self, subject: Subject, area: ManagedArea):
        storage, (objects, uploads, _) = subject.storage, area.prefixes
        staged, stored = f"{uploads}staged ü", f"{objects}stored ü.jpg"
        md5 = storage.put(area, staged, b"a picture", "application/octet-stream").etag
        assert storage.stored(area, stored) is None
        for upload in ("an-upload", "another-upload"):
            storage.copy(area, staged, stored, "image/jpeg", md5=md5, upload=upload)
            assert storage.stored(area, stored) == StoredObject(upload, md5)
            assert storage.stored(area, staged) == StoredObject("", md5)
        storage.delete(area, stored)
        assert storage.stored(area, stored) is None

    def test_an_object_that_does_not_exist_cannot_be_copied(self, subject: Subject, area: ManagedArea):
        missing, stored = f"{area.prefixes[1]}missing", f"{area.prefixes[0]}stored"
        with pytest.raises(NotFound):
            subject.storage.copy(area, missing, stored, "image/jpeg", md5="0" * 32, upload="an-upload")
        assert subject.storage.stored(area, stored) is None

    def test_the_pages_of_an_area_are_deleted_and_no_other_areas(self, subject: Subject, area: ManagedArea):
        beside = replace(area, collection=f"{area.collection}x")
        for owner in (area, beside):
            for prefix in owner.prefixes:
                subject.storage.put(owner, f"{prefix}a.jpg", b"a picture", "image/jpeg")
        while subject.storage.delete_page(area):
            pass
        for owner, left in ((area, 0), (beside, 1)):
            for prefix in owner.prefixes:
                listed = list(subject.source(prefix, subject.storage.bucket).list_objects(None))
                assert len(listed) == left, prefix

    def test_a_thumbnail_is_the_body_uploaded_to_its_url(self, subject: Subject):
        collection, key = str(uuid4()), str(uuid4())
        assert subject.storage.thumbnail(collection, key) is None
        subject.upload(subject.storage.thumbnail_upload_url(collection, key, seconds=60), b"a small picture")
        assert subject.storage.thumbnail(collection, key) == b"a small picture"
        assert subject.storage.thumbnail(str(uuid4()), key) is None

    def test_a_thumbnail_is_copied_and_deleted(self, subject: Subject):
        collection, key, copy = (str(uuid4()) for _ in range(3))
        subject.upload(subject.storage.thumbnail_upload_url(collection, key, seconds=60), b"a small picture")
        copies = [ThumbnailCopy(collection, source, collection, copy) for source in (key, "none")]
        assert subject.storage.copy_thumbnails(copies) == [True, False]
        subject.storage.delete_thumbnail(collection, key)
        assert subject.storage.thumbnail(collection, key) is None
        assert subject.storage.thumbnail(collection, copy) == b"a small picture"
        assert subject.storage.copy_thumbnails(copies) == [False, False]
        subject.storage.delete_thumbnail(collection, key)

    def test_objects_and_thumbnails_are_deleted_together_whether_they_exist_or_not(self, subject: Subject):
        storage, collection = subject.storage, str(uuid4())
        area = ManagedArea(str(uuid4()), collection)
        keys = [f"{area.prefixes[0]}{number}.jpg" for number in range(3)]
        for key in keys[:2]:
            storage.put(area, key, b"a picture", "image/jpeg")
            subject.upload(storage.thumbnail_upload_url(collection, key[-5:], seconds=60), b"a small picture")
        storage.delete_all(area, keys)
        storage.delete_thumbnails(collection, [key[-5:] for key in keys])
        assert [storage.stored(area, key) for key in keys] == [None] * 3
        assert [storage.thumbnail(collection, key[-5:]) for key in keys] == [None] * 3
        with pytest.raises(OutsideFolder):
            storage.delete_all(area, [keys[0], "objects/somebody/else.jpg"])

    def test_each_size_of_a_thumbnail_is_stored_by_itself_and_all_are_deleted_together(self, subject: Subject):
        collection, storage = str(uuid4()), subject.storage
        key, other = (f"{uuid4()}/{number:016x}" for number in range(2))
        for name in (key, other):
            for size in ThumbnailSize:
                url = storage.thumbnail_upload_url(collection, name, size=size, seconds=60)
                subject.upload(url, b"of %d pixels" % size)
        assert [storage.thumbnail(collection, key, size) for size in ThumbnailSize] == [
            b"of 256 pixels",
            b"of 512 pixels",
            b"of 1024 pixels",
        ]
        later = subject.now() + timedelta(minutes=1)
        assert sorted(storage.stored_thumbnails(collection, later)) == sorted([key, other])
        storage.delete_thumbnail(collection, key)
        assert not any(storage.thumbnail(collection, key, size) for size in ThumbnailSize)
        assert all(storage.thumbnail(collection, other, size) for size in ThumbnailSize)
        while storage.delete_thumbnails_page(collection):
            pass
        assert list(storage.stored_thumbnails(collection, later)) == []

    def test_stored_thumbnails_are_listed_by_collection_and_age(self, subject: Subject):
        collection, keys = str(uuid4()), [f"{uuid4()}/{number:016x}" for number in range(3)]
        for owner, key in ((collection, keys[0]), (collection, keys[1]), (str(uuid4()), keys[2])):
            subject.upload(subject.storage.thumbnail_upload_url(owner, key, seconds=60), b"a small picture")
        later = subject.now() + timedelta(minutes=1)
        assert sorted(subject.storage.stored_thumbnails(collection, later)) == sorted(keys[:2])
        assert list(subject.storage.stored_thumbnails(collection, later - timedelta(days=1))) == []
        assert list(subject.storage.stored_thumbnails(str(uuid4()), later)) == []


def on_our_own_bucket(bucket: str, prefix: str) -> Collection:
    """A collection that is read by the application's own permission."""
    return a_collection(type=CollectionType.MANAGED, bucket=bucket, prefix=prefix, role_arn=None, external_id=None)


class TestFakes(BucketsContract):
    @pytest.fixture
    def subject(self) -> Subject:
        sources = FakeSources()
        storage = FakeStorage(sources)
        bucket = sources.bucket("a-bucket")

        def download(url: str) -> bytes:
            body = sources.fetch(url)
            assert isinstance(body, bytes)
            return body

        def archive(key: str, body: bytes) -> None:
            bucket.put(key, body)
            bucket.archived.add(key)

        def put_all(keys: Sequence[str]) -> None:
            for key in keys:
                bucket.put(key, b"")

        def copy_onto_itself(key: str, metadata: dict[str, str]) -> None:
            bucket.put_again(key, metadata, MODIFIED)

        return Subject(
            sources=sources,
            bucket="a-bucket",
            collection_on=on_our_own_bucket,
            put=bucket.put,
            put_all=put_all,
            download=download,
            storage=storage,
            copy_onto_itself=copy_onto_itself,
            upload=storage.receive,
            archive=archive,
            now=FakeClock(),
        )


@pytest.fixture(scope="module")
def s3_subject(aws: Callable[..., Any]) -> Subject:
    s3 = aws("s3", config=S3_CLIENT)
    connected, managed, thumbnails = (f"{kind}-{uuid4().hex}" for kind in ("connected", "managed", "thumbnails"))
    for bucket in (connected, managed, thumbnails):
        s3.create_bucket(Bucket=bucket)

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket=connected, Key=key, Body=body)

    def put_all(keys: Sequence[str]) -> None:
        for key in keys:
            put(key, b"")

    def copy_onto_itself(key: str, metadata: dict[str, str]) -> None:
        source = {"Bucket": connected, "Key": key}
        s3.copy_object(Bucket=connected, Key=key, CopySource=source, MetadataDirective="REPLACE", Metadata=metadata)

    def archive(key: str, body: bytes) -> None:
        s3.put_object(Bucket=connected, Key=key, Body=body, StorageClass="GLACIER")

    def now() -> datetime:
        return datetime.now(UTC)

    def upload(url: str, body: bytes) -> None:
        requests.put(url, data=body, headers={"Content-Type": "image/jpeg"}, timeout=10).raise_for_status()

    sources = S3Sources(s3, lambda: aws("sts"), lambda region, credentials: s3)
    storage = S3Storage(s3, managed, thumbnails)
    return Subject(
        sources=sources,
        bucket=connected,
        collection_on=on_our_own_bucket,
        put=put,
        put_all=put_all,
        download=downloaded,
        storage=storage,
        copy_onto_itself=copy_onto_itself,
        upload=upload,
        archive=archive,
        now=now,
    )


class TestS3OnTheEmulator(BucketsContract):
    @pytest.fixture
    def subject(self, s3_subject: Subject) -> Subject:
        return s3_subject
