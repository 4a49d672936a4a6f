"""Bringing a collection in line with its bucket: begun, walked leg by leg, and ended once every batch is done."""

import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.changes import BATCH_SIZE, Change, IndexBatch, SyncStep
from chalicelib.domain.collections import AutoSync, Collection, Trigger
from chalicelib.domain.errors import SourceUnavailable, SyncAlreadyRunning
from chalicelib.domain.listing import compare
from chalicelib.services.ports import Catalogue, Clock, Collections, Queues, Sources

# Longer than the index queue hides a message from other workers, so that a batch whose worker died
# comes back before its sync counts as dead.
LEASE = timedelta(minutes=20)
STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 500


@dataclass(frozen=True, slots=True)
class Sync:
    collections: Collections
    catalogue: Catalogue
    sources: Sources
    queues: Queues
    now: Clock
    spread: int = 900  # seconds over which scheduled syncs start; SQS delays a message no longer

    def start(self, collection: Collection, trigger: Trigger, *, delay: int = 0) -> SyncStep:
        """Begin a sync unless one runs.

        Raises:
            SyncAlreadyRunning: one does.
        """
        step = SyncStep(collection.account, collection.uuid, sync=str(uuids.uuid4()))
        began = self.collections.begin_sync(
            collection, step.sync, trigger, self.now(), self.now() + LEASE + timedelta(seconds=delay)
        )
        if not began:
            raise SyncAlreadyRunning("A sync of this collection is running. Wait until it has ended.")
        try:
            self.queues.send_sync(step, delay=delay)
        except Exception:
            # Nobody will carry this sync out: free the collection now, not when the lease runs out.
            self._end(step, succeeded=False)
            raise
        return step

    def start_scheduled(self, interval: AutoSync) -> int:
        """Begin a sync of every collection with this interval; answers how many began.

        Their starts are spread by their identifiers, so that not all knock at the same second.
        """
        started = 0
        for collection in self.collections.due(interval):
            try:
                self.start(collection, Trigger.AUTO, delay=uuids.UUID(collection.uuid).int % (self.spread + 1))
                started += 1
            except SyncAlreadyRunning:
                continue  # the running one does what this one would
        return started

    def walk(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        """Walk the collection until it ends or the worker's time runs low; the rest is handed on.

        Raises:
            SourceUnavailable: the bucket cannot be listed. Nothing has been removed for that; the sync has failed.
        """
        collection = self.collections.get(step.account, step.collection)
        if collection is None or not self.collections.extend_lease(step, self.now() + LEASE):
            return  # deleted, or another sync has taken over
        try:
            resume_after = self._walk(step, collection, seconds_left)
        except SourceUnavailable:
            self._end(step, succeeded=False)
            raise
        if resume_after is not None:
            self.queues.send_sync(SyncStep(step.account, step.collection, step.sync, resume_after))
        else:
            self.collections.listing_done(step)
            self._finish_if_done(step.account, step.collection, step.sync)

    def batch_done(self, batch: IndexBatch) -> None:
        """Count a batch that an index worker has finished; the last one ends its sync."""
        if batch.sync is not None:
            self.collections.close_batch(batch, self.now() + LEASE)
            self._finish_if_done(batch.account, batch.collection, batch.sync)

    def _finish_if_done(self, account: str, uuid: str, sync: str) -> None:
        # Read after the write: of two workers that finish at once, the later one sees both.
        collection = self.collections.get(account, uuid)
        if collection is None or collection.sync.id != sync:
            return
        if collection.sync.listed and collection.sync.outstanding == 0:
            self.collections.end_sync(account, uuid, sync, self.now(), succeeded=True)

    def _walk(self, step: SyncStep, collection: Collection, seconds_left: Callable[[], float]) -> str | None:
        listing = (o for o in self.sources.of(collection).walk(step.after) if collection.holds(o.key))
        changed: list[Change] = []
        for count, met in enumerate(compare(listing, self.catalogue.walk(collection.uuid, step.after)), start=1):
            if met.changed:
                changed.append(Change(met.key))
            if len(changed) == BATCH_SIZE:
                self._send(step, changed)
                changed = []
            if count % STEPS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and seconds_left() <= 0:
                self._send(step, changed)
                return met.key
        self._send(step, changed)
        return None

    def _send(self, step: SyncStep, changed: list[Change]) -> None:
        if changed:
            batch = IndexBatch(step.account, step.collection, tuple(changed), step.sync)
            self.collections.open_batch(batch, self.now() + LEASE)
            self.queues.send_batches([batch])

    def _end(self, step: SyncStep, *, succeeded: bool) -> None:
        self.collections.end_sync(step.account, step.collection, step.sync, self.now(), succeeded=succeeded)
