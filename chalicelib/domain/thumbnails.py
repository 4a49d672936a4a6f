"""The sizes in which thumbnails are served: pixels of the longest side, of which no picture gets more than it has."""

from enum import IntEnum
from typing import NamedTuple


class ThumbnailSize(IntEnum):
    """``MEDIUM`` is made when a picture is embedded, and is the one that is stored with every indexed file."""

    SMALL = 256
    MEDIUM = 512
    LARGE = 1024


class Thumbnail(NamedTuple):
    """A JPEG of one size.

    Args:
        tag: of its bytes: no other thumbnail has it.
    """

    jpeg: bytes
    size: ThumbnailSize
    tag: str


class ThumbnailToMake(NamedTuple):
    """A thumbnail that the embedder makes.

    Args:
        url: presigned GET of the picture.
        upload_url: presigned PUT of the thumbnail.
        md5: of the bytes that ``url`` must have; None for any.
    """

    url: str
    upload_url: str
    size: ThumbnailSize
    md5: str | None = None


class ThumbnailCopy(NamedTuple):
    """A thumbnail of medium size to copy: the collection and the key of either side."""

    collection: str
    key: str
    to_collection: str
    to_key: str


def size_of(width: int, height: int, wanted: ThumbnailSize) -> ThumbnailSize:
    """The size to serve of a picture of so many pixels: the wanted one, or ``MEDIUM`` where both are the same bytes."""
    longest = max(width, height)
    return ThumbnailSize.MEDIUM if longest <= min(wanted, ThumbnailSize.MEDIUM) else wanted


def thumbnail_tag(thumbnail_key: str, size: ThumbnailSize) -> str:
    name = thumbnail_key.rpartition("/")[2]
    return name if size is ThumbnailSize.MEDIUM else f"{name}-{size}"
