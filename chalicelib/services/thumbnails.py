"""Serves thumbnails in several sizes; those that are not stored are made at their first request, and kept."""

import logging
from dataclasses import dataclass

from chalicelib.domain.embeddings import EMBEDDER_URL_SECONDS
from chalicelib.domain.errors import EmbedderUnavailable, NotFound, SourceUnavailable
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.thumbnails import Thumbnail, ThumbnailSize, ThumbnailToMake, size_of, thumbnail_tag
from chalicelib.services.ports import Catalogue, Collections, Embedder, ManagedStorage, Sources

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThumbnailService:
    collections: Collections
    catalogue: Catalogue
    sources: Sources
    storage: ManagedStorage
    embedder: Embedder

    def tag(self, record: FileRecord, wanted: ThumbnailSize) -> str:
        """The tag of an indexed file's thumbnail in this size; raises NotFound if the file has none."""
        return thumbnail_tag(_key(record), _served_size(record, wanted))

    def get(self, record: FileRecord, wanted: ThumbnailSize) -> Thumbnail:
        """The thumbnail of an indexed file in this size, or in ``MEDIUM`` where it cannot be made now.

        Raises:
            NotFound: the file has no thumbnail, or is being deleted.
        """
        key, size = _key(record), _served_size(record, wanted)
        jpeg = self.storage.thumbnail(record.collection, key, size)
        if jpeg is None and size is not ThumbnailSize.MEDIUM:
            jpeg = self._make(record, key, size)
            if jpeg is None:
                size = ThumbnailSize.MEDIUM
                jpeg = self.storage.thumbnail(record.collection, key, size)
        if jpeg is None:
            raise NotFound("There is no such thumbnail.")
        return Thumbnail(jpeg, size, thumbnail_tag(key, size))

    def _make(self, record: FileRecord, key: str, size: ThumbnailSize) -> bytes | None:
        """Have the embedder store a size that is not stored; None if it cannot."""
        try:
            failure = self.embedder.make_thumbnail(self._to_make(record, key, size))
        except (EmbedderUnavailable, SourceUnavailable) as error:
            logger.warning("a thumbnail could not be made: %s", error)
            return None
        if failure is not None:
            return None
        jpeg = self.storage.thumbnail(record.collection, key, size)
        # Who deletes a file marks its record first, then deletes its thumbnails: this one may have come too late.
        if not self._is_named(record, key):
            self.storage.delete_thumbnail(record.collection, key)
            raise NotFound("There is no such thumbnail.")
        return jpeg

    def _to_make(self, record: FileRecord, key: str, size: ThumbnailSize) -> ThumbnailToMake:
        upload_url = self.storage.thumbnail_upload_url(record.collection, key, size=size, seconds=EMBEDDER_URL_SECONDS)
        if size < ThumbnailSize.MEDIUM:
            url = self.storage.thumbnail_url(record.collection, key, seconds=EMBEDDER_URL_SECONDS)
            return ThumbnailToMake(url, upload_url, size)
        collection = self.collections.get(record.account, record.collection)
        if collection is None:
            raise NotFound("There is no such file.")
        url = self.sources.of(collection).presigned_get(record.key, seconds=EMBEDDER_URL_SECONDS)
        assert record.embedding is not None
        return ThumbnailToMake(url, upload_url, size, record.embedding.md5)

    def _is_named(self, record: FileRecord, key: str) -> bool:
        """Whether the file's record has the thumbnail still, and its collection is there."""
        if self.collections.get(record.account, record.collection) is None:
            return False
        current = self.catalogue.get(record.collection, record.key)
        return current is not None and current.thumbnail == key and current.state is FileState.INDEXED


def _key(record: FileRecord) -> str:
    if record.thumbnail is None:
        raise NotFound("There is no such thumbnail.")
    return record.thumbnail


def _served_size(record: FileRecord, wanted: ThumbnailSize) -> ThumbnailSize:
    assert record.embedding is not None
    return size_of(record.embedding.width, record.embedding.height, wanted)
