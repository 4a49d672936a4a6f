"""Customers' buckets in memory, and the sources that read them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import OutsideFolder, SourceDenied, SourceUnavailable
from chalicelib.domain.files import NO_ETAG, ObjectInfo
from chalicelib.domain.metadata import object_metadata
from chalicelib.domain.storage_servers import ETagMeaning

SCHEME = "fake-s3://"
MODIFIED = datetime(2025, 6, 7, 8, 9, 10, tzinfo=UTC)  # when an object was stored, unless a test says otherwise


@dataclass
class FakeBucket:
    """Objects by key, the ids of the uploads that stored some of them, and faults that a test sets.

    ``metadata`` is the user metadata of objects that have any, and ``modified`` when those were stored that a test has
    stored again with the same bytes.
    ``denied`` are keys that may not be read, ``sealed`` those whose encryption key may not be used, ``archived`` those
    that must be restored first. If ``unlisted`` is set, the bucket may not be listed; ``breaks_off`` is the number of
    objects after which a listing fails; ``down`` makes every call fail. ``region`` is None if any will do.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    modified: dict[str, datetime] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    sealed: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    unlisted: bool = False
    breaks_off: int | None = None
    down: bool = False
    region: str | None = None

    def put(self, key: str, body: bytes, upload: str | None = None) -> None:
        """Store an object, with the id of its upload among its metadata if one is given."""
        assert 1 <= len(key.encode()) <= 1024
        self.delete(key)
        self.objects[key] = body
        if upload is not None:
            self.uploads[key] = upload

    def put_again(self, key: str, metadata: dict[str, str], modified: datetime) -> None:
        """Store an object's bytes again with other metadata, as a copy onto itself does."""
        self.metadata[key], self.modified[key] = metadata, modified

    def delete(self, key: str) -> None:
        for stored in (self.objects, self.uploads, self.metadata, self.modified):
            stored.pop(key, None)

    def info(self, key: str) -> ObjectInfo | None:
        body = self.objects.get(key)
        modified = self.modified.get(key, MODIFIED)
        return None if body is None else ObjectInfo(key, etag(body), len(body), modified)

    def head_object(self, key: str) -> ObjectInfo | ReadFailure | None:
        if key in self.denied:
            return ReadFailure("access_denied", "The bucket refuses, as the test wants it.", transient=False)
        if key in self.archived and key in self.objects:
            return ReadFailure("archived", "It is in an archive, as the test wants it.", transient=False)
        found = self.info(key)
        return None if found is None else replace(found, metadata=object_metadata(self.metadata.get(key, {})))


class FakeSources:
    """Buckets by name, created when a test first names them; a source of any other bucket cannot be read."""

    def __init__(self) -> None:
        self.buckets: dict[str, FakeBucket] = {}

    def bucket(self, name: str) -> FakeBucket:
        return self.buckets.setdefault(name, FakeBucket())

    def of(self, collection: Collection) -> "FakeSource":
        is_opaque = collection.server is None or collection.server.etags is ETagMeaning.OPAQUE
        return FakeSource(self, collection.bucket, collection.prefix, is_opaque)

    def fetch(self, url: str) -> bytes | ReadFailure | None:
        """What a GET of a presigned URL returns."""
        assert url.startswith(SCHEME)
        name, _, key = url.removeprefix(SCHEME).partition("?")[0].partition("/")
        bucket, key = self.bucket(name), unquote(key)
        if bucket.down:
            return ReadFailure("source_unavailable", "The bucket is down, as the test wants it.", transient=True)
        if key in bucket.denied | bucket.sealed:
            return ReadFailure("source_denied", "The bucket refuses, as the test wants it.", transient=False)
        if key in bucket.archived:
            return ReadFailure("archived", "It is in an archive, as the test wants it.", transient=False)
        return bucket.objects.get(key)


@dataclass(frozen=True)
class FakeSource:
    """``tells_etags``: as of a server whose ETags mean something, and of S3."""

    sources: FakeSources
    name: str
    prefix: str
    tells_etags: bool = True

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        bucket = self._bucket()
        if bucket.unlisted:
            raise SourceDenied("The bucket may not be listed, as the test wants it.")
        keys = sorted(bucket.objects, key=str.encode)
        keys = [key for key in keys if key.startswith(self.prefix) and (after is None or key.encode() > after.encode())]
        for number, key in enumerate(keys):
            if number == bucket.breaks_off:
                raise SourceUnavailable("The listing broke off, as the test wants it.")
            s3_object = bucket.info(key)
            if s3_object is not None:  # it may be gone since the listing began
                yield self._told(s3_object)

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, ObjectInfo | ReadFailure | None]:
        for key in keys:
            self._check(key)
        if self.name not in self.sources.buckets:
            return dict.fromkeys(keys)  # S3 answers a HEAD as if only the object were missing
        try:
            bucket = self._bucket()
        except SourceUnavailable as error:
            return dict.fromkeys(keys, ReadFailure(error.code, error.message, transient=True))
        heads = {key: bucket.head_object(key) for key in keys}
        return {key: self._told(head) if isinstance(head, ObjectInfo) else head for key, head in heads.items()}

    def presigned_get(self, key: str, *, seconds: int, file_name: str | None = None, show_as: str | None = None) -> str:
        suffix = f"?save-as={quote(file_name, safe='')}" if file_name is not None else ""
        suffix += f"&show-as={quote(show_as, safe='')}" if show_as is not None else ""
        return f"{SCHEME}{self.name}/{quote(self._check(key), safe='')}{suffix}"

    def _told(self, s3_object: ObjectInfo) -> ObjectInfo:
        return s3_object if self.tells_etags else replace(s3_object, etag=NO_ETAG)

    def _check(self, key: str) -> str:
        if not key.startswith(self.prefix):
            raise OutsideFolder("There is no such file.")
        return key

    def _bucket(self) -> FakeBucket:
        bucket = self.sources.buckets.get(self.name)
        if bucket is None:
            raise SourceDenied("There is no such bucket.")
        if bucket.down:
            raise SourceUnavailable("The bucket is down, as the test wants it.")
        return bucket


def etag(body: bytes) -> str:
    """The ETag that S3 gives an object that was uploaded in one part."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
