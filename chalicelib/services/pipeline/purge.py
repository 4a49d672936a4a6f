"""Deletes removed records and their thumbnails once they have been removed for longer than ``tombstone_days``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage

CATCH_UP_DAYS = 90  # earlier days that each run goes through too, for runs that were missed or did not finish
MAX_RECORDS_PER_RUN = 20_000  # so that a bucket that was emptied does not keep other collections waiting


@dataclass(frozen=True, slots=True)
class Purge:
    """Args:
    tombstone_days: days that a removed record keeps its embedding and thumbnail, so that an object that returns
        costs nothing. Longer than a message may stay in a queue, and longer than the 15 days that a vector store
        keeps tombstones: otherwise a late message could restore an old state.
    """

    catalogue: Catalogue
    storage: ManagedStorage
    now: Clock
    tombstone_days: int = 30

    def run(self, seconds_left: Callable[[], float]) -> int:
        """Purge the oldest records first, as many as the time allows; returns how many."""
        purged = 0
        for record in self._expired_records():
            if purged == MAX_RECORDS_PER_RUN or seconds_left() <= 0:
                break
            # The record first: if its object returns at this moment, the record is refused and the thumbnail kept.
            if self.catalogue.delete(record):
                purged += 1
                if record.thumbnail is not None:
                    self.storage.delete_thumbnail(record.collection, record.thumbnail)
        return purged

    def _expired_records(self) -> Iterator[FileRecord]:
        last_day: date = self.now().date() - timedelta(days=self.tombstone_days + 1)
        for days_before in range(CATCH_UP_DAYS, -1, -1):
            for record in self.catalogue.removed_on(last_day - timedelta(days=days_before)):
                if record.state is FileState.REMOVED and record.updated_at.date() <= last_day:
                    yield record
