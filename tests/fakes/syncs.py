"""Syncs in memory, on the collections of their fake."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.syncs import Part, Progress, Tally
from chalicelib.services.ports import OnRecord, Opened
from tests.fakes.collections import FakeCollections


class FakeSyncs:
    """What a test may look at: ``walked``, the parts by sync and number; ``batches`` by sync and mark, and ``done``."""

    def __init__(self, collections: FakeCollections) -> None:
        self.walked: dict[tuple[str, int], Part] = {}
        self.batches: dict[tuple[str, str], IndexBatch] = {}
        self.done: set[tuple[str, str]] = set()
        self._splits: dict[str, list[str]] = {}
        self._collections = collections

    def begin(self, collection: Collection, sync: SyncState, parts: Sequence[Part], now: datetime) -> bool:
        known = self._collections.get(collection.account, collection.uuid)
        if known is None or known.sync.status_at(now) is SyncStatus.IN_PROGRESS:
            return False
        assert sync.id is not None
        kept = {name: getattr(known.sync, name) for name in ("last_sync", "last_manual_sync", "last_auto_sync")}
        self._collections.put(replace(known, sync=replace(sync, files_before=known.total_files, **kept)))
        self.walked |= {(sync.id, part.number): part for part in parts}
        return True

    def take(self, step: SyncStep, lease: datetime) -> Part | None:
        if self._change(step.account, step.collection, step.sync, lease_until=lease) is None:
            return None
        part = self.walked[step.sync, step.part]
        if part.leg > step.leg:
            return None
        taken = replace(part, leg=step.leg, fence=part.fence + 1)
        self.walked[step.sync, step.part] = taken
        return taken

    def advance(self, step: SyncStep, part: Part, made: Progress, opened: Sequence[Opened], lease: datetime) -> None:
        running = self._running(step.account, step.collection, step.sync)
        if running is None or self.walked[step.sync, part.number].fence != part.fence:
            raise StaleWrite
        self.walked[step.sync, part.number] = part
        for each in opened:
            assert each.batch.mark is not None
            self.batches[step.sync, each.batch.mark] = each.batch
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
            outstanding=state.outstanding + len(opened),
            parts=state.parts - part.finished,
        )

    def unsent(self, step: SyncStep, part: Part) -> list[IndexBatch]:
        marks = [f"sent.{part.number:03}.{number:09}" for number in range(part.sent - part.fresh, part.sent)]
        return [self.batches[step.sync, mark] for mark in marks if (step.sync, mark) not in self.done]

    def held(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        for sync, mark in sorted(self.batches):
            waiting = sync == step.sync and mark.startswith("held.") and (sync, mark) not in self.done
            if waiting and (after is None or mark > after):
                yield self.batches[sync, mark]

    def parts(self, sync: str) -> list[Part]:
        return [part for (owner, _), part in self.walked.items() if owner == sync]

    def on_record(self, sync: str) -> Iterator[OnRecord]:
        for (owner, mark), batch in sorted(self.batches.items()):
            if owner == sync:
                yield OnRecord(batch, (owner, mark) in self.done)

    def extend(self, account: str, collection: str, sync: str, lease: datetime) -> None:
        self._change(account, collection, sync, lease_until=lease)

    def set_listed(self, step: SyncStep) -> None:
        self._change(step.account, step.collection, step.sync, listed=True)

    def close_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        assert batch.sync is not None and batch.mark is not None
        counting = (SyncStatus.IN_PROGRESS, SyncStatus.NEEDS_CONFIRMATION)
        running = self._running(batch.account, batch.collection, batch.sync, counting)
        marker = batch.sync, batch.mark
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
