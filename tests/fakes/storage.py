"""Our own buckets in memory: managed pictures, and thumbnails."""

from chalicelib.domain.files import ObjectInfo
from tests.fakes.buckets import FakeSources, etag

THUMBNAILS = "fake-thumbnails://"


class FakeStorage:
    """What a test may look at: ``thumbnails`` by collection and file; the managed bucket is one of ``sources``."""

    def __init__(self, sources: FakeSources, bucket: str = "managed") -> None:
        self.thumbnails: dict[tuple[str, str], bytes] = {}
        self._sources = sources
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        assert "/" in content_type
        self._sources.bucket(self._bucket).put(key, body)
        return ObjectInfo(key, etag(body), len(body))

    def thumbnail(self, collection: str, file: str) -> bytes | None:
        return self.thumbnails.get((collection, file))

    def thumbnail_upload_url(self, collection: str, file: str, *, seconds: int) -> str:
        return f"{THUMBNAILS}{collection}/{file}"

    def receive(self, url: str, jpeg: bytes) -> None:
        """What a presigned PUT does for whoever follows it."""
        assert url.startswith(THUMBNAILS)
        collection, _, file = url.removeprefix(THUMBNAILS).partition("/")
        self.thumbnails[collection, file] = jpeg

    def copy_thumbnail(self, collection: str, file: str, to_collection: str, to_file: str) -> bool:
        if (collection, file) not in self.thumbnails:
            return False
        self.thumbnails[to_collection, to_file] = self.thumbnails[collection, file]
        return True

    def delete_thumbnail(self, collection: str, file: str) -> None:
        self.thumbnails.pop((collection, file), None)
