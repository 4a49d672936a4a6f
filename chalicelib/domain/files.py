"""Files: what the catalogue knows of each object. What is to be done about one is ``file_actions``."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.embeddings import EmbeddedImage, ImageEmbedding
from chalicelib.domain.metadata import Metadata

OVER_PLAN = "over_plan"  # the reason of an object that was not indexed because the account's plan allows no more
# Reasons whose cause lies outside the object: a permission, an encryption key, an archive. Syncs try such files again.
WAITING_REASONS = frozenset({"access_denied", "source_denied", "source_refused", "archived"})
ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")  # storage classes whose objects must be restored before they can be read
# Below a week: each weekly sync then tries such a file, whatever minute it starts at.
MAX_RETRY_WAIT = timedelta(days=6)
PENDING = "pending"  # counts beside the reasons of failed files; no reason has this name
UNKNOWN_REASON = "unknown"  # counts failed files without a reason
# Parts of the list of a day's removals: a partition of an index takes 1,000 write units a second, so one would hold up
# the writes of a bucket that was emptied.
REMOVAL_SHARDS = 16
NO_ETAG = "none"  # of every object of a server whose ETags mean nothing


class FileState(StrEnum):
    """``PENDING``: an upload or a retry is under way, and no object is known, so any object is embedded."""

    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as S3 has it. Key, ETag and size are its identity: two of equal ones are the same object.

    Where the ETag is ``NO_ETAG``, the time of storage belongs to its identity, within a tolerance of ``file_actions``.

    Args:
        modified: when it was stored, in whole seconds.
        metadata: S3's user metadata; None in a listing, which leaves it out.
    """

    key: str
    etag: str
    size: int
    modified: datetime | None = field(default=None, compare=False)
    metadata: Metadata | None = field(default=None, compare=False)


class CatalogueEntry(NamedTuple):
    """What the rule compares of a record; a sync reads no more of each. ``retry_at`` is None unless the file waits."""

    key: str
    state: FileState
    etag: str
    size: int
    model: str | None
    reason: str | None = None
    retry_at: datetime | None = None
    modified: datetime | None = None

    @property
    def over_plan(self) -> bool:
        return self.reason == OVER_PLAN

    @property
    def unindexed(self) -> str | None:
        """As ``FileRecord.unindexed``."""
        return _unindexed(self.state, self.reason)


class FileCounts(NamedTuple):
    """How many files a collection has: indexed ones, the bytes of these, and others by ``FileRecord.unindexed``."""

    files: int = 0
    bytes: int = 0
    unindexed: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One object of one collection in the catalogue.

    Args:
        version: grows with every write; the lock of the catalogue, and the document version of the vector store.
        embedding: a removed record keeps it, so that an object that comes back costs nothing, unless its owner has
            deleted the file.
        model: the model version that indexed the object or failed on it.
        modified: when S3 stored the object's bytes; None if no worker has seen it yet.
        metadata: the owner's own; of a connected bucket, S3's user metadata of the object.
        moved_to: of a removed file that its owner has moved, the uuid that it has since.
        failed_since: when the object was first found unreadable for a reason outside it; None if none has failed so.
        event_at: when the event of ``sequencer`` was handled.
        thumbnail: key of the thumbnail; each embedding has a new one, so that a late worker overwrites no other's.
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
    failed_since: datetime | None = None
    modified: datetime | None = None
    metadata: Metadata = field(default_factory=dict, hash=False)
    moved_to: str | None = None

    @property
    def uuid(self) -> str:
        return file_uuid(self.collection, self.key)

    @property
    def entry(self) -> CatalogueEntry:
        return CatalogueEntry(
            self.key, self.state, self.etag, self.size, self.model, self.reason, self.retry_at, self.modified
        )

    @property
    def retry_at(self) -> datetime | None:
        """From when on a scheduled sync tries a waiting file again: after as long as it had failed when last tried."""
        if self.failed_since is None:
            return None
        return self.updated_at + min(self.updated_at - self.failed_since, MAX_RETRY_WAIT)

    @property
    def usage(self) -> tuple[int, int]:
        """The files and bytes that the record adds to its collection's statistics."""
        return (1, self.size) if self.state is FileState.INDEXED else (0, 0)

    @property
    def unindexed(self) -> str | None:
        """As what the file counts that is not indexed: ``PENDING``, or the reason of its failure; None for others."""
        return _unindexed(self.state, self.reason)

    def next_version(self, now: datetime) -> int:
        """The version of the record's next write; see ``first_version``."""
        return max(self.version + 1, first_version(now))

    def next_revision(self, now: datetime) -> "FileRecord":
        """The record to write next, with nothing else changed yet."""
        return replace(self, version=self.next_version(now), updated_at=now)

    def as_indexed(self, image: EmbeddedImage) -> "FileRecord":
        return replace(
            self,
            state=FileState.INDEXED,
            embedding=image.embedding,
            thumbnail=image.thumbnail,
            model=image.embedding.model,
            reason=None,
            detail=None,
            failed_since=None,
            moved_to=None,
        )

    def as_failed(self, model: str, reason: str, detail: str) -> "FileRecord":
        return replace(
            self,
            state=FileState.FAILED,
            embedding=None,
            thumbnail=None,
            model=model,
            reason=reason,
            detail=detail,
            failed_since=(self.failed_since or self.updated_at) if reason in WAITING_REASONS else None,
            moved_to=None,
        )

    def as_removed(self, reason: str | None = None, detail: str | None = None) -> "FileRecord":
        """A tombstone. It keeps the embedding, so that the object costs nothing if it comes back."""
        return replace(self, state=FileState.REMOVED, reason=reason, detail=detail, failed_since=None)

    def as_deleted(self, moved_to: str | None = None) -> "FileRecord":
        """The tombstone of a file that its owner has deleted or moved: it keeps nothing of the picture but the key.

        The tombstone itself stays for as long as others do, because it makes the writes of slower workers stale.
        """
        emptied = replace(self.as_removed(), etag="", size=0, embedding=None, thumbnail=None, model=None)
        return replace(emptied, modified=None, metadata={}, moved_to=moved_to)

    def as_restored(self) -> "FileRecord":
        """The record of a removed object that is back, with the embedding that the tombstone kept."""
        return replace(self, state=FileState.INDEXED, reason=None, detail=None, moved_to=None)

    def as_pending(self) -> "FileRecord":
        blank = replace(self, etag="", embedding=None, reason=None, detail=None, failed_since=None, moved_to=None)
        return replace(blank, state=FileState.PENDING)


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A record to write, and the one that it replaces."""

    record: FileRecord
    previous: FileRecord | None

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def usage_delta(self) -> tuple[int, int]:
        """The files and bytes by which the write changes the statistics."""
        files, size = self.record.usage
        previous_files, previous_size = self.previous.usage if self.previous else (0, 0)
        return files - previous_files, size - previous_size

    @property
    def unindexed_delta(self) -> Counter[str]:
        """The changes of the counts of files that are not indexed."""
        delta = Counter({self.record.unindexed: 1})
        delta.subtract([self.previous.unindexed if self.previous else None])
        return Counter({name: change for name, change in delta.items() if name is not None and change})


@dataclass(frozen=True, slots=True)
class FilePage:
    """Records in the order of their keys; the next page begins after the key ``after``, and None says there is none.

    A page may be shorter than the requested limit although another page follows.
    """

    records: Sequence[FileRecord]
    after: str | None


class RenewedPage(NamedTuple):
    """How many records were written in the present layout; more may follow the key ``after``, unless it is None."""

    renewed: int
    after: str | None


def _unindexed(state: FileState, reason: str | None) -> str | None:
    if state is FileState.FAILED:
        return reason or UNKNOWN_REASON
    return PENDING if state is FileState.PENDING else None


def file_uuid(collection: str, key: str) -> str:
    """The file's id follows from its collection and key, so two workers that create its record use the same one."""
    return str(uuid.uuid5(uuid.UUID(collection), key))


def just_before(prefix: str) -> str:
    """A text that comes before every key with this prefix, and after nearly every key that comes before those."""
    last = ord(prefix[-1])
    below = 0xD7FF if last == 0xE000 else last - 1  # no key has a surrogate
    return f"{prefix[:-1]}{chr(below)}\U0010ffff" if last else prefix[:-1]


def removal_shard(file: str) -> int:
    """The shard in which a file's removal is listed, by its uuid."""
    return uuid.UUID(file).int % REMOVAL_SHARDS


def first_version(now: datetime) -> int:
    """The version of a key's first record: the time in milliseconds. No later version is lower than its own time.

    So a record that is written later has the higher version, even if the record was purged in between. If versions
    began at one after a purge, the vector store would reject the new record wherever a worker had written a higher
    version and died before it saved its record (docs/decisions/0025).
    """
    return int(now.timestamp() * 1000)


def has_dot_segment(key: str) -> bool:
    """Whether a part of the key is ``.`` or ``..``, which browsers and most HTTP clients remove from a URL.

    S3 takes such keys literally (https://url.spec.whatwg.org/#double-dot-path-segment), so they ask for another object.
    """
    return not {".", ".."}.isdisjoint(key.split("/"))


def content_key(account: str, model: str, s3_object: ObjectInfo) -> str:
    """Identifies the embedding of an object's bytes, the same for every copy of them in the account.

    Equal ETags and sizes mean equal bytes, though an ETag need not be a hash of them: those of multipart uploads and of
    objects under a customer's key are not, and such copies are only not recognised (docs/decisions/0020).
    """
    return f"{account}/{model}/{s3_object.etag}/{s3_object.size}"


def new_thumbnail_key(file: str) -> str:
    """A thumbnail key of the file that no other thumbnail has had or will have."""
    return f"{file}/{uuid.uuid4().hex[:16]}"


def md5_matches(embedding: ImageEmbedding, s3_object: ObjectInfo) -> bool:
    """Whether the ETag proves that the embedding was made of the object's bytes."""
    return embedding.size == s3_object.size and embedding.md5 == s3_object.etag
