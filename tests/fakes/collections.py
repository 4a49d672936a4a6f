"""Collections in memory, with the state of their syncs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus, Trigger


class FakeCollections:
    """What a test may look at: ``stored`` by account and uuid, ``markers`` by sync and batch (True once closed)."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Collection] = {}
        self.markers: dict[tuple[str, str], bool] = {}

    def add(self, collection: Collection) -> None:
        assert (collection.account, collection.uuid) not in self.stored
        self.stored[collection.account, collection.uuid] = collection

    def get(self, account: str, uuid: str) -> Collection | None:
        return self.stored.get((account, uuid))

    def of_account(self, account: str) -> list[Collection]:
        return [collection for (owner, _), collection in sorted(self.stored.items()) if owner == account]

    def on_bucket(self, bucket: str) -> list[Collection]:
        return [collection for collection in self.stored.values() if collection.bucket == bucket]

    def due(self, interval: AutoSync) -> Iterator[Collection]:
        yield from [c for c in self.stored.values() if c.auto_sync is interval and interval is not AutoSync.MANUAL]

    def begin_sync(self, collection: Collection, sync: str, trigger: Trigger, now: datetime, lease: datetime) -> bool:
        known = self.get(collection.account, collection.uuid)
        if known is None or known.sync.status_at(now) is SyncStatus.IN_PROGRESS:
            return False
        self._change(
            known, status=SyncStatus.IN_PROGRESS, id=sync, trigger=trigger, lease_until=lease, listed=False,
            outstanding=0,
        )  # fmt: skip
        return True

    def extend_lease(self, step: SyncStep, lease: datetime) -> bool:
        running = self._running(step.account, step.collection, step.sync)
        if running is not None:
            self._change(running, lease_until=lease)
        return running is not None

    def open_batch(self, batch: IndexBatch, lease: datetime) -> None:
        self._count(batch, lease, was=None, becomes=False, step=1)

    def close_batch(self, batch: IndexBatch, lease: datetime) -> None:
        self._count(batch, lease, was=False, becomes=True, step=-1)

    def listing_done(self, step: SyncStep) -> None:
        running = self._running(step.account, step.collection, step.sync)
        if running is not None:
            self._change(running, listed=True)

    def end_sync(self, account: str, uuid: str, sync: str, now: datetime, *, succeeded: bool) -> None:
        running = self._running(account, uuid, sync)
        if running is None:
            return
        if not succeeded:
            self._change(running, status=SyncStatus.FAILED)
            return
        which = "last_auto_sync" if running.sync.trigger is Trigger.AUTO else "last_manual_sync"
        self._change(running, status=SyncStatus.COMPLETED, last_sync=now, **{which: now})

    def count(self, account: str, uuid: str, files: int, size: int) -> bool:
        """Move the statistics; the catalogue's fake does so with each record that it saves."""
        known = self.get(account, uuid)
        if known is not None:
            moved = replace(known, total_files=known.total_files + files, total_size=known.total_size + size)
            self.stored[account, uuid] = moved
        return known is not None

    def _count(self, batch: IndexBatch, lease: datetime, *, was: bool | None, becomes: bool, step: int) -> None:
        assert batch.sync is not None
        running = self._running(batch.account, batch.collection, batch.sync)
        marker = batch.sync, batch.id
        if running is not None and self.markers.get(marker) is was:
            self.markers[marker] = becomes
            self._change(running, outstanding=running.sync.outstanding + step, lease_until=lease)

    def _running(self, account: str, uuid: str, sync: str) -> Collection | None:
        known = self.get(account, uuid)
        return known if known and (known.sync.id, known.sync.status) == (sync, SyncStatus.IN_PROGRESS) else None

    def _change(self, collection: Collection, **changes: Any) -> None:
        state: SyncState = replace(collection.sync, **changes)
        self.stored[collection.account, collection.uuid] = replace(collection, sync=state)
