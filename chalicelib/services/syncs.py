"""Syncs from outside: begun by a call or a schedule, cancelled, and told what they would do."""

import uuid as uuids
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import Conflict, SyncAlreadyRunning
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.sync_diff import ChangeKind
from chalicelib.domain.syncs import KeyRange, Preview, key_ranges_between, needs_confirmation
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE, SyncWorker
from chalicelib.services.ports import Clock, Collections, Queues, Syncs

SCHEDULE_SLOT_SECONDS = 900  # SQS delays a message no longer; a schedule fires so often within its hour
PREVIEW_EXAMPLES = 10  # keys of each kind that a preview names


@dataclass(frozen=True, slots=True)
class SyncService:
    collections: Collections
    syncs: Syncs
    worker: SyncWorker
    queues: Queues
    now: Clock
    spread: int = 3600  # seconds over which the syncs of one schedule start

    def start(
        self,
        collection: Collection,
        trigger: Trigger,
        *,
        delay: int = 0,
        confirm_removals: bool = False,
        retry_failed: bool = False,
    ) -> str:
        """Begin a sync unless one runs; answers its identifier.

        Args:
            delay: seconds until its first worker is asked for, 900 at most.
            confirm_removals: go on however many objects are gone.
            retry_failed: try again what could not be read.

        Raises:
            SyncAlreadyRunning: one does.
        """
        sync, now = str(uuids.uuid4()), self.now()
        key_ranges = key_ranges_between(self.syncs.splits(collection.uuid))
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=sync,
            trigger=trigger,
            lease_until=now + SYNC_LEASE + timedelta(seconds=delay),
            started_at=now,
            confirmed=confirm_removals,
            retry=retry_failed,
            open_key_ranges=len(key_ranges) - 1,
        )
        if not self.syncs.begin(collection, state, key_ranges, now):
            raise SyncAlreadyRunning("A sync of this collection is running. Wait until it has ended, or cancel it.")
        try:
            for key_range in key_ranges[:-1]:
                self.queues.send_sync(
                    SyncStep(collection.account, collection.uuid, sync, key_range.number), delay=delay
                )
        except Exception:
            # Nobody will carry this sync out: free the collection now, not when the lease runs out.
            self._end(collection, sync, SyncStatus.FAILED, "The sync queue did not answer.")
            raise
        return sync

    def start_scheduled(self, interval: AutoSync, minute: int) -> int:
        """Begin a sync of the collections with this interval whose turn it is; answers how many began.

        Their starts are spread over an hour by their identifiers: a schedule fires every quarter of it, and each
        time begins those of that quarter, delayed within it.

        Args:
            minute: of the hour, at which the schedule fired.
        """
        started = 0
        for collection in self.collections.due(interval):
            second = uuids.UUID(collection.uuid).int % self.spread if self.spread else 0
            if (
                self.spread > SCHEDULE_SLOT_SECONDS
                and second // SCHEDULE_SLOT_SECONDS != minute * 60 // SCHEDULE_SLOT_SECONDS
            ):
                continue
            try:
                self.start(collection, Trigger.AUTO, delay=second % SCHEDULE_SLOT_SECONDS)
                started += 1
            except SyncAlreadyRunning:
                continue  # the running one does what this one would
        return started

    def cancel(self, collection: Collection) -> None:
        """End the sync that runs; its batches that wait in the queue are not worked on any more.

        Raises:
            Conflict: none runs.
        """
        sync = collection.sync
        running = sync.id is not None and sync.status_at(self.now()) is SyncStatus.IN_PROGRESS
        if not running or not self._end(collection, str(sync.id), SyncStatus.CANCELLED, "It was cancelled."):
            raise Conflict("No sync of this collection is running.")

    def preview(self, collection: Collection, seconds_left: Callable[[], float]) -> Preview:
        """What a sync would do, as far as there is time to walk; nothing is written.

        Raises:
            SourceUnavailable: the bucket cannot be listed.
        """
        kinds: Counter[ChangeKind] = Counter()
        examples: dict[str, list[str]] = {kind.value: [] for kind in ChangeKind}
        listed = scanned = removals = 0
        complete = True
        for chunk in self.worker.chunks(collection, KeyRange(0)):
            listed, scanned = listed + chunk.listed, scanned + chunk.scanned
            for key, kind, _, indexed in chunk.differences:
                kinds[kind] += 1
                removals += indexed
                if len(examples[kind]) < PREVIEW_EXAMPLES:
                    examples[kind].append(key)
            if seconds_left() <= 0:
                complete = False
                break
        return Preview(
            listed=listed,
            unchanged=listed - kinds[ChangeKind.ADD] - kinds[ChangeKind.UPDATE] - kinds[ChangeKind.RETRY],
            to_add=kinds[ChangeKind.ADD],
            to_update=kinds[ChangeKind.UPDATE],
            to_remove=kinds[ChangeKind.REMOVE],
            to_retry=kinds[ChangeKind.RETRY],
            needs_confirmation=needs_confirmation(removals, collection.total_files),
            complete=complete,
            examples=examples,
        )

    def _end(self, collection: Collection, sync: str, status: SyncStatus, reason: str) -> bool:
        return self.syncs.end(collection.account, collection.uuid, sync, self.now(), status, reason)
