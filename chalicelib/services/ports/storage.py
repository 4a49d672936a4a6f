"""Ports of what holds pictures: buckets, managed storage, the Web."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.bucket_access import AccessFindings
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.thumbnails import ThumbnailCopy, ThumbnailSize
from chalicelib.domain.uploads import StoredObject, UploadForm
from chalicelib.domain.web_pictures import PictureUrl, WebPicture


class Source(Protocol):
    """One collection's folder of its bucket, read with the owner's permission.

    A key outside the folder raises OutsideFolder, and S3 is not asked. SourceDenied is raised when the bucket may not
    be read, SourceUnavailable when it cannot be read now.
    """

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        """Return the objects under the collection's prefix, in the order of their keys' UTF-8 bytes."""

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, ObjectInfo | ReadFailure | None]:
        """Return each object as it is now: None if it does not exist, a ReadFailure if it cannot be read."""

    def presigned_get(self, key: str, *, seconds: int, file_name: str | None = None, show_as: str | None = None) -> str:
        """Return a presigned URL; with ``file_name`` a browser saves the object under that name."""


class Sources(Protocol):
    def of(self, collection: Collection) -> Source: ...


class BucketAccessChecker(Protocol):
    def check(self, collection: Collection) -> AccessFindings:
        """Try the bucket and some of its objects; raises SourceUnavailable if S3 cannot tell now."""


class Secrets(Protocol):
    """Encrypts what a customer entrusts to us, for one collection alone."""

    def seal(self, account: str, collection: str, secret: str) -> bytes:
        """Return the secret as it may be stored; raises Unavailable if it cannot be encrypted now."""

    def open(self, account: str, collection: str, sealed: bytes) -> str:
        """Return the secret.

        Raises:
            SourceDenied: it was sealed for another collection, or with a key that is gone.
            SourceUnavailable: it cannot be decrypted now.
        """


class Area(Protocol):
    """A part of the managed bucket."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Return the beginnings of its keys."""

    def check(self, key: str) -> str:
        """Return the key; raises OutsideFolder unless it is in the area."""


class ManagedStorage(Protocol):
    """The bucket of all managed collections, and the bucket of thumbnails, ordered by collection.

    Every call with a key raises OutsideFolder unless the key is in the ``area``.
    """

    @property
    def bucket(self) -> str: ...
    def put(self, area: Area, key: str, body: bytes, content_type: str) -> ObjectInfo: ...
    def copy(self, area: Area, key: str, target: str, content_type: str, *, md5: str, upload: str) -> None:
        """Copy an object whose bytes have this MD5, and mark the copy with the id of the upload that stores it.

        Raises:
            NotFound: it does not exist.
            Contention: it has other bytes by now.
        """

    def stored(self, area: Area, key: str) -> StoredObject | None: ...

    def delete(self, area: Area, key: str) -> None: ...
    def delete_all(self, area: Area, keys: Sequence[str]) -> None:
        """Delete objects, 1,000 at most; raises Unavailable if S3 has not deleted all of them."""

    def presigned_get(self, area: Area, key: str, *, seconds: int) -> str: ...
    def presigned_form(self, area: Area, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        """Return a presigned POST that accepts exactly this size and type."""

    def delete_page(self, area: Area) -> bool:
        """Delete some objects of the area; False if none were left."""

    def delete_thumbnails_page(self, collection: str) -> bool:
        """Delete some thumbnails of a collection; False if none were left."""

    def thumbnail(
        self, collection: str, thumbnail_key: str, size: ThumbnailSize = ThumbnailSize.MEDIUM
    ) -> bytes | None: ...
    def thumbnail_url(self, collection: str, thumbnail_key: str, *, seconds: int) -> str:
        """Return a presigned URL of the thumbnail of medium size."""

    def thumbnail_upload_url(
        self, collection: str, thumbnail_key: str, *, size: ThumbnailSize = ThumbnailSize.MEDIUM, seconds: int
    ) -> str: ...
    def copy_thumbnails(self, copies: Sequence[ThumbnailCopy]) -> list[bool]:
        """Copy thumbnails; False for each that does not exist."""

    def delete_thumbnail(self, collection: str, thumbnail_key: str) -> None:
        """Delete a thumbnail in all sizes."""

    def delete_thumbnails(self, collection: str, thumbnail_keys: Sequence[str]) -> None:
        """Delete thumbnails in all sizes, 300 at most; raises Unavailable if S3 has not deleted all of them."""

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        """Return the keys of a collection's thumbnails of which a size was stored before that time, each key once."""


class WebPictures(Protocol):
    """Pictures of the Web."""

    def fetch(self, url: PictureUrl) -> WebPicture:
        """Return the picture of a URL, from an address of the Internet alone, after a few redirects at most.

        Raises:
            UnreadableUrl: it leads to another address, or its server does not give a whole picture in time.
            UnsupportedMediaType: what it gives is no picture.
            PayloadTooLarge: that has more than ``UPLOAD_LIMIT`` bytes.
        """
