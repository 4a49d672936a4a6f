"""The groups of duplicates of a collection, and the scan that looks for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.duplicates import Tier
from chalicelib.domain.files import FileRecord, FileState

GROUP_FILES_MAX = 100  # files that a group lists; it counts the others
# Files that are read of a group, and pictures that it has: its claims and itself are written in one transaction, of 100
# items at most: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
GROUP_READ_MAX = 1_000
GROUP_CONTENTS_MAX = 90
SCAN_LEASE = timedelta(minutes=20)  # without a write for so long, a scan counts as stopped
SCAN_LIMIT = timedelta(days=10)  # a scan that takes longer is given up
SCAN_RECORD_RETENTION = timedelta(days=14)  # of what it writes on its way, from its beginning
WASTE_LIMIT = 10**16  # bytes
DELETED_GENERATION = "deleted"  # of a collection that is being deleted: no worker writes for it


Claim = tuple[Tier, str]  # a tier, and a content that has a group of it


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFile:
    """A file as the scan has read it; ``width`` and ``height`` are in pixels."""

    uuid: str
    key: str
    md5: str
    size: int
    width: int
    height: int

    @property
    def content(self) -> str:
        """What files of the same bytes have in common."""
        return content_id(self.md5, self.size)

    def is_current(self, record: FileRecord | None) -> bool:
        """Whether the file still has these bytes."""
        embedding = record.embedding if record is not None and record.state is FileState.INDEXED else None
        return embedding is not None and (embedding.md5, embedding.size) == (self.md5, self.size)


def content_id(md5: str, size: int) -> str:
    return f"{md5}.{size}"


def group_file(record: FileRecord) -> GroupFile:
    """The file of an indexed record."""
    embedding = record.embedding
    assert embedding is not None
    return GroupFile(
        uuid=record.uuid,
        key=record.key,
        md5=embedding.md5,
        size=embedding.size,
        width=embedding.width,
        height=embedding.height,
    )


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Files that are alike.

    Args:
        id: unique among the groups of a tier.
        files: the one to keep first, that is the one of the most pixels and bytes; ``GROUP_FILES_MAX`` at most.
        count: of all its files, as far as they were read.
        waste: bytes of all files but the first.
    """

    id: str
    tier: Tier
    files: tuple[GroupFile, ...]
    count: int
    waste: int

    @property
    def position(self) -> str:
        """Orders groups: the largest waste first, then by tier and id."""
        return f"{WASTE_LIMIT - min(self.waste, WASTE_LIMIT):017}#{self.tier}#{self.id}"


def duplicate_group(tier: Tier, leader: str, files: Iterable[GroupFile]) -> DuplicateGroup:
    """The group of some files, which the picture ``leader`` (a ``content``) leads."""
    ordered = sorted(files, key=lambda file: (-file.width * file.height, -file.size, file.key))
    waste = sum(file.size for file in ordered[1:])
    return DuplicateGroup(leader, tier, tuple(ordered[:GROUP_FILES_MAX]), len(ordered), waste)


class ScanPhase(StrEnum):
    """What a scan does: read the ``FILES``, compare their ``CONTENTS``; ``ENDED``, it deletes what it has replaced."""

    FILES = "files"
    CONTENTS = "contents"
    ENDED = "ended"


class ScanStatus(StrEnum):
    """``STOPPED``: the latest scan has not gone on for the time of its lease."""

    NEVER = "never"
    RUNNING = "running"
    STOPPED = "stopped"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesScan:
    """The latest scan of a collection, and what the last completed one has found.

    Args:
        generation: the scan's name, under which it writes what it finds.
        after: the last key, or content, that the phase is done with.
        continuation: the how-manieth invocation works on it.
        fencing_token: grows whenever a worker acquires the scan; writes with a lower one are refused.
        files: that were read.
        served: the generation that is shown; None before the first scan has ended.
        finished_at: when that one ended.
        replaced: generations whose groups are to be deleted.
    """

    generation: str
    started_at: datetime
    lease_until: datetime
    phase: ScanPhase = ScanPhase.FILES
    after: str | None = None
    continuation: int = 0
    fencing_token: int = 0
    files: int = 0
    served: str | None = None
    finished_at: datetime | None = None
    replaced: frozenset[str] = frozenset()

    def status_at(self, now: datetime) -> ScanStatus:
        if self.phase is ScanPhase.ENDED:
            return ScanStatus.COMPLETED
        return ScanStatus.RUNNING if now < self.lease_until else ScanStatus.STOPPED
