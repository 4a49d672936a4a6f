"""Syncs in memory, on the collections of their fake."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import IndexBatch, SyncStep
from chalicelib.domain.syncs import BatchRecord, KeyRange, PendingBatch, Progress, Tally
from tests.fakes.collections import FakeCollections


class FakeSyncs:
    """What a test may look at: ``walked``, the key_ranges by sync and number; ``batches`` by sync and batch_id, and ``done``."""

    def __init__(self, collections: FakeCollections) -> None:
        self.walked: dict[tuple[str, int], KeyRange] = {}
        self.batches: dict[tuple[str, str], IndexBatch] = {}
        self.done: set[tuple[str, str]] = set()
        self._splits: dict[str, list[str]] = {}
        self._collections = collections

    def begin(self, collection: Collection, sync: SyncState, key_ranges: Sequence[KeyRange], now: datetime) -> bool:
        known = self._collections.get(collection.account, collection.uuid)
        if known is None or known.sync.status_at(now) is SyncStatus.IN_PROGRESS:
            return False
        assert sync.id is not None
        kept = {name: getattr(known.sync, name) for name in ("last_sync", "last_manual_sync", "last_auto_sync")}
        self._collections.put(replace(known, sync=replace(sync, files_before=known.total_files, **kept)))
        self.walked |= {(sync.id, key_range.number): key_range for key_range in key_ranges}
        return True

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        if self._change(step.account, step.collection, step.sync, lease_until=lease) is None:
            return None
        key_range = self.walked[step.sync, step.key_range]
        if key_range.continuation > step.continuation:
            return None
        taken = replace(key_range, continuation=step.continuation, fencing_token=key_range.fencing_token + 1)
        self.walked[step.sync, step.key_range] = taken
        return taken

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        made: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        running = self._running(step.account, step.collection, step.sync)
        if running is None or self.walked[step.sync, key_range.number].fencing_token != key_range.fencing_token:
            raise StaleWrite
        self.walked[step.sync, key_range.number] = key_range
        for each in pending_batches:
            assert each.batch.batch_id is not None
            self.batches[step.sync, each.batch.batch_id] = each.batch
        state = running.sync
        progress = replace(
            state.progress,
            listed=state.progress.listed + made.listed,
            to_do=state.progress.to_do + made.to_do,
            to_remove=state.progress.to_remove + made.to_remove,
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
        split_samples = [
            f"sent.{key_range.number:03}.{number:09}"
            for number in range(key_range.sent - key_range.unsent_count, key_range.sent)
        ]
        return [
            self.batches[step.sync, batch_id] for batch_id in split_samples if (step.sync, batch_id) not in self.done
        ]

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        for sync, batch_id in sorted(self.batches):
            waiting = sync == step.sync and batch_id.startswith("deferred.") and (sync, batch_id) not in self.done
            if waiting and (after is None or batch_id > after):
                yield self.batches[sync, batch_id]

    def key_ranges(self, sync: str) -> list[KeyRange]:
        return [key_range for (owner, _), key_range in self.walked.items() if owner == sync]

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
        counting = (SyncStatus.IN_PROGRESS, SyncStatus.NEEDS_CONFIRMATION)
        running = self._running(batch.account, batch.collection, batch.sync, counting)
        marker = batch.sync, batch.batch_id
        if running is None or marker not in self.batches or marker in self.done:
            return
        self.done.add(marker)
        was, progress = running.sync.progress.tally, running.sync.progress
        total = Tally(
            was.done + tally.done,
            was.failed + tally.failed,
            was.removed + tally.removed,
            was.skipped + tally.skipped,
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
        changes: dict[str, Any] = {"status": status}
        if reason is not None:
            changes["reason"] = reason
        if status is SyncStatus.COMPLETED:
            which = "last_auto_sync" if running.sync.trigger is Trigger.AUTO else "last_manual_sync"
            changes |= {"last_sync": now, which: now}
        return self._change(account, collection, sync, **changes) is not None

    def splits(self, collection: str) -> list[str]:
        return self._splits.get(collection, [])

    def save_splits(self, collection: str, splits: Sequence[str]) -> None:
        self._splits[collection] = list(splits)

    def _running(
        self, account: str, uuid: str, sync: str, among: Sequence[SyncStatus] = (SyncStatus.IN_PROGRESS,)
    ) -> Collection | None:
        known = self._collections.get(account, uuid)
        return known if known and known.sync.id == sync and known.sync.status in among else None

    def _change(self, account: str, uuid: str, sync: str, **changes: Any) -> Collection | None:
        running = self._running(account, uuid, sync)
        if running is not None:
            self._collections.put(replace(running, sync=replace(running.sync, **changes)))
        return running
