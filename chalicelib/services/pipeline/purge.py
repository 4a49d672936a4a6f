"""Deletes removed records and their thumbnails once they have been removed for longer than ``tombstone_days``.

A schedule sends a message for each shard of the removals. A worker handles one until its shard has no expired record
left; when its time runs out, it sends the message on. So a purge keeps up with what is removed, whatever its rate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from chalicelib.domain.files import REMOVAL_SHARDS, FileState
from chalicelib.domain.messages import PurgeStep, next_continuation
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, Queues

# Earlier days that each run goes through too, for days on which no purge ran or one did not finish.
CATCH_UP_DAYS = 400


@dataclass(frozen=True, slots=True)
class PurgeOutcome:
    """``overdue_days``: by how many days the oldest record that was found should have been purged earlier."""

    purged: int
    overdue_days: int


@dataclass(frozen=True, slots=True)
class Purge:
    """Args:
    tombstone_days: days that a removed record keeps its embedding and thumbnail, so that an object that returns
        costs nothing. Longer than a message may stay in a queue, and longer than the 15 days that a vector store
        keeps tombstones: otherwise a late message could restore an old state.
    """

    catalogue: Catalogue
    storage: ManagedStorage
    queues: Queues
    now: Clock
    tombstone_days: int = 30

    def begin(self) -> None:
        """Have the expired records of every shard purged."""
        for shard in range(REMOVAL_SHARDS):
            self.queues.send_purge(PurgeStep(shard))

    def run(self, step: PurgeStep, seconds_left: Callable[[], float]) -> PurgeOutcome:
        """Purge a shard's oldest records first; when the worker's time runs out, the message is sent on for the rest.

        Raises:
            ContinuationLimit: it was sent on too often.
        """
        last_day: date = self.now().date() - timedelta(days=self.tombstone_days + 1)
        first_day = date.fromisoformat(step.day) if step.day else last_day - timedelta(days=CATCH_UP_DAYS)
        purged = overdue_days = 0
        for record in self.catalogue.removed(step.shard, first_day, last_day):
            removal_day = record.updated_at.date()
            if seconds_left() <= 0:
                continuation = next_continuation(step.continuation)
                self.queues.send_purge(replace(step, day=removal_day.isoformat(), continuation=continuation))
                break
            if record.state is not FileState.REMOVED or removal_day > last_day:
                continue
            overdue_days = max(overdue_days, (last_day - removal_day).days)
            # The record first: if its object returns at this moment, the record is refused and the thumbnail kept.
            if self.catalogue.delete(record):
                purged += 1
                if record.thumbnail is not None:
                    self.storage.delete_thumbnail(record.collection, record.thumbnail)
        return PurgeOutcome(purged, overdue_days)
