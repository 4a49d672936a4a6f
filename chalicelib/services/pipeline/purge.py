"""Forgetting what has been gone for longer than the grace period."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage

# Days before the last one of the grace that are looked through as well, for runs that did not take place or to an end.
CATCH_UP_DAYS = 90
MAX_PURGED_RECORDS = 20_000  # records a run, so that a bucket that went away does not keep the rest waiting


@dataclass(frozen=True, slots=True)
class Purge:
    """``grace`` is how many days a removed record keeps its embedding and thumbnail, so that a return costs nothing.

    It is longer than a message may live in a queue and than a vector store remembers that it removed a document, 15
    days, or a late message could bring an old state back.
    """

    catalogue: Catalogue
    storage: ManagedStorage
    now: Clock
    grace: int = 30

    def run(self, seconds_left: Callable[[], float]) -> int:
        """Forget records and their thumbnails, oldest first, as many as there is time for; answers how many."""
        purged = 0
        for record in self._overdue():
            if purged == MAX_PURGED_RECORDS or seconds_left() <= 0:
                break
            # The record first: its object may come back at this moment, and then both are kept.
            if self.catalogue.delete(record):
                purged += 1
                if record.thumbnail is not None:
                    self.storage.delete_thumbnail(record.collection, record.thumbnail)
        return purged

    def _overdue(self) -> Iterator[FileRecord]:
        last: date = self.now().date() - timedelta(days=self.grace + 1)
        for days in range(CATCH_UP_DAYS, -1, -1):
            day = last - timedelta(days=days)
            for record in self.catalogue.removed_on(day):
                if record.state is FileState.REMOVED and record.updated_at.date() <= last:
                    yield record
