"""Stored images: what the embedder has made of a file's bytes, apart from the file's record.

A record says which image it has. An image is stored before the record that refers to it, and deleted after the record
that refers to it no more. It belongs to one record alone and its id is never used again, so no other worker can refer
to an image that is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from chalicelib.domain.files import FileRecord, PendingWrite

NO_THUMBNAIL = "-"


class FileImage(NamedTuple):
    """The name of a stored image: the uuid of its file, and an id within the file."""

    file: str
    id: str


@dataclass(frozen=True, slots=True)
class OrphanedImage:
    """An image that the record of its file does not name, if there is one.

    Its name is used once, so only a worker that has just stored it can come to name it.
    """

    image: FileImage
    collection: str
    key: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class OrphanPage:
    """``read``: records and images that were read for it; ``after``: where the next page begins, None at the end."""

    orphans: Sequence[OrphanedImage]
    read: int
    after: str | None


def image_of(record: FileRecord) -> FileImage | None:
    """The image that the record refers to; None if it has no embedding."""
    if record.embedding is None:
        return None
    id_ = image_id(thumbnail_part(record.thumbnail), record.embedding.model, record.etag, record.size)
    return FileImage(record.uuid, id_)


def thumbnail_part(thumbnail: str | None) -> str:
    """The part of a thumbnail's key that no other thumbnail has (``files.new_thumbnail_key``)."""
    return thumbnail.rpartition("/")[2] if thumbnail is not None else NO_THUMBNAIL


def image_id(thumbnail: str, model: str, etag: str, size: int) -> str:
    """Each embedding has a thumbnail of its own, and another model version has other vectors of the same bytes.

    Args:
        thumbnail: its ``thumbnail_part``.
    """
    return f"{thumbnail}/{model}/{etag}/{size}"


def with_new_images(writes: Sequence[PendingWrite]) -> list[FileRecord]:
    """The records to write whose images are not yet stored."""
    return [write.record for write in writes if write.record.embedding is not None and _changes_image(write)]


def unused_images(writes: Sequence[PendingWrite], stale: set[str]) -> list[FileImage]:
    """The images that nothing refers to any more, once the writes are done.

    Args:
        stale: keys of the writes that were refused.
    """
    changing = [write for write in writes if _changes_image(write)]
    unused = (write.record if write.key in stale else write.previous for write in changing)
    images = (image_of(record) for record in unused if record is not None)
    return [image for image in images if image is not None]


def _changes_image(write: PendingWrite) -> bool:
    return image_of(write.record) != (image_of(write.previous) if write.previous is not None else None)
