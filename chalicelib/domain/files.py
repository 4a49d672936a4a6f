"""Files: what the catalogue knows of each object, and the one rule that says what to do about it.

A change is a hint that a key deserves a look, never a fact. The decision compares the record with the object as S3
has it at that moment, so duplicates, reordering and loss of news cannot bring a wrong state about: the record is read
first, the object second, and the record is written only if nobody else has written it since.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.embeddings import ImageEmbedding

OVER_PLAN = "over_plan"  # the reason of an object that was not indexed because the account's plan allows no more
SEQUENCER_WIDTH = 64  # hexadecimal digits; S3 sends 16 to 18, of varying length


class FileState(StrEnum):
    """``PENDING``: on its way, with no object known yet, so that whatever is found there is embedded."""

    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"
    REMOVED = "removed"


class ObjectInfo(NamedTuple):
    """An object as S3 has it: identity only."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One object of one collection in the catalogue.

    ``version`` grows with every write (``next_version``); it is the lock of the catalogue and the document version
    of the vector store. A removed record keeps its picture, so that an object that returns costs nothing. ``model``
    is the stamp of model and decode that its outcome was had with, a failure's too; ``event_at`` is when the event
    of ``sequencer`` was handled; ``thumbnail`` where the picture's is, a new place for each picture, so that a
    worker that comes too late writes over nobody's.
    """

    account: str
    collection: str
    key: str
    state: FileState
    etag: str
    size: int
    version: int
    updated_at: datetime
    embedding: ImageEmbedding | None = None
    reason: str | None = None
    detail: str | None = None
    sequencer: str | None = None
    model: str | None = None
    event_at: datetime | None = None
    thumbnail: str | None = None

    @property
    def uuid(self) -> str:
        return file_uuid(self.collection, self.key)

    @property
    def counted(self) -> tuple[int, int]:
        """What the record adds to its collection's statistics: files and bytes."""
        return (1, self.size) if self.state is FileState.INDEXED else (0, 0)

    def same_object(self, found: ObjectInfo) -> bool:
        return self.etag == found.etag and self.size == found.size


class Action(StrEnum):
    NOTHING = "nothing"
    EMBED = "embed"
    RESTORE = "restore"
    REMOVE = "remove"


def file_uuid(collection: str, key: str) -> str:
    """A file's identity follows from where it is, so two workers that meet it first agree without asking."""
    return str(uuid.uuid5(uuid.UUID(collection), key))


def decide(record: FileRecord | None, found: ObjectInfo | None, model: str, *, retry: bool = False) -> Action:
    """What the object as it is now asks of its record; ``model`` is the stamp that counts as up to date."""
    if found is None:
        return Action.NOTHING if record is None or record.state is FileState.REMOVED else Action.REMOVE
    if record is None or not record.same_object(found) or record.model != model:
        return Action.EMBED
    if record.state is FileState.REMOVED:
        return Action.RESTORE if record.embedding is not None else Action.EMBED
    return Action.EMBED if retry and record.state is FileState.FAILED else Action.NOTHING


def usage_delta(record: FileRecord, previous: FileRecord | None) -> tuple[int, int]:
    """The files and bytes that a record adds to the statistics, in the place of the one before."""
    files, size = record.counted
    before = previous.counted if previous else (0, 0)
    return files - before[0], size - before[1]


def next_version(record: FileRecord | None, now: datetime) -> int:
    """The version of what is about to be written over a record, or of the first one of its key.

    At least the time in milliseconds, so that what is drafted later is the higher one, whoever drafts it and whatever
    became of the record meanwhile: one that was purged does not count from one again while the vector store has what a
    worker wrote that died before it wrote the record (docs/decisions/0025).
    """
    return max(record.version + 1 if record else 1, int(now.timestamp() * 1000))


def next_revision(record: FileRecord, now: datetime) -> FileRecord:
    """What is about to be written over a record, before it is said what has changed."""
    return replace(record, version=next_version(record, now), updated_at=now)


def content_key(account: str, model: str, found: ObjectInfo) -> str:
    """A name for what the embedder would make of the object's bytes, the same wherever in the account they lie.

    Equal ETags and sizes mean equal bytes, though an ETag need not be a hash of them (it is none of objects in parts
    or under a customer's key; those only fail to be recognised): docs/decisions/0020.
    """
    return f"{account}/{model}/{found.etag}/{found.size}"


def new_thumbnail_key(file: str) -> str:
    """A place for a thumbnail of the file that no other has been, or will be, written to."""
    return f"{file}/{uuid.uuid4().hex[:16]}"


def md5_matches(picture: ImageEmbedding, found: ObjectInfo) -> bool:
    """Whether the picture was certainly made of the very bytes that bear this ETag."""
    return picture.size == found.size and picture.md5 == found.etag


def is_stale_event(record: FileRecord | None, sequencer: str | None) -> bool:
    """Whether an S3 event tells no more than one already handled.

    Sequencers of one key compare as strings once the shorter is padded on the right with zeros:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    if record is None or record.sequencer is None or sequencer is None:
        return False
    return _padded(sequencer) <= _padded(record.sequencer)


def latest_sequencer(first: str | None, second: str | None) -> str | None:
    """The later of two sequencers."""
    return max((s for s in (first, second) if s is not None), key=_padded, default=None)


def as_indexed(record: FileRecord, picture: ImageEmbedding, thumbnail: str) -> FileRecord:
    return replace(
        record,
        state=FileState.INDEXED,
        embedding=picture,
        thumbnail=thumbnail,
        model=picture.model,
        reason=None,
        detail=None,
    )


def as_failed(record: FileRecord, model: str, reason: str, detail: str) -> FileRecord:
    return replace(
        record, state=FileState.FAILED, embedding=None, thumbnail=None, model=model, reason=reason, detail=detail
    )


def as_removed(record: FileRecord, reason: str | None = None, detail: str | None = None) -> FileRecord:
    """A tombstone: it keeps the picture, so that the object costs nothing if it comes back."""
    return replace(record, state=FileState.REMOVED, reason=reason, detail=detail)


def as_pending(record: FileRecord) -> FileRecord:
    return replace(record, state=FileState.PENDING, etag="", embedding=None, reason=None, detail=None)


def as_restored(record: FileRecord) -> FileRecord:
    return replace(record, state=FileState.INDEXED, reason=None, detail=None)


def _padded(sequencer: str) -> str:
    return sequencer.upper().ljust(SEQUENCER_WIDTH, "0")


@dataclass(frozen=True, slots=True)
class FilePage:
    """Records in the order of their keys; ``after`` is where the next page begins, None behind the last.

    A page may be shorter than was asked for and still have one after it.
    """

    records: Sequence[FileRecord]
    after: str | None


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A record to write, and the one it follows."""

    record: FileRecord
    previous: FileRecord | None
