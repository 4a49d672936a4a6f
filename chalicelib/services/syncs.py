"""Syncs for callers: start one by hand or by schedule, cancel it, or preview what it would do."""

import uuid as uuids
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.collections import MAX_CANCELLATIONS, AutoSync, Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import Conflict, SyncAlreadyRunning
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.schedules import run_of_firing
from chalicelib.domain.sync_diff import ChangeKind
from chalicelib.domain.syncs import KeyRange, Preview, key_ranges_between, needs_confirmation
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE, SyncWorker
from chalicelib.services.ports import Clock, Collections, Queues, Syncs

PREVIEW_EXAMPLES = 10  # keys of each kind that a preview names


@dataclass(frozen=True, slots=True)
class SyncService:
    """``schedule_spread`` are the seconds over which the syncs of one schedule start."""

    collections: Collections
    syncs: Syncs
    worker: SyncWorker
    queues: Queues
    now: Clock
    schedule_spread: int = 3600

    def start(
        self,
        collection: Collection,
        trigger: Trigger,
        *,
        delay: int = 0,
        scheduled_for: datetime | None = None,
        confirm_removals: bool = False,
        retry_failed: bool = False,
    ) -> str:
        """Start a sync unless one is running; returns its id.

        One that a caller starts takes the place of a scheduled one that waits for its time.

        Args:
            delay: seconds until its first message is delivered, 900 at most.
            scheduled_for: the run of the schedule that it is.
            confirm_removals: remove the files of removed objects, however many they are.
            retry_failed: try the files again that have failed.

        Raises:
            SyncAlreadyRunning: one is running, or this run of the schedule was started already.
            Conflict: the caller has cancelled ten within the hour.
        """
        sync, now = str(uuids.uuid4()), self.now()
        key_ranges = key_ranges_between(self.syncs.splits(collection.uuid))
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=sync,
            trigger=trigger,
            lease_until=now + SYNC_LEASE + timedelta(seconds=delay),
            started_at=now + timedelta(seconds=delay),
            scheduled_for=scheduled_for,
            confirmed=confirm_removals,
            retry=retry_failed,
            open_key_ranges=len(key_ranges) - 1,
        )
        try:
            has_begun = self.syncs.begin(collection, state, key_ranges, now)
            for key_range in key_ranges[:-1] if has_begun else ():
                step = SyncStep(collection.account, collection.uuid, sync, key_range.number)
                self.queues.send_sync(step, delay=delay)
        except Exception:
            # It may have begun although the answer was lost. No worker will run it: free the collection now, and not
            # when the lease expires.
            self._end(collection, sync, SyncStatus.FAILED, "It could not be started: a system did not answer.")
            raise
        if not has_begun:
            raise self._refused(collection, now)
        return sync

    def start_scheduled(self, interval: AutoSync, fired_at: datetime) -> int:
        """Start the runs of an interval's schedule, which has fired; returns how many were started.

        EventBridge may fire twice for one time, and each run starts once:
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
        """
        started = 0
        for collection in self.collections.due(interval):
            run = run_of_firing(collection, fired_at, self.schedule_spread)
            if run is None:
                continue
            delay = max(0, int((run - fired_at).total_seconds()))
            try:
                self.start(collection, Trigger.AUTO, delay=delay, scheduled_for=run)
                started += 1
            except Conflict:
                continue  # the running one does the same
        return started

    def cancel(self, collection: Collection) -> None:
        """End the running sync; index workers skip its batches that are still in the queue.

        Raises:
            Conflict: no sync is running.
        """
        sync = collection.sync
        running = sync.id is not None and sync.status_at(self.now()) is SyncStatus.IN_PROGRESS
        if not running or not self._end(collection, str(sync.id), SyncStatus.CANCELLED, "It was cancelled."):
            raise Conflict("No sync of this collection is running.")

    def preview(self, collection: Collection, seconds_left: Callable[[], float]) -> Preview:
        """What a sync would do, as far as there is time to scan the bucket; nothing is written.

        Raises:
            SourceUnavailable: the bucket cannot be listed.
        """
        kinds: Counter[ChangeKind] = Counter()
        examples: dict[str, list[str]] = {kind.value: [] for kind in ChangeKind}
        ignored_examples: list[str] = []
        listed = removals = ignored = 0
        complete = True
        by_hand = replace(collection, sync=SyncState())
        retries = self.worker.retry_budget(by_hand, KeyRange(0))
        for chunk in self.worker.chunks(collection, KeyRange(0), retries):
            listed += chunk.listed
            ignored += len(chunk.ignored)
            ignored_examples += chunk.ignored[: PREVIEW_EXAMPLES - len(ignored_examples)]
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
            ignored=ignored,
            examples={**examples, "ignored": ignored_examples},
        )

    def _refused(self, collection: Collection, now: datetime) -> Conflict:
        current = self.collections.get(collection.account, collection.uuid)
        if current is None:
            return Conflict("The collection is deleted.")
        next_start = current.sync.next_start(now)
        if next_start is None or current.sync.status_at(now) is SyncStatus.IN_PROGRESS:
            return SyncAlreadyRunning("A sync of this collection is running. Wait until it has ended, or cancel it.")
        return Conflict(
            f"{MAX_CANCELLATIONS} syncs of this collection were cancelled within an hour. Start the next one after "
            f"{next_start:%H:%M} UTC, and let it run."
        )

    def _end(self, collection: Collection, sync: str, status: SyncStatus, reason: str) -> bool:
        return self.syncs.end(collection.account, collection.uuid, sync, self.now(), status, reason)
