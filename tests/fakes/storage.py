"""Our own buckets in memory: managed pictures, and thumbnails."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.uploads import UploadForm
from chalicelib.services.ports import Clock
from tests.fakes.buckets import SCHEME, FakeSources, etag
from tests.fakes.clock import FakeClock

PAGE = 2  # objects that one call removes
THUMBNAILS = "fake-thumbnails://"


class FakeStorage:
    """What a test may look at: ``thumbnails`` by collection and place; the managed bucket is one of ``sources``."""

    def __init__(self, sources: FakeSources, bucket: str = "managed", now: Clock | None = None) -> None:
        self.thumbnails: dict[tuple[str, str], bytes] = {}
        self._stored_at: dict[tuple[str, str], datetime] = {}
        self._now = now or FakeClock()
        self._sources = sources
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        assert "/" in content_type
        self._sources.bucket(self._bucket).put(key, body)
        return ObjectInfo(key, etag(body), len(body))

    def move(self, key: str, to: str, content_type: str) -> None:
        assert "/" in content_type
        managed = self._sources.bucket(self._bucket)
        if key not in managed.objects:
            raise NotFound("The bytes are gone.")
        managed.put(to, managed.objects[key])

    def remove(self, key: str) -> None:
        self._sources.bucket(self._bucket).delete(key)

    def url(self, key: str, *, seconds: int) -> str:
        return f"{SCHEME}{self._bucket}/{quote(key, safe='')}"

    def form(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        return UploadForm(f"{SCHEME}{self._bucket}", {"key": key, "size": str(size), "Content-Type": content_type})

    def remove_page(self, prefix: str) -> bool:
        managed = self._sources.bucket(self._bucket)
        found = [key for key in managed.objects if key.startswith(prefix)][:PAGE]
        for key in found:
            managed.delete(key)
        return bool(found)

    def remove_thumbnails_page(self, collection: str) -> bool:
        found = [each for each in self.thumbnails if each[0] == collection][:PAGE]
        for each in found:
            del self.thumbnails[each]
        return bool(found)

    def thumbnail(self, collection: str, place: str) -> bytes | None:
        return self.thumbnails.get((collection, place))

    def thumbnail_upload_url(self, collection: str, place: str, *, seconds: int) -> str:
        return f"{THUMBNAILS}{collection}/{place}"

    def receive(self, url: str, jpeg: bytes) -> None:
        """What a presigned PUT does for whoever follows it."""
        assert url.startswith(THUMBNAILS)
        collection, _, place = url.removeprefix(THUMBNAILS).partition("/")
        self._store(collection, place, jpeg)

    def copy_thumbnail(self, collection: str, place: str, to_collection: str, to_place: str) -> bool:
        if (collection, place) not in self.thumbnails:
            return False
        self._store(to_collection, to_place, self.thumbnails[collection, place])
        return True

    def delete_thumbnail(self, collection: str, place: str) -> None:
        self.thumbnails.pop((collection, place), None)

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        for owner, place in sorted(self.thumbnails):
            if owner == collection and self._stored_at[owner, place] < before:
                yield place

    def _store(self, collection: str, place: str, jpeg: bytes) -> None:
        self.thumbnails[collection, place] = jpeg
        self._stored_at[collection, place] = self._now()
