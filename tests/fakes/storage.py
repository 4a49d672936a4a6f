"""The application's own buckets in memory: managed pictures, and thumbnails."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from chalicelib.domain.errors import Contention, NotFound
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.uploads import ManagedArea, UploadForm
from chalicelib.services.ports import Clock
from tests.fakes.buckets import SCHEME, FakeSources, etag
from tests.fakes.clock import FakeClock

MAX_KEYS_PER_DELETION = 2
THUMBNAIL_SCHEME = "fake-thumbnails://"


class FakeStorage:
    """Keeps ``thumbnails`` by collection and thumbnail key; the managed bucket is one of ``sources``."""

    def __init__(self, sources: FakeSources, bucket: str = "managed", now: Clock | None = None) -> None:
        self.thumbnails: dict[tuple[str, str], bytes] = {}
        self._stored_at: dict[tuple[str, str], datetime] = {}
        self._now = now or FakeClock()
        self._sources = sources
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def put(self, area: ManagedArea, key: str, body: bytes, content_type: str) -> ObjectInfo:
        assert "/" in content_type
        self._sources.bucket(self._bucket).put(area.check(key), body)
        return ObjectInfo(key, etag(body), len(body))

    def copy(self, area: ManagedArea, key: str, target: str, content_type: str, *, md5: str, upload: str) -> None:
        assert "/" in content_type
        managed = self._sources.bucket(self._bucket)
        if area.check(key) not in managed.objects:
            raise NotFound("The uploaded file no longer exists.")
        if etag(managed.objects[key]) != md5:
            raise Contention("The file was sent again while it was read.")
        managed.put(area.check(target), managed.objects[key], upload=upload)

    def stored_by(self, area: ManagedArea, key: str) -> str | None:
        managed = self._sources.bucket(self._bucket)
        return managed.uploads.get(key, "") if area.check(key) in managed.objects else None

    def delete(self, area: ManagedArea, key: str) -> None:
        self._sources.bucket(self._bucket).delete(area.check(key))

    def presigned_get(self, area: ManagedArea, key: str, *, seconds: int) -> str:
        return f"{SCHEME}{self._bucket}/{quote(area.check(key), safe='')}"

    def presigned_form(self, area: ManagedArea, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        fields = {"key": area.check(key), "size": str(size), "Content-Type": content_type}
        return UploadForm(f"{SCHEME}{self._bucket}", fields)

    def delete_page(self, area: ManagedArea) -> bool:
        managed = self._sources.bucket(self._bucket)
        keys = [key for key in managed.objects if key.startswith(area.prefixes)][:MAX_KEYS_PER_DELETION]
        for key in keys:
            managed.delete(key)
        return bool(keys)

    def delete_thumbnails_page(self, collection: str) -> bool:
        keys = [key for key in self.thumbnails if key[0] == collection][:MAX_KEYS_PER_DELETION]
        for key in keys:
            del self.thumbnails[key]
        return bool(keys)

    def thumbnail(self, collection: str, thumbnail_key: str) -> bytes | None:
        return self.thumbnails.get((collection, thumbnail_key))

    def thumbnail_upload_url(self, collection: str, thumbnail_key: str, *, seconds: int) -> str:
        return f"{THUMBNAIL_SCHEME}{collection}/{thumbnail_key}"

    def receive(self, url: str, jpeg: bytes) -> None:
        """Store a thumbnail, as a PUT to its presigned URL does."""
        assert url.startswith(THUMBNAIL_SCHEME)
        collection, _, thumbnail_key = url.removeprefix(THUMBNAIL_SCHEME).partition("/")
        self._store(collection, thumbnail_key, jpeg)

    def copy_thumbnail(self, collection: str, thumbnail_key: str, to_collection: str, to_key: str) -> bool:
        if (collection, thumbnail_key) not in self.thumbnails:
            return False
        self._store(to_collection, to_key, self.thumbnails[collection, thumbnail_key])
        return True

    def delete_thumbnail(self, collection: str, thumbnail_key: str) -> None:
        self.thumbnails.pop((collection, thumbnail_key), None)

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        for owner, thumbnail_key in sorted(self.thumbnails):
            if owner == collection and self._stored_at[owner, thumbnail_key] < before:
                yield thumbnail_key

    def _store(self, collection: str, thumbnail_key: str, jpeg: bytes) -> None:
        self.thumbnails[collection, thumbnail_key] = jpeg
        self._stored_at[collection, thumbnail_key] = self._now()
