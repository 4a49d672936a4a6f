"""Sync worker: compares one key range with the catalogue, and continues where the last invocation stopped.

The last finished batch completes the sync. Batches are stored, together with the range's cursor, before they are sent:
if a worker dies between the two, the next one finds and sends them. Removals are stored too, and sent only when the
whole bucket has been listed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import takewhile

from chalicelib.domain.collections import Collection, SyncStatus, Trigger
from chalicelib.domain.errors import ContinuationLimit, SourceDenied, SourceUnavailable
from chalicelib.domain.files import CatalogueEntry, ObjectInfo
from chalicelib.domain.messages import IndexBatch, ObjectHint, SyncStep, hint_batches, next_continuation
from chalicelib.domain.storage_servers import ETagMeaning
from chalicelib.domain.sync_diff import CHUNK_KEYS, ChangeKind, Chunk, Difference, RetryBudget, merge_join
from chalicelib.domain.syncs import (
    CONFIRMATION_MIN_FILES,
    MAX_WAITING_RETRIES,
    REMOVAL_PHASE,
    KeyRange,
    PendingBatch,
    Progress,
    Tally,
    needs_confirmation,
    next_splits,
)
from chalicelib.services.pipeline.event_publisher import EventPublisher
from chalicelib.services.pipeline.quota import QuotaService
from chalicelib.services.ports import (
    BucketAccessChecker,
    Catalogue,
    Clock,
    CollectionRegistry,
    Collections,
    Embedder,
    Queues,
    Sources,
    Syncs,
)

# Longer than a failed message is delayed, so that a batch whose worker died is redelivered before its sync counts as
# failed.
SYNC_LEASE = timedelta(minutes=20)
MIN_SAVED_DIFFERENCES = 16


@dataclass(frozen=True, slots=True)
class SyncWorker:
    """Args:
    chunk_keys: keys that are compared between two checks of the time left.
    min_saved_differences: differences that are worth a write of the progress.
    confirmation_min_files: indexed files from which on a sync asks before it removes most of them.
    max_waiting_retries: waiting files of a key range that one sync tries again.
    """

    collections: Collections
    registry: CollectionRegistry
    syncs: Syncs
    catalogue: Catalogue
    sources: Sources
    access_checker: BucketAccessChecker
    embedder: Embedder
    queues: Queues
    quota: QuotaService
    publisher: EventPublisher
    now: Clock
    chunk_keys: int = CHUNK_KEYS
    min_saved_differences: int = MIN_SAVED_DIFFERENCES
    confirmation_min_files: int = CONFIRMATION_MIN_FILES
    max_waiting_retries: int = MAX_WAITING_RETRIES

    def run(
        self,
        step: SyncStep,
        seconds_left: Callable[[], float],
        *,
        redelivered: bool = False,
        is_patient: bool = True,
    ) -> None:
        """Scan one key range to its end, or until the worker's time runs low; another invocation continues then.

        A bucket that may not be listed ends the sync as failed, with the reason, and nothing is removed.

        Args:
            redelivered: the message was delivered before; its worker may have died between the end of the sync and the
                publication of that.
            is_patient: a server that does not answer is asked again later. One that has not answered for several times
                ends the sync, so that its owner sees why; S3 itself is always asked again.

        Raises:
            Unavailable: the bucket or the embedder did not answer; the message is redelivered.
            StaleWrite: another worker has acquired the key range, the sync has ended meanwhile, or the bucket's access
                key was changed.
            ContinuationLimit: the key range was continued too often; the sync has ended as failed.
        """
        key_range = self.syncs.acquire(step, self.now() + SYNC_LEASE)
        collection = self.collections.get(step.account, step.collection) if key_range else None
        if key_range is None or collection is None or collection.sync.id != step.sync:
            if redelivered:
                self.publisher.publish_sync(step.account, step.collection, step.sync)
            return  # cancelled, replaced, ended, deleted, or continued by a later invocation
        if step.key_range == REMOVAL_PHASE:
            self._send_removals(step, key_range, seconds_left)
            return
        # The worker before may have died between storing its last batches and sending them.
        self.queues.send_batches(self.syncs.unsent_batches(step, key_range))
        if not key_range.finished:
            try:
                finished = self._scan(step, key_range, self._measured(collection), seconds_left)
            except SourceDenied as error:
                self._end(step.account, step.collection, step.sync, SyncStatus.FAILED, error.message)
                return
            except SourceUnavailable as error:
                if is_patient or collection.server is None:
                    raise
                self._end(step.account, step.collection, step.sync, SyncStatus.FAILED, error.message)
                return
            if not finished:
                self._continue(step)
                return
        self._finish_listing(step, seconds_left)

    def retry_budget(self, collection: Collection, key_range: KeyRange) -> RetryBudget:
        """The failed files that the collection's present sync has yet to try again in a key range.

        A schedule leaves those alone that were tried in vain lately; whoever starts a sync by hand may just have mended
        the cause.
        """
        is_scheduled = collection.sync.trigger is Trigger.AUTO
        return RetryBudget(
            everything=collection.sync.retry,
            over_plan=self.quota.retry_budget(collection),
            waiting=self.max_waiting_retries - key_range.retried,
            due=self.now() if is_scheduled else None,
        )

    def chunks(self, collection: Collection, key_range: KeyRange, retries: RetryBudget) -> Iterator[Chunk]:
        """The rest of a key range, compared with the catalogue."""
        listing: Iterator[ObjectInfo] = self.sources.of(collection).list_objects(key_range.start)
        entries: Iterator[CatalogueEntry] = self.catalogue.entries(collection.uuid, key_range.start)
        until = key_range.until
        if until is not None:
            listing = takewhile(lambda s3_object: s3_object.key <= until, listing)
            entries = takewhile(lambda entry: entry.key <= until, entries)
        return merge_join(
            # An empty object that stands for a folder is nobody's; one with bytes is counted as ignored.
            (s3_object for s3_object in listing if collection.holds(s3_object.key) or s3_object.size),
            entries,
            self.embedder.model_version(),
            retries,
            chunk_keys=self.chunk_keys,
            selects=lambda key, size: collection.holds(key) and collection.selects(key, size),
        )

    def renew_lease(self, batch: IndexBatch) -> None:
        """Renew the lease of the sync that waits for a batch, as a worker is busy with the batch again."""
        if batch.sync is not None:
            self.syncs.renew_lease(batch.account, batch.collection, batch.sync, self.now() + SYNC_LEASE)

    def complete_batch(self, batch: IndexBatch, tally: Tally, *, redelivered: bool = False) -> None:
        """Count a batch that an index worker has finished; the last one completes its sync.

        Args:
            redelivered: as of ``run``.
        """
        if batch.sync is not None:
            self.syncs.complete_batch(batch, tally, self.now() + SYNC_LEASE)
            self._complete_if_done(batch.account, batch.collection, batch.sync)
            if redelivered:
                self.publisher.publish_sync(batch.account, batch.collection, batch.sync)

    def _measured(self, collection: Collection) -> Collection:
        """The collection with what its server's ETags mean, if the first objects to measure that by are there now.

        It is stored before anything is listed, so that the index workers read the objects by the same meaning.
        """
        if collection.server is None or collection.server.etags is not ETagMeaning.UNMEASURED:
            return collection
        etags = self.access_checker.check(collection).etags  # what is wrong with the bucket, the listing says
        if etags is None:
            return collection
        self.registry.save_etags(collection, etags)
        return replace(collection, server=replace(collection.server, etags=etags))

    def _scan(
        self, step: SyncStep, key_range: KeyRange, collection: Collection, seconds_left: Callable[[], float]
    ) -> bool:
        """Scan a key range; returns whether its end was reached."""
        unsaved, retries = _UnsavedScan(), self.retry_budget(collection, key_range)
        for chunk in self.chunks(collection, key_range, retries):
            unsaved.add(chunk)
            key_range = replace(key_range, retried=self.max_waiting_retries - retries.waiting)
            out_of_time = seconds_left() <= 0
            if out_of_time or len(unsaved.differences) >= self.min_saved_differences:
                key_range = self._save_and_send(step, key_range, unsaved)
                unsaved = _UnsavedScan()
            if out_of_time:
                return False
        self._save_and_send(step, replace(key_range, finished=True), unsaved)
        return True

    def _save_and_send(self, step: SyncStep, key_range: KeyRange, unsaved: "_UnsavedScan") -> KeyRange:
        """Store the cursor and the batches of what was scanned, then send those that are not deferred."""
        differences = unsaved.differences
        changes = [
            ObjectHint(key, retry=kind is ChangeKind.RETRY, etag=s3_object.etag, size=s3_object.size)
            for key, kind, s3_object, _ in differences
            if s3_object is not None
        ]
        removals = [ObjectHint(key) for key, _, s3_object, _ in differences if s3_object is None]
        pending_batches = [
            PendingBatch(IndexBatch(step.account, step.collection, batch, step.sync, batch_id), deferred)
            for deferred, hints, first in ((False, changes, key_range.sent), (True, removals, key_range.deferred))
            for batch, batch_id in _batches_with_ids(hints, key_range.number, first, deferred=deferred)
        ]
        sent = [pending.batch for pending in pending_batches if not pending.deferred]
        if unsaved.last_key is not None:
            key_range = key_range.advance(unsaved.last_key, unsaved.scanned)
        key_range = replace(
            key_range,
            sent=key_range.sent + len(sent),
            unsent_count=len(sent),
            deferred=key_range.deferred + len(pending_batches) - len(sent),
        )
        increment = Progress(
            listed=unsaved.listed,
            to_do=len(differences),
            to_remove=sum(difference.indexed for difference in differences),
            ignored=unsaved.ignored,
        )
        self.syncs.save_progress(step, key_range, increment, pending_batches, self.now() + SYNC_LEASE)
        self.queues.send_batches(sent)
        return key_range

    def _finish_listing(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        """After the end of one key range: if it was the last, remove what is gone, or ask before."""
        # Read after the write: of two key ranges that finish at once, the later one sees both.
        collection = self.collections.get(step.account, step.collection)
        if collection is None or collection.sync.id != step.sync or collection.sync.open_key_ranges > 0:
            return
        sync, removals = collection.sync, collection.sync.progress.to_remove
        if sync.listed:
            self._complete_if_done(step.account, step.collection, step.sync)
        elif not sync.confirmed and needs_confirmation(removals, sync.files_before, self.confirmation_min_files):
            reason = (
                f"{removals:,} of {sync.files_before:,} pictures are gone from the bucket. None of them was removed. "
                'If they were deleted on purpose, start a sync with {"confirm_removals": true}.'
            )
            self._end(step.account, step.collection, step.sync, SyncStatus.NEEDS_CONFIRMATION, reason)
        else:
            self.syncs.save_splits(step.collection, next_splits(self.syncs.key_ranges(step.sync)))
            self.run(replace(step, key_range=REMOVAL_PHASE, continuation=0), seconds_left)

    def _send_removals(self, step: SyncStep, key_range: KeyRange, seconds_left: Callable[[], float]) -> None:
        """Send the deferred batches, now that the whole bucket has been listed."""
        for batch in self.syncs.deferred_batches(step, key_range.cursor):
            self.queues.send_batches([batch])
            if seconds_left() <= 0:
                self.syncs.save_progress(
                    step, replace(key_range, cursor=batch.batch_id), Progress(), [], self.now() + SYNC_LEASE
                )
                self._continue(step)
                return
        self.syncs.mark_listed(step)
        self._complete_if_done(step.account, step.collection, step.sync)

    def _continue(self, step: SyncStep) -> None:
        """Have another invocation go on where the progress was saved."""
        try:
            continued = replace(step, continuation=next_continuation(step.continuation))
        except ContinuationLimit as error:
            self._end(step.account, step.collection, step.sync, SyncStatus.FAILED, str(error))
            raise
        self.queues.send_sync(continued)

    def _complete_if_done(self, account: str, uuid: str, sync: str) -> None:
        # Read after the write: of two workers that finish at once, the later one sees both.
        collection = self.collections.get(account, uuid)
        if collection is not None and collection.sync.id == sync and collection.sync.all_done:
            self._end(account, uuid, sync, SyncStatus.COMPLETED)

    def _end(self, account: str, uuid: str, sync: str, status: SyncStatus, reason: str | None = None) -> None:
        if self.syncs.end(account, uuid, sync, self.now(), status, reason):
            self.publisher.publish_sync(account, uuid, sync)


@dataclass(slots=True)
class _UnsavedScan:
    """What was scanned since the progress was last saved."""

    last_key: str | None = None
    scanned: int = 0
    listed: int = 0
    ignored: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.last_key = chunk.last_key
        self.scanned += chunk.scanned
        self.listed += chunk.listed
        self.ignored += len(chunk.ignored)
        self.differences += chunk.differences


def _batches_with_ids(
    hints: list[ObjectHint], key_range: int, first: int, *, deferred: bool
) -> Iterator[tuple[tuple[ObjectHint, ...], str]]:
    """Batches with the ids under which the sync counts them, in the order in which they were scanned."""
    kind = "deferred" if deferred else "sent"
    for number, batch in enumerate(hint_batches(hints), start=first):
        yield batch, f"{kind}.{key_range:03}.{number:09}"
