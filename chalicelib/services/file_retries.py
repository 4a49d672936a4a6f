"""Tries the failed files of a collection again, many at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileState, PendingWrite
from chalicelib.domain.messages import IndexBatch, ObjectHint, hint_batches
from chalicelib.services.files import RETRY_DELAY
from chalicelib.services.ports import Catalogue, Clock, Queues

PAGE = 50  # files that ``Catalogue.save_all`` takes
MAX_FILES = 1_000  # that one request tries again


@dataclass(frozen=True, slots=True)
class FileRetryService:
    catalogue: Catalogue
    queues: Queues
    now: Clock

    def retry(self, collection: Collection, reason: str | None, seconds_left: Callable[[], float]) -> int:
        """Mark failed files as pending and have them indexed again; returns how many, 1,000 at most.

        A file that another worker writes meanwhile is tried again, too, but not counted.

        Args:
            reason: only files that failed for it; None for all.
        """
        retried, after = 0, None
        while retried < MAX_FILES and seconds_left() > 0:
            page = self.catalogue.page(collection.uuid, FileState.FAILED, after=after, limit=PAGE, reason=reason)
            now = self.now()
            writes = [PendingWrite(record.next_revision(now).as_pending(), record) for record in page.records]
            if writes:
                # Before the records are saved: where this process ends in between, the files are tried again all the
                # same. A worker that comes first has tried its file again, and the write of that file is refused.
                hints = [ObjectHint(write.key, retry=True) for write in writes]
                batches = [IndexBatch(collection.account, collection.uuid, batch) for batch in hint_batches(hints)]
                self.queues.send_changes(batches, delay=RETRY_DELAY)
                retried += len(writes) - len(self.catalogue.save_all(writes))
            after = page.after
            if after is None:
                break
        return retried
