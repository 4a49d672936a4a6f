"""Uploads into managed collections: searchable by the time they are answered."""

from dataclasses import dataclass

from chalicelib.domain.changes import Change, IndexBatch
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.pictures import checked_file_name, mime_type
from chalicelib.services.indexing import Indexing
from chalicelib.services.ports import Embedder, Failure, ManagedStorage
from chalicelib.services.searching import check_size, refusal


@dataclass(frozen=True, slots=True)
class Uploaded:
    file_name: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class Uploads:
    storage: ManagedStorage
    embedder: Embedder
    indexing: Indexing

    def upload(self, collection: Collection, file_name: str | None, body: bytes) -> Uploaded:
        """Store a picture and index it. A file of that name is replaced; if this fails, it stays as it was.

        Raises:
            InvalidRequest: the collection is not managed, or the name will not do.
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
        """
        if collection.type is not CollectionType.MANAGED:
            raise InvalidRequest("Only managed collections take uploads. Put the file into the bucket, and sync.")
        name = checked_file_name(file_name)
        check_size(body)
        # Opened before it is stored: what is no picture must not take the place of one.
        picture = self.embedder.embed_image(body)
        if isinstance(picture, Failure):
            raise refusal(picture)
        kind = mime_type(picture.format)
        key = collection.prefix + name
        self.storage.put(key, body, kind)
        self.indexing.apply(IndexBatch(collection.account, collection.uuid, (Change(key),)))
        return Uploaded(name, kind)
