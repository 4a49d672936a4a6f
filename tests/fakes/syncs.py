"""Syncs in memory, on the collections of their fake."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.collections import CANCELLATIONS_PERIOD, Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import IndexBatch, SyncStep
from chalicelib.domain.syncs import BatchRecord, KeyRange, PendingBatch, Progress, Tally
from tests.fakes.collections import FakeCollections

ITEMS_PER_PAGE = 2


class FakeSyncs:
    """Keeps ``ranges``, the key ranges by sync and number; ``batches`` by sync and batch id; and those ``done``."""

    def __init__(self, collections: FakeCollections) -> None:
        self.ranges: dict[tuple[str, int], KeyRange] = {}
        self.batches: dict[tuple[str, str], IndexBatch] = {}
        self.done: set[tuple[str, str]] = set()
        self._splits: dict[str, list[str]] = {}
        self._collections = collections

    def begin(self, collection: Collection, sync: SyncState, key_ranges: Sequence[KeyRange], now: datetime) -> bool:
        stored = self._collections.get(collection.account, collection.uuid)
        if stored is None:
            return False
        started_at = stored.sync.started_at
        # A scheduled sync that waits for its time gives way to one by hand.
        gives_way = sync.trigger is Trigger.MANUAL and started_at is not None and started_at > now
        if stored.sync.status_at(now) is SyncStatus.IN_PROGRESS and not gives_way:
            return False
        latest = stored.sync.scheduled_for
        if sync.scheduled_for is not None and latest is not None and latest >= sync.scheduled_for:
            return False
        if sync.trigger is Trigger.MANUAL and stored.sync.next_start(now) is not None:
            return False
        assert sync.id is not None
        kept = ("last_sync", "last_manual_sync", "last_auto_sync", "cancelled", "cancelled_since")
        last = {name: getattr(stored.sync, name) for name in kept}
        last["scheduled_for"] = sync.scheduled_for or latest
        self._collections.put(replace(stored, sync=replace(sync, files_before=stored.total_files, **last)))
        self.ranges |= {(sync.id, key_range.number): key_range for key_range in key_ranges}
        return True

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        if self._change(step.account, step.collection, step.sync, lease_until=lease) is None:
            return None
        key_range = self.ranges[step.sync, step.key_range]
        if key_range.continuation > step.continuation:
            return None
        acquired = replace(key_range, continuation=step.continuation, fencing_token=key_range.fencing_token + 1)
        self.ranges[step.sync, step.key_range] = acquired
        return acquired

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        increment: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        running = self._running(step.account, step.collection, step.sync)
        if running is None or self.ranges[step.sync, key_range.number].fencing_token != key_range.fencing_token:
            raise StaleWrite
        self.ranges[step.sync, key_range.number] = key_range
        for pending in pending_batches:
            assert pending.batch.batch_id is not None
            self.batches[step.sync, pending.batch.batch_id] = pending.batch
        state = running.sync
        progress = replace(
            state.progress,
            listed=state.progress.listed + increment.listed,
            to_do=state.progress.to_do + increment.to_do,
            to_remove=state.progress.to_remove + increment.to_remove,
            ignored=state.progress.ignored + increment.ignored,
        )
        self._change(
            step.account,
            step.collection,
            step.sync,
            lease_until=lease,
            progress=progress,
            outstanding=state.outstanding + len(pending_batches),
            open_key_ranges=state.open_key_ranges - key_range.finished,
        )

    def unsent_batches(self, step: SyncStep, key_range: KeyRange) -> list[IndexBatch]:
        numbers = range(key_range.sent - key_range.unsent_count, key_range.sent)
        batch_ids = [f"sent.{key_range.number:03}.{number:09}" for number in numbers]
        return [self.batches[step.sync, batch_id] for batch_id in batch_ids if (step.sync, batch_id) not in self.done]

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        for sync, batch_id in sorted(self.batches):
            waiting = sync == step.sync and batch_id.startswith("deferred.") and (sync, batch_id) not in self.done
            if waiting and (after is None or batch_id > after):
                yield self.batches[sync, batch_id]

    def key_ranges(self, sync: str) -> list[KeyRange]:
        return [key_range for (owner, _), key_range in self.ranges.items() if owner == sync]

    def batch_records(self, sync: str) -> Iterator[BatchRecord]:
        for (owner, batch_id), batch in sorted(self.batches.items()):
            if owner == sync:
                yield BatchRecord(batch, (owner, batch_id) in self.done)

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None:
        self._change(account, collection, sync, lease_until=lease)

    def mark_listed(self, step: SyncStep) -> None:
        self._change(step.account, step.collection, step.sync, listed=True)

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        assert batch.sync is not None and batch.batch_id is not None
        counting = [SyncStatus.IN_PROGRESS, SyncStatus.NEEDS_CONFIRMATION, SyncStatus.FAILED]
        if tally != Tally():
            counting.append(SyncStatus.CANCELLED)
        running = self._running(batch.account, batch.collection, batch.sync, counting)
        batch_key = batch.sync, batch.batch_id
        if running is None or batch_key not in self.batches or batch_key in self.done:
            return
        self.done.add(batch_key)
        progress, before = running.sync.progress, running.sync.progress.tally
        total = Tally(
            before.done + tally.done,
            before.failed + tally.failed,
            before.removed + tally.removed,
            before.skipped + tally.skipped,
        )
        state = replace(
            running.sync,
            progress=replace(progress, tally=total),
            outstanding=running.sync.outstanding - 1,
            lease_until=lease,
        )
        self._collections.put(replace(running, sync=state))

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        running = self._running(account, collection, sync)
        if running is None:
            return False
        changes: dict[str, Any] = {"status": status, "ended_at": now}
        if reason is not None:
            changes["reason"] = reason
        if status is SyncStatus.CANCELLED:
            since = running.sync.cancelled_since
            recent = since is not None and since > now - CANCELLATIONS_PERIOD
            changes |= {
                "cancelled": running.sync.cancelled + 1 if recent else 1,
                "cancelled_since": since if recent else now,
            }
        if status is SyncStatus.COMPLETED:
            last = "last_auto_sync" if running.sync.trigger is Trigger.AUTO else "last_manual_sync"
            changes |= {"last_sync": now, last: now}
        return self._change(account, collection, sync, **changes) is not None

    def delete_page(self, collection: str, sync: str | None) -> bool:
        page = [key for key in (*self.ranges, *self.batches) if key[0] == sync][:ITEMS_PER_PAGE]
        for stored in (self.ranges, self.batches):
            for key in page:
                stored.pop(key, None)  # type: ignore[call-overload]  # a key of either
        return self._splits.pop(collection, None) is not None or bool(page)

    def splits(self, collection: str) -> list[str]:
        return self._splits.get(collection, [])

    def save_splits(self, collection: str, splits: Sequence[str]) -> None:
        self._splits[collection] = list(splits)

    def _running(
        self, account: str, uuid: str, sync: str, statuses: Sequence[SyncStatus] = (SyncStatus.IN_PROGRESS,)
    ) -> Collection | None:
        stored = self._collections.get(account, uuid)
        return stored if stored and stored.sync.id == sync and stored.sync.status in statuses else None

    def _change(self, account: str, uuid: str, sync: str, **changes: Any) -> Collection | None:
        running = self._running(account, uuid, sync)
        if running is not None:
            self._collections.put(replace(running, sync=replace(running.sync, **changes)))
        return running
