"""Syncs from inside: a key_range of a bucket is walked leg by leg, and the last batch that is done ends the sync.

Whatever a scan has scanned is put on record, with the cursor, before it is sent: a worker that dies between the two leaves
what the next one needs to send it. Removals are put on record too, and sent only when the whole bucket has been listed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import takewhile

from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.errors import SourceDenied
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.messages import IndexBatch, ObjectHint, SyncStep, hint_batches
from chalicelib.domain.sync_diff import CHUNK_KEYS, CatalogueEntry, ChangeKind, Chunk, Difference, merge_join
from chalicelib.domain.syncs import (
    CONFIRMATION_MIN_FILES,
    REMOVAL_PHASE,
    KeyRange,
    PendingBatch,
    Progress,
    Tally,
    needs_confirmation,
    next_splits,
)
from chalicelib.services.pipeline.quota import QuotaService
from chalicelib.services.ports import Catalogue, Clock, Collections, Embedder, Queues, Sources, Syncs

# Longer than a message that failed stays away, so that a batch whose worker died comes back before its sync
# counts as dead.
SYNC_LEASE = timedelta(minutes=20)
MIN_BATCHED_DIFFERENCES = 16


@dataclass(frozen=True, slots=True)
class SyncWorker:
    collections: Collections
    syncs: Syncs
    catalogue: Catalogue
    sources: Sources
    embedder: Embedder
    queues: Queues
    quota: QuotaService
    now: Clock
    step: int = CHUNK_KEYS  # keys between two looks at the clock
    enough: int = MIN_BATCHED_DIFFERENCES  # differences that are worth a write
    confirmation_min_files: int = CONFIRMATION_MIN_FILES  # indexed pictures from which on most may not go unasked

    def run(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        """Take one key_range of a sync on until it ends or the worker's time runs low; the rest is handed on.

        A bucket that may not be listed ends the sync as failed, with the reason; nothing is removed for that.

        Raises:
            Unavailable: the bucket or the embedder did not answer; the message comes back.
            StaleWrite: another worker has taken the key_range over, or the sync was ended meanwhile.
        """
        key_range = self.syncs.acquire(step, self.now() + SYNC_LEASE)
        collection = self.collections.get(step.account, step.collection) if key_range else None
        if key_range is None or collection is None or collection.sync.id != step.sync:
            return  # cancelled, superseded, ended, deleted, or walked on by a later leg
        if step.key_range == REMOVAL_PHASE:
            self._release(step, key_range, seconds_left)
            return
        # The worker before may have died between putting its last batches on record and sending them.
        self.queues.send_batches(self.syncs.unsent_batches(step, key_range))
        if not key_range.finished:
            try:
                ended = self._walk(step, key_range, collection, seconds_left)
            except SourceDenied as error:
                self._end(step.account, step.collection, step.sync, SyncStatus.FAILED, error.message)
                return
            if not ended:
                self.queues.send_sync(replace(step, continuation=step.continuation + 1))
                return
        self._after_the_walk(step, seconds_left)

    def chunks(self, collection: Collection, key_range: KeyRange, *, retry: bool = False) -> Iterator[Chunk]:
        """What the rest of a key_range holds, compared with the catalogue."""
        listing: Iterator[ObjectInfo] = self.sources.of(collection).list_objects(key_range.start)
        known: Iterator[CatalogueEntry] = self.catalogue.entries(collection.uuid, key_range.start)
        until = key_range.until
        if until is not None:
            listing = takewhile(lambda found: found.key <= until, listing)
            known = takewhile(lambda record: record.key <= until, known)
        deferred = (found for found in listing if collection.holds(found.key))
        again = self.quota.again(collection)
        return merge_join(deferred, known, self.embedder.model_version(), retry=retry, again=again, step=self.step)

    def renew_lease(self, batch: IndexBatch) -> None:
        """Tell the sync that waits for the batch that it is being worked on again."""
        if batch.sync is not None:
            self.syncs.renew_lease(batch.account, batch.collection, batch.sync, self.now() + SYNC_LEASE)

    def complete_batch(self, batch: IndexBatch, tally: Tally) -> None:
        """Count a batch that an index worker has finished; the last one ends its sync."""
        if batch.sync is not None:
            self.syncs.complete_batch(batch, tally, self.now() + SYNC_LEASE)
            self._finish_if_done(batch.account, batch.collection, batch.sync)

    def _walk(
        self, step: SyncStep, key_range: KeyRange, collection: Collection, seconds_left: Callable[[], float]
    ) -> bool:
        """Answers whether the key_range has scanned its end."""
        pending = _Pending()
        for chunk in self.chunks(collection, key_range, retry=collection.sync.retry):
            pending.add(chunk)
            late = seconds_left() <= 0
            if late or len(pending.differences) >= self.enough:
                key_range = self._put_on_record(step, key_range, pending)
                pending = _Pending()
            if late:
                return False
        self._put_on_record(step, replace(key_range, finished=True), pending)
        return True

    def _put_on_record(self, step: SyncStep, key_range: KeyRange, pending: "_Pending") -> KeyRange:
        """Note where the scan stands and what it found, then send what is to be sent at once."""
        differences = pending.differences
        changes = [
            ObjectHint(key, retry=kind is ChangeKind.RETRY, etag=found.etag, size=found.size)
            for key, kind, found, _ in differences
            if found is not None
        ]
        removals = [ObjectHint(key) for key, _, found, _ in differences if found is None]
        pending_batches = [
            PendingBatch(IndexBatch(step.account, step.collection, batch, step.sync, batch_id), deferred)
            for deferred, news, first in ((False, changes, key_range.sent), (True, removals, key_range.deferred))
            for batch, batch_id in _marked(news, key_range.number, first, deferred=deferred)
        ]
        sent = [each.batch for each in pending_batches if not each.deferred]
        key_range = key_range.moved(pending.last, pending.scanned) if pending.last is not None else key_range
        key_range = replace(
            key_range,
            sent=key_range.sent + len(sent),
            unsent_count=len(sent),
            deferred=key_range.deferred + len(pending_batches) - len(sent),
        )
        made = Progress(pending.listed, len(differences), sum(each.indexed for each in differences))
        self.syncs.save_progress(step, key_range, made, pending_batches, self.now() + SYNC_LEASE)
        self.queues.send_batches(sent)
        return key_range

    def _after_the_walk(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        # Read after the write: of two key_ranges that end at once, the later one sees both.
        collection = self.collections.get(step.account, step.collection)
        if collection is None or collection.sync.id != step.sync or collection.sync.open_key_ranges > 0:
            return
        sync, removals = collection.sync, collection.sync.progress.to_remove
        if sync.listed:
            self._finish_if_done(step.account, step.collection, step.sync)
        elif not sync.confirmed and needs_confirmation(removals, sync.files_before, self.confirmation_min_files):
            reason = (
                f"{removals:,} of {sync.files_before:,} pictures are gone from the bucket. None of them was removed. "
                'If that is meant, start a sync with {"confirm_removals": true}.'
            )
            self._end(step.account, step.collection, step.sync, SyncStatus.NEEDS_CONFIRMATION, reason)
        else:
            self.syncs.save_splits(step.collection, next_splits(self.syncs.key_ranges(step.sync)))
            self.run(replace(step, key_range=REMOVAL_PHASE, continuation=0), seconds_left)

    def _release(self, step: SyncStep, key_range: KeyRange, seconds_left: Callable[[], float]) -> None:
        """Send the removals, now that the whole bucket has been listed."""
        for batch in self.syncs.deferred_batches(step, key_range.cursor):
            self.queues.send_batches([batch])
            if seconds_left() <= 0:
                self.syncs.save_progress(
                    step, replace(key_range, cursor=batch.batch_id), Progress(), [], self.now() + SYNC_LEASE
                )
                self.queues.send_sync(replace(step, continuation=step.continuation + 1))
                return
        self.syncs.mark_listed(step)
        self._finish_if_done(step.account, step.collection, step.sync)

    def _finish_if_done(self, account: str, uuid: str, sync: str) -> None:
        # Read after the write: of two workers that finish at once, the later one sees both.
        collection = self.collections.get(account, uuid)
        if collection is not None and collection.sync.id == sync and collection.sync.all_done:
            self._end(account, uuid, sync, SyncStatus.COMPLETED)

    def _end(self, account: str, uuid: str, sync: str, status: SyncStatus, reason: str | None = None) -> None:
        self.syncs.end(account, uuid, sync, self.now(), status, reason)


@dataclass(slots=True)
class _Pending:
    """What a scan has scanned since it last put on record where it stands."""

    last: str | None = None
    scanned: int = 0
    listed: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.last = chunk.last
        self.scanned += chunk.scanned
        self.listed += chunk.listed
        self.differences += chunk.differences


def _marked(
    news: list[ObjectHint], key_range: int, first: int, *, deferred: bool
) -> Iterator[tuple[tuple[ObjectHint, ...], str]]:
    """Batches with the names under which the sync counts them; in the order in which they were scanned."""
    kind = "deferred" if deferred else "sent"
    for number, batch in enumerate(hint_batches(news), start=first):
        yield batch, f"{kind}.{key_range:03}.{number:09}"
