"""Ports of collections: their records, syncs, files and groups of duplicates."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Protocol

from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus
from chalicelib.domain.duplicate_groups import DuplicateGroup, DuplicatesScan, GroupFile
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.embeddings import KnownImage
from chalicelib.domain.file_images import FileImage, OrphanedImage, OrphanPage
from chalicelib.domain.files import (
    CatalogueEntry,
    FileCounts,
    FilePage,
    FileRecord,
    FileState,
    PendingWrite,
    RenewedPage,
)
from chalicelib.domain.messages import DuplicatesStep, IndexBatch, SyncStep
from chalicelib.domain.plans import Plan
from chalicelib.domain.syncs import BatchRecord, KeyRange, PendingBatch, Progress, Tally


class Collections(Protocol):
    """Reads see every write that has returned."""

    def get(self, account: str, uuid: str) -> Collection | None: ...
    def of_account(self, account: str) -> list[Collection]: ...
    def on_bucket(self, bucket: str) -> list[Collection]: ...
    def due(self, interval: AutoSync) -> Iterator[Collection]: ...
    def has_files(self) -> bool:
        """Whether any collection of any account has indexed files; reads them all if none has."""


class Syncs(Protocol):
    """The progress of syncs. Every method ignores a sync that was cancelled, has ended or was replaced by another."""

    def begin(self, collection: Collection, sync: SyncState, key_ranges: Sequence[KeyRange], now: datetime) -> bool:
        """Store a new sync with its lease.

        Returns:
            False while another sync has the lease at ``now``, for a caller who has cancelled too many lately, and for a
            run of the schedule that was started already, or a later one.
        """

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        """Return the step's key range with a new fencing token, so that earlier workers can no longer write it.

        None if the sync does not run any more, or a later continuation of the range has begun.
        """

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        progress: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        """Write the key range, store its batches and add ``progress`` to the sync's figures, in one transaction.

        Raises:
            StaleWrite: another worker has acquired the key range, or the sync does not run any more.
        """

    def unsent_batches(self, step: SyncStep, key_range: KeyRange) -> list[IndexBatch]:
        """Return the unfinished batches among those that the last ``save_progress`` stored for sending."""

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        """Return the unfinished batches of removals, ordered by batch id, that come after the given id."""

    def key_ranges(self, sync: str) -> list[KeyRange]: ...
    def batch_records(self, sync: str) -> Iterator[BatchRecord]:
        """Return every batch of the sync; batches and key ranges are stored for 14 days."""

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None: ...
    def mark_listed(self, step: SyncStep) -> None:
        """Record that the bucket is listed to its end and that every batch is sent."""

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        """Count a batch as done; later calls for the same batch change nothing.

        Of a cancelled sync only a batch with outcomes counts: the others were dropped.
        """

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        """End the sync; False if it has ended already."""

    def delete_page(self, collection: str, sync: str | None) -> bool:
        """Delete some of what is stored of a collection and its latest sync; False if nothing was left."""

    def splits(self, collection: str) -> list[str]:
        """Return the keys that divide the collection evenly, as its last sync saw them; none before the first."""

    def save_splits(self, collection: str, splits: Sequence[str]) -> None: ...


class Catalogue(Protocol):
    """Records with their images; the two are written apart (``domain.file_images``).

    Methods raise Unavailable when others keep writing what they read or write.
    """

    def get(self, collection: str, key: str) -> FileRecord | None: ...
    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]: ...
    def get_each(self, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRecord]:
        """Return the records of files that are named by collection and key, 100 at most."""

    def find(self, uuid: str) -> FileRecord | None: ...
    def find_many(self, uuids: Sequence[str]) -> dict[str, FileRecord]:
        """Return the records with these uuids, by uuid; the vectors of their embeddings may be missing."""

    def chunks(self, collection: str, size: int, limit: int | None = None) -> Iterator[list[FileRecord]]:
        """Return a collection's records in the order of their keys, so many at once; some are read ahead.

        Args:
            limit: the most that are read; None for all of them.
        """

    def entries(self, collection: str, after: str | None, limit: int | None = None) -> Iterator[CatalogueEntry]:
        """Return what a sync compares of each record, in the order of the keys' UTF-8 bytes.

        Args:
            limit: the most that are read; None for all of them.
        """

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        """Return images of the same content (``files.content_key``); the index may lag behind.

        The record of one may be gone, or not yet be written.
        """

    def page(
        self, collection: str, state: FileState | None, *, after: str | None, limit: int, reason: str | None = None
    ) -> FilePage:
        """Return records of one state, or of all but the removed ones; the vectors of their embeddings are empty.

        Args:
            reason: only failed records with this reason; ``state`` is then ``FAILED``.
        """

    def put_images(self, records: Sequence[FileRecord]) -> None:
        """Store the images of records that get new ones, before the records themselves."""

    def delete_images(self, images: Sequence[FileImage]) -> None:
        """Delete images that no record refers to any more."""

    def images_of(self, files: Sequence[str]) -> list[FileImage]:
        """Return all images of files, by the files' uuids: those included that an interrupted worker has left."""

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        """Write ``record``, whose image is stored, and update its collection's statistics in one transaction.

        Raises:
            StaleWrite: the stored record is no longer ``previous``.
            NotFound: the collection is deleted.
        """

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        """Write records of one collection, 50 at most, as ``save`` does; returns the keys of the stale ones.

        Args:
            plan: of the account, whose usage changes with the statistics; None if its usage is counted elsewhere.

        Raises:
            NotFound: the collection is deleted.
            QuotaExceeded: the plan does not allow what the records add; none is written.
        """

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        """Return the present records of objects that were found removed on those days, the oldest day first.

        Args:
            shard: of the removals, as ``files.removal_shard`` has it. The index may lag behind.
        """

    def delete(self, record: FileRecord) -> bool:
        """Delete the record; False if it has been written since it was read."""

    def delete_page(self, collection: str) -> bool:
        """Delete some records of a collection, and their images; False if none were left."""

    def renew_page(self, collection: str, after: str | None) -> RenewedPage:
        """Write records anew that an earlier version has written with their images inside; they stay the same.

        Args:
            after: begin after this key.
        """

    def fix_statistics(self, collection: Collection, stated: FileCounts, counted: FileCounts) -> bool:
        """Replace a collection's counts by the counted ones; False if they are no longer the stated ones.

        The usage of the account is apart: ``QuotaLedger.fix_usage``.
        """


class ImageInventory(Protocol):
    """The images of all files of all accounts."""

    def orphans(self, stored_before: datetime, after: str | None) -> OrphanPage:
        """Return some images that were stored before a time and that no record names, in no order.

        Args:
            after: the ``after`` of the page before; None for the first one.
        """

    def delete_orphan(self, orphan: OrphanedImage) -> bool:
        """Delete an image; False, and it stays, if its file's record names it now, or it was stored again meanwhile."""


class Duplicates(Protocol):
    """The duplicates of collections, and the scans that look for them.

    A write with a ``scan`` raises StaleWrite when another worker has acquired the scan, or another scan has begun.
    """

    def scan(self, collection: str) -> DuplicatesScan | None:
        """Return the latest scan of the collection."""

    def begin(self, collection: str, generation: str, now: datetime) -> bool:
        """Begin a scan; False while another one has its lease."""

    def stop(self, collection: str, generation: str, now: datetime) -> None:
        """End the lease of a scan that nobody will go on with; does nothing if another scan has begun."""

    def acquire(self, step: DuplicatesStep, now: datetime) -> DuplicatesScan | None:
        """Return the step's scan with a new fencing token and lease.

        None if another scan has begun, a later continuation has begun, or the scan has taken too long.
        """

    def save(self, collection: str, scan: DuplicatesScan, now: datetime) -> None:
        """Write the scan's ``phase``, ``after`` and ``files``, and renew its lease."""

    def add_files(self, collection: str, scan: DuplicatesScan, files: Sequence[GroupFile]) -> None:
        """Store files that the scan has read; one that is stored already is overwritten."""

    def files(self, collection: str, scan: DuplicatesScan, after: str | None) -> Iterator[GroupFile]:
        """Return the scan's files in the order of their contents, those behind the content ``after``."""

    def files_of(self, collection: str, scan: DuplicatesScan, content: str, limit: int) -> list[GroupFile]:
        """Return the scan's files of one content, ``limit`` at most."""

    def claimed(
        self, collection: str, scan: DuplicatesScan, claims: Sequence[tuple[Tier, str]]
    ) -> set[tuple[Tier, str]]:
        """Return which of these tiers and contents have a group already."""

    def add_group(self, collection: str, scan: DuplicatesScan, group: DuplicateGroup, contents: Sequence[str]) -> None:
        """Store a group and claim its contents for its tier, in one transaction; ``GROUP_CONTENTS_MAX`` at most."""

    def finish(self, collection: str, scan: DuplicatesScan, now: datetime) -> DuplicatesScan:
        """End the scan: from now on its groups are shown, and no others; returns it as it is then."""

    def groups(
        self, collection: str, generation: str, tiers: Sequence[Tier], after: str | None, limit: int
    ) -> list[DuplicateGroup]:
        """Return groups of these tiers behind a position, in the order of their positions."""

    def delete_replaced_page(self, collection: str, scan: DuplicatesScan) -> bool:
        """Delete some groups of the generations that the scan has replaced; False if none were left."""

    def delete_page(self, collection: str) -> bool:
        """Delete some of what is stored of a collection; False if nothing was left.

        From the first call on, a worker that has acquired the scan writes nothing more.
        """
