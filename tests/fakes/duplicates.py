"""Duplicates of collections in memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.duplicate_groups import (
    DELETED_GENERATION,
    GROUP_CONTENTS_MAX,
    SCAN_LEASE,
    SCAN_LIMIT,
    Claim,
    DuplicateGroup,
    DuplicatesScan,
    GroupFile,
    ScanPhase,
)
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import DuplicatesStep

DELETED_AT_ONCE = 2


class FakeDuplicates:
    """Tests may read ``stored_groups``, by collection and generation."""

    def __init__(self) -> None:
        self._scans: dict[str, DuplicatesScan] = {}
        self._files: defaultdict[tuple[str, str], dict[tuple[str, str], GroupFile]] = defaultdict(dict)
        self._claims: defaultdict[tuple[str, str], set[Claim]] = defaultdict(set)
        self.stored_groups: defaultdict[tuple[str, str], dict[str, DuplicateGroup]] = defaultdict(dict)

    def scan(self, collection: str) -> DuplicatesScan | None:
        return self._scans.get(collection)

    def begin(self, collection: str, generation: str, now: datetime) -> bool:
        previous = self._scans.get(collection)
        scan = DuplicatesScan(generation=generation, started_at=now, lease_until=now + SCAN_LEASE)
        if previous is not None:
            if previous.phase is not ScanPhase.ENDED and previous.lease_until > now:
                return False
            replaced = previous.replaced
            if previous.served != previous.generation:
                replaced |= {previous.generation}
            scan = replace(scan, served=previous.served, finished_at=previous.finished_at, replaced=replaced)
        self._scans[collection] = scan
        return True

    def stop(self, collection: str, generation: str, now: datetime) -> None:
        scan = self._scans.get(collection)
        if scan is not None and scan.generation == generation:
            self._scans[collection] = replace(scan, lease_until=now)

    def acquire(self, step: DuplicatesStep, now: datetime) -> DuplicatesScan | None:
        scan = self._scans.get(step.collection)
        if scan is None or scan.generation != step.generation or scan.continuation > step.continuation:
            return None
        if scan.started_at <= now - SCAN_LIMIT:
            return None
        token = scan.fencing_token + 1
        scan = replace(scan, continuation=step.continuation, lease_until=now + SCAN_LEASE, fencing_token=token)
        self._scans[step.collection] = scan
        return scan

    def save(self, collection: str, scan: DuplicatesScan, now: datetime) -> None:
        held = self._held(collection, scan)
        saved = replace(held, phase=scan.phase, after=scan.after, files=scan.files, lease_until=now + SCAN_LEASE)
        self._scans[collection] = saved

    def add_files(self, collection: str, scan: DuplicatesScan, files: Sequence[GroupFile]) -> None:
        self._files[collection, scan.generation] |= {(file.content, file.uuid): file for file in files}

    def files(self, collection: str, scan: DuplicatesScan, after: str | None) -> Iterator[GroupFile]:
        for (content, _), file in sorted(self._files[collection, scan.generation].items()):
            if after is None or content > after:
                yield file

    def files_of(self, collection: str, scan: DuplicatesScan, content: str, limit: int) -> list[GroupFile]:
        return [file for file in self.files(collection, scan, None) if file.content == content][:limit]

    def claimed(self, collection: str, scan: DuplicatesScan, claims: Sequence[Claim]) -> set[Claim]:
        return self._claims[collection, scan.generation] & set(claims)

    def add_group(self, collection: str, scan: DuplicatesScan, group: DuplicateGroup, contents: Sequence[str]) -> None:
        assert len(contents) <= GROUP_CONTENTS_MAX
        self._held(collection, scan)
        self.stored_groups[collection, scan.generation][group.position] = group
        self._claims[collection, scan.generation] |= {(group.tier, content) for content in contents}

    def finish(self, collection: str, scan: DuplicatesScan, now: datetime) -> DuplicatesScan:
        held = self._held(collection, scan)
        replaced = held.replaced
        if held.served is not None and held.served != scan.generation:
            replaced |= {held.served}
        ended = replace(
            held, phase=ScanPhase.ENDED, after=None, served=scan.generation, finished_at=now, replaced=replaced
        )
        self._scans[collection] = ended
        return ended

    def groups(
        self, collection: str, generation: str, tiers: Sequence[Tier], after: str | None, limit: int
    ) -> list[DuplicateGroup]:
        stored = sorted(self.stored_groups[collection, generation].items())
        found = (group for position, group in stored if group.tier in tiers and (after is None or position > after))
        return list(found)[:limit]

    def delete_replaced_page(self, collection: str, scan: DuplicatesScan) -> bool:
        for generation in sorted(scan.replaced):
            if self._delete_groups(collection, generation):
                return True
            current = self._scans[collection]
            self._scans[collection] = replace(current, replaced=current.replaced - {generation})
        return False

    def delete_page(self, collection: str) -> bool:
        if collection not in self._scans:
            return False
        scan = self._scans[collection]
        if scan.generation != DELETED_GENERATION:
            replaced = scan.replaced | {scan.generation}
            self._scans[collection] = replace(scan, generation=DELETED_GENERATION, replaced=replaced)
            return True
        for owner, generation in [*self._files, *self.stored_groups, *self._claims]:
            if owner == collection:
                if self._delete_groups(collection, generation):
                    return True
                self._files.pop((collection, generation), None)
                self._claims.pop((collection, generation), None)
        del self._scans[collection]
        return True

    def _delete_groups(self, collection: str, generation: str) -> bool:
        groups = self.stored_groups[collection, generation]
        for position in list(groups)[:DELETED_AT_ONCE]:
            del groups[position]
        if groups:
            return True
        del self.stored_groups[collection, generation]
        return False

    def _held(self, collection: str, scan: DuplicatesScan) -> DuplicatesScan:
        held = self._scans.get(collection)
        if held is None or (held.generation, held.fencing_token) != (scan.generation, scan.fencing_token):
            raise StaleWrite("Another worker has acquired this scan, or another scan has begun.")
        return held
