"""Whether what is counted as it happens adds up: a collection's statistics, and the figures of its latest sync.

The statistics are held against the catalogue. Of a sync's figures, those can be recounted that its parts and batches
tell, which stay on record for 14 days: how many objects it has sent to the index workers, how many of them are
finished, how many batches and parts are not. What cannot: how many objects it has listed, and how many of its removals
were of indexed pictures, for which the bucket and the catalogue of that moment would be needed; and how the finished
ones split into done, failed, removed and skipped, because their records may have changed since.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileState
from chalicelib.domain.syncs import REMOVAL_PHASE, SYNC_RECORD_RETENTION
from chalicelib.services.ports import Catalogue, Clock, Collections, Syncs

COUNT_ATTEMPTS = 3  # at a collection that changes while it is counted


@dataclass(frozen=True, slots=True)
class SyncStatistics:
    """Of the latest sync: objects sent and finished, batches and parts that are not."""

    to_do: int
    finished: int
    outstanding: int
    open_key_ranges: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Files and bytes; ``sync`` is None without a sync whose records are still there."""

    files: int
    size: int
    sync: SyncStatistics | None = None


@dataclass(frozen=True, slots=True)
class CollectionAudit:
    """What the collection states, and what a recount comes to.

    ``settled`` is False where the collection changed each time it was counted.
    """

    collection: Collection
    stated: Statistics
    counted: Statistics
    settled: bool = True

    @property
    def matches(self) -> bool:
        return self.settled and self.stated == self.counted


@dataclass(frozen=True, slots=True)
class StatisticsAudit:
    collections: Collections
    catalogue: Catalogue
    syncs: Syncs
    now: Clock

    def recount(self, collections: Iterable[Collection]) -> Iterator[CollectionAudit]:
        """Read every record of each collection, 650 read units for 1,000 of them, and those of its latest sync."""
        for collection in collections:
            yield self._recount(collection)

    def correct(self, found: CollectionAudit) -> bool:
        """State the files and bytes that were counted, unless they have moved since; answers whether it did.

        A sync's figures are left alone: the next one's begin at nought.
        """
        stated, counted = ((figures.files, figures.size) for figures in (found.stated, found.counted))
        return self.catalogue.fix_statistics(found.collection, stated, counted)

    def _recount(self, collection: Collection) -> CollectionAudit:
        found = CollectionAudit(collection, Statistics(0, 0), Statistics(0, 0), settled=False)
        for _ in range(COUNT_ATTEMPTS):
            before, sync = self._stated(collection)
            counted = self._counted(collection, sync)
            after, _ = self._stated(collection)
            found = CollectionAudit(collection, after, counted, settled=before == after)
            if found.settled:
                break
        return found

    def _stated(self, collection: Collection) -> tuple[Statistics, str | None]:
        """And the identifier of the latest sync, if it can be recounted."""
        found = self.collections.get(collection.account, collection.uuid)
        if found is None:
            return Statistics(0, 0), None
        sync = found.sync
        if sync.id is None or sync.started_at is None or self.now() - sync.started_at >= SYNC_RECORD_RETENTION:
            return Statistics(found.total_files, found.total_size), None
        figures = SyncStatistics(sync.progress.to_do, sync.progress.finished, sync.outstanding, sync.open_key_ranges)
        return Statistics(found.total_files, found.total_size, figures), sync.id

    def _counted(self, collection: Collection, sync: str | None) -> Statistics:
        files = size = 0
        for known in self.catalogue.entries(collection.uuid, None):
            if known.state is FileState.INDEXED:
                files, size = files + 1, size + known.size
        return Statistics(files, size, self._counted_sync(sync) if sync else None)

    def _counted_sync(self, sync: str) -> SyncStatistics:
        to_do = finished = outstanding = 0
        for each in self.syncs.batch_records(sync):
            objects = len(each.batch.hints)
            to_do += objects
            finished += objects if each.done else 0
            outstanding += not each.done
        parts = sum(
            not key_range.finished for key_range in self.syncs.key_ranges(sync) if key_range.number != REMOVAL_PHASE
        )
        return SyncStatistics(to_do, finished, outstanding, parts)
