"""The application's own buckets in memory: managed pictures, and thumbnails."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import quote

from chalicelib.domain.errors import Contention, NotFound
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.thumbnails import ThumbnailCopy, ThumbnailSize
from chalicelib.domain.uploads import StoredObject, UploadForm
from chalicelib.services.ports import Area, Clock
from tests.fakes.buckets import SCHEME, FakeSources, etag
from tests.fakes.clock import FakeClock

MAX_KEYS_PER_DELETION = 2
THUMBNAIL_SCHEME = "fake-thumbnails://"


class FakeStorage:
    """Keeps ``thumbnails`` by collection and thumbnail key, and ``resized`` ones by size, too.

    The managed bucket is one of ``sources``.
    """

    def __init__(self, sources: FakeSources, bucket: str = "managed", now: Clock | None = None) -> None:
        self.thumbnails: dict[tuple[str, str], bytes] = {}
        self.resized: dict[tuple[str, str], dict[ThumbnailSize, bytes]] = {}
        self._stored_at: dict[tuple[str, str], datetime] = {}
        self._now = now or FakeClock()
        self._sources = sources
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def put(self, area: Area, key: str, body: bytes, content_type: str) -> ObjectInfo:
        assert "/" in content_type
        self._sources.bucket(self._bucket).put(area.check(key), body)
        return ObjectInfo(key, etag(body), len(body))

    def copy(self, area: Area, key: str, target: str, content_type: str, *, md5: str, upload: str) -> None:
        assert "/" in content_type
        managed = self._sources.bucket(self._bucket)
        if area.check(key) not in managed.objects:
            raise NotFound("The uploaded file no longer exists.")
        if etag(managed.objects[key]) != md5:
            raise Contention("The file was sent again while it was read.")
        managed.put(area.check(target), managed.objects[key], upload=upload)

    def stored(self, area: Area, key: str) -> StoredObject | None:
        managed = self._sources.bucket(self._bucket)
        if area.check(key) not in managed.objects:
            return None
        return StoredObject(managed.uploads.get(key, ""), etag(managed.objects[key]))

    def delete(self, area: Area, key: str) -> None:
        self._sources.bucket(self._bucket).delete(area.check(key))

    def presigned_get(self, area: Area, key: str, *, seconds: int) -> str:
        return f"{SCHEME}{self._bucket}/{quote(area.check(key), safe='')}"

    def presigned_form(self, area: Area, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        fields = {"key": area.check(key), "size": str(size), "Content-Type": content_type}
        return UploadForm(f"{SCHEME}{self._bucket}", fields)

    def delete_all(self, area: Area, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(area, key)

    def delete_page(self, area: Area) -> bool:
        managed = self._sources.bucket(self._bucket)
        keys = [key for key in managed.objects if key.startswith(area.prefixes)][:MAX_KEYS_PER_DELETION]
        for key in keys:
            managed.delete(key)
        return bool(keys)

    def delete_thumbnails_page(self, collection: str) -> bool:
        stored = {*self.thumbnails, *self.resized}
        keys = sorted(key for key in stored if key[0] == collection)[:MAX_KEYS_PER_DELETION]
        for key in keys:
            self.delete_thumbnail(*key)
        return bool(keys)

    def thumbnail(
        self, collection: str, thumbnail_key: str, size: ThumbnailSize = ThumbnailSize.MEDIUM
    ) -> bytes | None:
        if size is not ThumbnailSize.MEDIUM:
            return self.resized.get((collection, thumbnail_key), {}).get(size)
        return self.thumbnails.get((collection, thumbnail_key))

    def thumbnail_url(self, collection: str, thumbnail_key: str, *, seconds: int) -> str:
        return self.thumbnail_upload_url(collection, thumbnail_key, seconds=seconds)

    def thumbnail_upload_url(
        self, collection: str, thumbnail_key: str, *, size: ThumbnailSize = ThumbnailSize.MEDIUM, seconds: int
    ) -> str:
        return f"{THUMBNAIL_SCHEME}{collection}/{thumbnail_key}#{size}"

    def fetch_thumbnail(self, url: str) -> bytes | None:
        """The thumbnail that a presigned URL leads to; None if the URL is none of a thumbnail."""
        if not url.startswith(THUMBNAIL_SCHEME):
            return None
        collection, thumbnail_key, size = _parts(url)
        return self.thumbnail(collection, thumbnail_key, size)

    def receive(self, url: str, jpeg: bytes) -> None:
        """Store a thumbnail, as a PUT to its presigned URL does."""
        assert url.startswith(THUMBNAIL_SCHEME)
        collection, thumbnail_key, size = _parts(url)
        if size is ThumbnailSize.MEDIUM:
            self._store(collection, thumbnail_key, jpeg)
        else:
            self.resized.setdefault((collection, thumbnail_key), {})[size] = jpeg
            self._stored_at.setdefault((collection, thumbnail_key), self._now())

    def copy_thumbnails(self, copies: Sequence[ThumbnailCopy]) -> list[bool]:
        found = [(copy.collection, copy.key) in self.thumbnails for copy in copies]
        for copy, is_found in zip(copies, found, strict=True):
            if is_found:
                self._store(copy.to_collection, copy.to_key, self.thumbnails[copy.collection, copy.key])
        return found

    def delete_thumbnail(self, collection: str, thumbnail_key: str) -> None:
        self.thumbnails.pop((collection, thumbnail_key), None)
        self.resized.pop((collection, thumbnail_key), None)

    def delete_thumbnails(self, collection: str, thumbnail_keys: Sequence[str]) -> None:
        for key in thumbnail_keys:
            self.delete_thumbnail(collection, key)

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        for owner, thumbnail_key in sorted({*self.thumbnails, *self.resized}):
            if owner == collection and self._stored_at[owner, thumbnail_key] < before:
                yield thumbnail_key

    def _store(self, collection: str, thumbnail_key: str, jpeg: bytes) -> None:
        self.thumbnails[collection, thumbnail_key] = jpeg
        self._stored_at[collection, thumbnail_key] = self._now()


def _parts(url: str) -> tuple[str, str, ThumbnailSize]:
    path, _, size = url.removeprefix(THUMBNAIL_SCHEME).partition("#")
    collection, _, thumbnail_key = path.partition("/")
    return collection, thumbnail_key, ThumbnailSize(int(size))
