"""What the pages about collections show of a collection: its state in words, the progress of its sync, its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.dashboard.texts import text
from chalicelib.dashboard.texts.states import FILE_STATES, SYNC_STATES, reason_words
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncStatus
from chalicelib.domain.files import PENDING, FileRecord, FileState
from chalicelib.domain.schedules import next_run

MANAGED_BADGE = ("Searchable", "good", "done")


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word, with its tone (a class of styles.css) and its icon."""

    word: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a running sync has come.

    Args:
        phase: ``waiting`` for its time, ``listing`` the bucket, or ``reading`` what is new or changed.
        done, total: of objects; the total is an estimate while the bucket is listed, and None where there is none.
        rate: objects a second so far; 0 where that is not known.
        time_left: in words; None where it is not known.
    """

    phase: str
    done: int
    total: int | None
    rate: int
    time_left: str | None
    started_at: datetime | None
    changed: int
    unchanged: int
    failed: int
    removed: int

    @property
    def tenth(self) -> int:
        """How many tenths are done: what is said aloud of the progress."""
        return 10 * self.done // self.total if self.total else 0


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection as lists and its own page show it.

    Args:
        next_sync: its time; None if it is started by hand, and in a managed collection.
        to_remove: how many files a sync waits to remove.
    """

    collection: Collection
    badge: Badge
    reason: str | None
    progress: SyncProgress | None
    failed: int
    pending: int
    next_sync: datetime | None
    to_remove: int

    @property
    def uuid(self) -> str:
        return self.collection.uuid

    @property
    def is_managed(self) -> bool:
        return self.collection.type is CollectionType.MANAGED

    @property
    def address(self) -> str | None:
        """As ``s3://bucket/folder``; None for what we store."""
        if self.is_managed:
            return None
        return f"s3://{self.collection.bucket}/{self.collection.prefix}".rstrip("/")

    @property
    def needs_confirmation(self) -> bool:
        return self.to_remove > 0

    @property
    def is_syncing(self) -> bool:
        return self.progress is not None


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as the list of a collection's files shows it."""

    record: FileRecord
    path: str
    badge: Badge
    reason: str | None
    thumbnail: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        head, slash, _ = self.path.rpartition("/")
        return head + slash


def view(collection: Collection, now: datetime, spread: int) -> CollectionView:
    """The collection as it is at ``now``; ``spread`` is of schedules, in seconds."""
    status = collection.sync.status_at(now)
    is_managed = collection.type is CollectionType.MANAGED
    waits = status is SyncStatus.NEEDS_CONFIRMATION
    return CollectionView(
        collection=collection,
        badge=Badge(*(MANAGED_BADGE if is_managed else SYNC_STATES[status.value])),
        reason=_reason(collection, status),
        progress=_progress(collection, now) if status is SyncStatus.IN_PROGRESS else None,
        failed=sum(count for reason, count in collection.unindexed.items() if reason != PENDING),
        pending=collection.unindexed.get(PENDING, 0),
        next_sync=next_run(collection, now, spread) if collection.auto_sync is not AutoSync.MANUAL else None,
        to_remove=collection.sync.progress.to_remove if waits else 0,
    )


def file_view(record: FileRecord, collection: Collection, thumbnail: str | None) -> FileView:
    reason = record.reason if record.state is FileState.FAILED else None
    return FileView(
        record=record,
        path=collection.path_of(record.key),
        badge=Badge(*FILE_STATES[record.state.value]),
        reason=reason_words(reason)[0] if reason else None,
        thumbnail=thumbnail,
    )


def failures_by_reason(unindexed: Mapping[str, int]) -> list[tuple[str, int]]:
    """The reasons of failed files with their counts, the most frequent first."""
    counted = [(reason, count) for reason, count in unindexed.items() if reason != PENDING and count > 0]
    return sorted(counted, key=lambda pair: (-pair[1], pair[0]))


def _reason(collection: Collection, status: SyncStatus) -> str | None:
    """Why the sync ended early, in a sentence; of one that stopped without a word, an empty one."""
    if status is not SyncStatus.FAILED:
        return None
    return "" if collection.sync.status is SyncStatus.IN_PROGRESS else collection.sync.reason or ""


def _progress(collection: Collection, now: datetime) -> SyncProgress:
    sync, tally = collection.sync, collection.sync.progress.tally
    elapsed = (now - sync.started_at).total_seconds() if sync.started_at is not None else 0.0
    if elapsed < 0:
        phase, done, total = "waiting", 0, None
    elif sync.listed:
        phase, done, total = "reading", sync.progress.finished, sync.progress.to_do
    else:
        done = sync.progress.listed
        phase, total = "listing", collection.files if collection.files > done else None
    rate = done / elapsed if elapsed > 0 else 0.0
    left = (total - done) / rate if total is not None and rate > 0 else None
    end = sync.estimated_end(now)
    if end is not None:
        left = (end - now) / timedelta(seconds=1)
    return SyncProgress(
        phase=phase,
        done=done,
        total=total,
        rate=round(rate),
        time_left=_duration(left) if left is not None and left > 0 else None,
        started_at=sync.started_at,
        changed=tally.done,
        unchanged=max(0, sync.progress.listed - sync.progress.to_do),
        failed=tally.failed,
        removed=tally.removed,
    )


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return text("collections.minute") if minutes == 1 else text("collections.minutes", count=minutes)
    return text("collections.hours", count=round(minutes / 60))
