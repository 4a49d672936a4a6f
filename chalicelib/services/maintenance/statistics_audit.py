"""Compares stored statistics with counted ones: those of collections, of their latest syncs, and of accounts.

A collection's files, indexed or not, and bytes are counted from the catalogue, an account's from its collections and
uploads. The figures of a sync are counted from its key ranges and batches, which are kept for 14 days: how many objects
it has sent to the index workers, how many of them are finished, how many batches and key ranges are open. Three figures
cannot be counted: how many objects the sync has listed and how many of its removals were of indexed pictures, because
both need the bucket and the catalogue of that moment; and how the finished objects split into done, failed, removed and
skipped, because their records may have changed since.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.files import FileCounts, FileState
from chalicelib.domain.syncs import REMOVAL_PHASE, SYNC_RECORD_RETENTION
from chalicelib.domain.uploads import month_of
from chalicelib.services.ports import Catalogue, Clock, Collections, QuotaLedger, Syncs

COUNT_ATTEMPTS = 3  # for a collection that changes while it is counted


class Totals(NamedTuple):
    """How many files, and how many bytes they have together."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """Of the latest sync: objects sent to the index workers, objects finished, batches and key ranges still open."""

    to_do: int
    finished: int
    outstanding: int
    open_key_ranges: int


@dataclass(frozen=True, slots=True)
class CollectionFigures:
    """``sync`` is None when the collection has had no sync, or the records of its latest one have expired."""

    counts: FileCounts
    sync: SyncFigures | None = None


@dataclass(frozen=True, slots=True)
class CollectionAudit:
    """The collection's stored figures and the counted ones.

    ``stable`` is False when the collection changed during every count: then the two sides cannot be compared.
    """

    collection: Collection
    stored: CollectionFigures
    counted: CollectionFigures
    stable: bool = True

    @property
    def matches(self) -> bool:
        return self.stable and self.stored == self.counted


@dataclass(frozen=True, slots=True)
class AccountAudit:
    """The stored totals of an account, and the sum over its collections and uploads."""

    account: str
    stored: Totals
    counted: Totals

    @property
    def matches(self) -> bool:
        return self.stored == self.counted


@dataclass(frozen=True, slots=True)
class StatisticsAudit:
    collections: Collections
    catalogue: Catalogue
    syncs: Syncs
    quota_ledger: QuotaLedger
    now: Clock

    def audit_collection(self, collection: Collection) -> CollectionAudit:
        """Read every record of the collection and of its latest sync; 1,000 files take 650 read units."""
        for _ in range(COUNT_ATTEMPTS):
            before, sync = self._stored_figures(collection)
            counted = self._count(collection, sync)
            after, _ = self._stored_figures(collection)
            audit = CollectionAudit(collection, after, counted, stable=before == after)
            if audit.stable:
                break
        return audit

    def audit_account(self, account: str) -> AccountAudit:
        """Sum up the account's collections and uploads. Fix its collections first: the sum takes their totals."""
        # The stored totals are read first: whatever is indexed during the sum then makes ``fix`` refuse.
        usage = self.quota_ledger.usage(account, month_of(self.now()))
        customer_owned = [
            collection
            for collection in self.collections.of_account(account)
            if collection.type is not CollectionType.MANAGED
        ]
        files = usage.managed_files + sum(collection.total_files for collection in customer_owned)
        size = usage.managed_bytes + sum(collection.total_size for collection in customer_owned)
        return AccountAudit(account, Totals(usage.files, usage.bytes), Totals(files, size))

    def fix(self, audit: CollectionAudit | AccountAudit) -> bool:
        """Store the counted files and bytes, unless the stored ones have changed since; returns whether it did.

        A sync's figures are left alone: the next sync starts them at zero.
        """
        if isinstance(audit, AccountAudit):
            return self.quota_ledger.fix_usage(audit.account, audit.stored, audit.counted)
        return self.catalogue.fix_statistics(audit.collection, audit.stored.counts, audit.counted.counts)

    def _stored_figures(self, collection: Collection) -> tuple[CollectionFigures, str | None]:
        """The figures, and the identifier of the latest sync if its records still exist."""
        current = self.collections.get(collection.account, collection.uuid)
        if current is None:
            return CollectionFigures(FileCounts()), None
        counts, sync = FileCounts(current.total_files, current.total_size, current.unindexed), current.sync
        if sync.id is None or sync.started_at is None or self.now() - sync.started_at >= SYNC_RECORD_RETENTION:
            return CollectionFigures(counts), None
        progress = sync.progress
        figures = SyncFigures(progress.to_do, progress.finished, sync.outstanding, sync.open_key_ranges)
        return CollectionFigures(counts, figures), sync.id

    def _count(self, collection: Collection, sync: str | None) -> CollectionFigures:
        files = size = 0
        unindexed: Counter[str] = Counter()
        for entry in self.catalogue.entries(collection.uuid, None):
            if entry.state is FileState.INDEXED:
                files, size = files + 1, size + entry.size
            elif entry.unindexed is not None:
                unindexed[entry.unindexed] += 1
        counts = FileCounts(files, size, dict(unindexed))
        return CollectionFigures(counts, self._count_sync(sync) if sync else None)

    def _count_sync(self, sync: str) -> SyncFigures:
        to_do = finished = outstanding = 0
        for record in self.syncs.batch_records(sync):
            objects = len(record.batch.hints)
            to_do += objects
            finished += objects if record.done else 0
            outstanding += not record.done
        open_key_ranges = sum(
            not key_range.finished for key_range in self.syncs.key_ranges(sync) if key_range.number != REMOVAL_PHASE
        )
        return SyncFigures(to_do, finished, outstanding, open_key_ranges)
