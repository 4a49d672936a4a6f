"""Syncs from inside: a part of a bucket is walked leg by leg, and the last batch that is done ends the sync.

Whatever a walk has met is put on record, with the cursor, before it is sent: a worker that dies between the two leaves
what the next one needs to send it. Removals are put on record too, and sent only when the whole bucket has been listed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import takewhile

from chalicelib.domain.changes import Change, IndexBatch, SyncStep, batches
from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.errors import SourceDenied
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.listing import STEP, Difference, Kind, Known, Stretch, compare
from chalicelib.domain.syncs import CONFIRM_FROM, RELEASING, Part, Progress, Tally, needs_confirmation, splits_after
from chalicelib.services.ports import Catalogue, Clock, Collections, Embedder, Opened, Queues, Sources, Syncs
from chalicelib.services.rationing import Rationing

# Longer than a message that failed stays away, so that a batch whose worker died comes back before its sync
# counts as dead.
LEASE = timedelta(minutes=20)
ENOUGH = 16


@dataclass(frozen=True, slots=True)
class Walk:
    collections: Collections
    syncs: Syncs
    catalogue: Catalogue
    sources: Sources
    embedder: Embedder
    queues: Queues
    rationing: Rationing
    now: Clock
    step: int = STEP  # keys between two looks at the clock
    enough: int = ENOUGH  # differences that are worth a write
    confirm_from: int = CONFIRM_FROM  # indexed pictures from which on most may not go unasked

    def take_on(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        """Take one part of a sync on until it ends or the worker's time runs low; the rest is handed on.

        A bucket that may not be listed ends the sync as failed, with the reason; nothing is removed for that.

        Raises:
            Unavailable: the bucket or the embedder did not answer; the message comes back.
            StaleWrite: another worker has taken the part over, or the sync was ended meanwhile.
        """
        part = self.syncs.take(step, self.now() + LEASE)
        collection = self.collections.get(step.account, step.collection) if part else None
        if part is None or collection is None or collection.sync.id != step.sync:
            return  # cancelled, superseded, ended, deleted, or walked on by a later leg
        if step.part == RELEASING:
            self._release(step, part, seconds_left)
            return
        # The worker before may have died between putting its last batches on record and sending them.
        self.queues.send_batches(self.syncs.unsent(step, part))
        if not part.finished:
            try:
                ended = self._walk(step, part, collection, seconds_left)
            except SourceDenied as error:
                self._end(step.account, step.collection, step.sync, SyncStatus.FAILED, error.message)
                return
            if not ended:
                self.queues.send_sync(replace(step, leg=step.leg + 1))
                return
        self._after_the_walk(step, seconds_left)

    def stretches(self, collection: Collection, part: Part, *, retry: bool = False) -> Iterator[Stretch]:
        """What the rest of a part holds, compared with the catalogue."""
        listing: Iterator[ObjectInfo] = self.sources.of(collection).walk(part.start)
        known: Iterator[Known] = self.catalogue.walk(collection.uuid, part.start)
        until = part.until
        if until is not None:
            listing = takewhile(lambda found: found.key <= until, listing)
            known = takewhile(lambda record: record.key <= until, known)
        held = (found for found in listing if collection.holds(found.key))
        again = self.rationing.again(collection)
        return compare(held, known, self.embedder.model(), retry=retry, again=again, step=self.step)

    def keep_alive(self, batch: IndexBatch) -> None:
        """Tell the sync that waits for the batch that it is being worked on again."""
        if batch.sync is not None:
            self.syncs.extend(batch.account, batch.collection, batch.sync, self.now() + LEASE)

    def batch_done(self, batch: IndexBatch, tally: Tally) -> None:
        """Count a batch that an index worker has finished; the last one ends its sync."""
        if batch.sync is not None:
            self.syncs.close_batch(batch, tally, self.now() + LEASE)
            self._finish_if_done(batch.account, batch.collection, batch.sync)

    def _walk(self, step: SyncStep, part: Part, collection: Collection, seconds_left: Callable[[], float]) -> bool:
        """Answers whether the part has met its end."""
        pending = _Pending()
        for stretch in self.stretches(collection, part, retry=collection.sync.retry):
            pending.add(stretch)
            late = seconds_left() <= 0
            if late or len(pending.differences) >= self.enough:
                part = self._put_on_record(step, part, pending)
                pending = _Pending()
            if late:
                return False
        self._put_on_record(step, replace(part, finished=True), pending)
        return True

    def _put_on_record(self, step: SyncStep, part: Part, pending: "_Pending") -> Part:
        """Note where the walk stands and what it found, then send what is to be sent at once."""
        differences = pending.differences
        changes = [
            Change(key, retry=kind is Kind.RETRY, etag=found.etag, size=found.size)
            for key, kind, found, _ in differences
            if found is not None
        ]
        removals = [Change(key) for key, _, found, _ in differences if found is None]
        opened = [
            Opened(IndexBatch(step.account, step.collection, batch, step.sync, mark), held)
            for held, news, first in ((False, changes, part.sent), (True, removals, part.held))
            for batch, mark in _marked(news, part.number, first, held=held)
        ]
        sent = [each.batch for each in opened if not each.held]
        part = part.moved(pending.last, pending.met) if pending.last is not None else part
        part = replace(part, sent=part.sent + len(sent), fresh=len(sent), held=part.held + len(opened) - len(sent))
        made = Progress(pending.listed, len(differences), sum(each.indexed for each in differences))
        self.syncs.advance(step, part, made, opened, self.now() + LEASE)
        self.queues.send_batches(sent)
        return part

    def _after_the_walk(self, step: SyncStep, seconds_left: Callable[[], float]) -> None:
        # Read after the write: of two parts that end at once, the later one sees both.
        collection = self.collections.get(step.account, step.collection)
        if collection is None or collection.sync.id != step.sync or collection.sync.parts > 0:
            return
        sync, removals = collection.sync, collection.sync.progress.to_remove
        if sync.listed:
            self._finish_if_done(step.account, step.collection, step.sync)
        elif not sync.confirmed and needs_confirmation(removals, sync.files_before, self.confirm_from):
            reason = (
                f"{removals:,} of {sync.files_before:,} pictures are gone from the bucket. None of them was removed. "
                'If that is meant, start a sync with {"confirm_removals": true}.'
            )
            self._end(step.account, step.collection, step.sync, SyncStatus.NEEDS_CONFIRMATION, reason)
        else:
            self.syncs.save_splits(step.collection, splits_after(self.syncs.parts(step.sync)))
            self.take_on(replace(step, part=RELEASING, leg=0), seconds_left)

    def _release(self, step: SyncStep, part: Part, seconds_left: Callable[[], float]) -> None:
        """Send the removals, now that the whole bucket has been listed."""
        for batch in self.syncs.held(step, part.cursor):
            self.queues.send_batches([batch])
            if seconds_left() <= 0:
                self.syncs.advance(step, replace(part, cursor=batch.mark), Progress(), [], self.now() + LEASE)
                self.queues.send_sync(replace(step, leg=step.leg + 1))
                return
        self.syncs.set_listed(step)
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
    """What a walk has met since it last put on record where it stands."""

    last: str | None = None
    met: int = 0
    listed: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, stretch: Stretch) -> None:
        self.last = stretch.last
        self.met += stretch.met
        self.listed += stretch.listed
        self.differences += stretch.differences


def _marked(news: list[Change], part: int, first: int, *, held: bool) -> Iterator[tuple[tuple[Change, ...], str]]:
    """Batches with the names under which the sync counts them; in the order in which they were met."""
    kind = "held" if held else "sent"
    for number, batch in enumerate(batches(news), start=first):
        yield batch, f"{kind}.{part:03}.{number:09}"
