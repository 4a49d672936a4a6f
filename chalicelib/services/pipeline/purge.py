"""Deletes removed records and their thumbnails once they have been removed for longer than ``tombstone_days``.

A schedule sends a message for each shard of the removals. A worker handles one until its shard has no expired record
left; when its time runs out, it sends the message on. So a purge keeps up with what is removed, whatever its rate.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice

from chalicelib.domain.errors import NotFound
from chalicelib.domain.file_images import FileImage
from chalicelib.domain.files import REMOVAL_SHARDS, FileRecord, FileState, PendingWrite
from chalicelib.domain.messages import PurgeStep, next_continuation
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, Queues

RECORDS_AT_ONCE = 25  # a batch of deletions has no more
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
    records_at_once: that are purged between two checks of the time left.
    """

    catalogue: Catalogue
    storage: ManagedStorage
    queues: Queues
    now: Clock
    tombstone_days: int = 30
    records_at_once: int = RECORDS_AT_ONCE

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
        removed = self.catalogue.removed(step.shard, first_day, last_day)
        while records := list(islice(removed, self.records_at_once)):
            if seconds_left() <= 0:
                day, continuation = records[0].updated_at.date(), next_continuation(step.continuation)
                self.queues.send_purge(replace(step, day=day.isoformat(), continuation=continuation))
                break
            expired = [
                record
                for record in records
                if record.state is FileState.REMOVED and record.updated_at.date() <= last_day
            ]
            ages = ((last_day - record.updated_at.date()).days for record in expired)
            overdue_days = max(overdue_days, *ages, 0)
            purged += self._purge(expired)
        return PurgeOutcome(purged, overdue_days)

    def _purge(self, records: Sequence[FileRecord]) -> int:
        """Purge expired records; returns how many, without those that another worker has written meanwhile.

        What a record refers to goes after the write that refers to it no more: if the object returns at this moment,
        one of the two writes is refused. The record itself goes last, so that a purge that ends before finds it again.
        """
        images = defaultdict[str, list[FileImage]](list)
        for image in self.catalogue.images_of([record.uuid for record in records]):
            images[image.file].append(image)
        emptied = [record for record in records if record.uuid not in images and record.thumbnail is None]
        full = [record for record in records if record.uuid in images or record.thumbnail is not None]
        for collection in dict.fromkeys(record.collection for record in full):
            writes = [PendingWrite(self._emptied(each), each) for each in full if each.collection == collection]
            written = self._save(writes)
            self.catalogue.delete_images([image for each in written for image in images[each.record.uuid]])
            for write in written:
                if write.previous is not None and write.previous.thumbnail is not None:
                    self.storage.delete_thumbnail(collection, write.previous.thumbnail)
            emptied += [write.record for write in written]
        return sum(self.catalogue.delete(record) for record in emptied)

    def _emptied(self, record: FileRecord) -> FileRecord:
        """The tombstone without the picture, dated as before, so that it stays in the list of its day.

        Its version is no time of today: a record that is made after this one is deleted would have the same.
        """
        return replace(record.as_deleted(record.moved_to), version=record.version + 1)

    def _save(self, writes: Sequence[PendingWrite]) -> list[PendingWrite]:
        try:
            stale = self.catalogue.save_all(writes)
        except NotFound:  # the collection is being deleted, and its records with it
            return []
        return [write for write in writes if write.key not in stale]
