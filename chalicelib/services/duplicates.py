"""Duplicates for callers: start a scan for a collection's, and list the groups of the last one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from chalicelib.domain.collections import Collection
from chalicelib.domain.duplicate_groups import DuplicateGroup, DuplicatesScan, GroupFile, ScanStatus
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import Conflict
from chalicelib.domain.files import FileRecord
from chalicelib.domain.messages import DuplicatesStep
from chalicelib.services.ports import Catalogue, Clock, Duplicates, Queues

GROUPS_AT_ONCE = 10  # that are read until a page is full
READS_MAX = 10  # of a page; it may be short where most files have changed since
PAGE_FILES_MAX = 500  # files of a page; it ends behind the group that exceeds them


@dataclass(frozen=True, slots=True)
class CurrentGroup:
    """A group as it is now.

    Args:
        files: those that still have the bytes that the scan has seen, the one to keep first.
        count: of all files of the group.
        waste: bytes of all files but the first.
    """

    tier: Tier
    files: Sequence[FileRecord]
    count: int
    waste: int


@dataclass(frozen=True, slots=True)
class GroupPage:
    """``after`` is the position behind which the next page begins; None says there is none."""

    groups: Sequence[CurrentGroup]
    after: str | None


@dataclass(frozen=True, slots=True)
class DuplicatesService:
    catalogue: Catalogue
    duplicates: Duplicates
    queues: Queues
    now: Clock

    def start(self, collection: Collection) -> None:
        """Look for the collection's duplicates anew; what was found before is shown until that has ended.

        Raises:
            Conflict: a scan is under way.
        """
        generation = str(uuid4())
        try:
            has_begun = self.duplicates.begin(collection.uuid, generation, self.now())
            if has_begun:
                self.queues.send_duplicates_step(DuplicatesStep(collection.account, collection.uuid, generation))
        except Exception:
            # It may have begun although the answer was lost. No worker will go on with it: let another begin now, and
            # not when the lease expires.
            self.duplicates.stop(collection.uuid, generation, self.now())
            raise
        if not has_begun:
            raise Conflict("A scan for duplicates of this collection is under way. Wait until it has ended.")

    def latest(self, collection: Collection) -> tuple[DuplicatesScan | None, ScanStatus]:
        """The latest scan of the collection, and its state."""
        scan = self.duplicates.scan(collection.uuid)
        return scan, ScanStatus.NEVER if scan is None else scan.status_at(self.now())

    def page(
        self, collection: Collection, scan: DuplicatesScan | None, tiers: Sequence[Tier], after: str | None, limit: int
    ) -> GroupPage:
        """The groups of the last scan that has ended, the largest waste first.

        Files that were changed or removed since are left out, and groups of which one file is left.
        """
        if scan is None or scan.served is None:
            return GroupPage([], None)
        shown: list[CurrentGroup] = []
        files = 0
        for _ in range(READS_MAX):
            groups = self.duplicates.groups(collection.uuid, scan.served, tiers, after, GROUPS_AT_ONCE)
            records = self._records(collection, groups)
            for group in groups:
                if len(shown) == limit or files >= PAGE_FILES_MAX:
                    return GroupPage(shown, after)
                current = _current(group, records)
                after = group.position
                if current is not None:
                    shown.append(current)
                    files += len(current.files)
            if len(groups) < GROUPS_AT_ONCE:
                return GroupPage(shown, None)
        return GroupPage(shown, after)

    def _records(self, collection: Collection, groups: Sequence[DuplicateGroup]) -> Mapping[str, FileRecord]:
        keys = list(dict.fromkeys(file.key for group in groups for file in group.files))
        return self.catalogue.get_many(collection.uuid, keys)


def _current(group: DuplicateGroup, records: Mapping[str, FileRecord]) -> CurrentGroup | None:
    """The group without the files that have changed; None if fewer than two are left."""
    current: list[tuple[GroupFile, FileRecord]] = []
    for file in group.files:
        record = records.get(file.key)
        if record is not None and file.is_current(record):
            current.append((file, record))
    # Those that are only counted are not looked at.
    unlisted = group.count - len(group.files)
    if len(current) < 2 or (group.tier is not Tier.IDENTICAL and len({file.content for file, _ in current}) < 2):
        return None
    gone = sum(file.size for file in group.files) - sum(file.size for file, _ in current)
    first_before, first_now = group.files[0].size, current[0][0].size
    return CurrentGroup(
        group.tier,
        [record for _, record in current],
        len(current) + unlisted,
        group.waste + first_before - gone - first_now,
    )
