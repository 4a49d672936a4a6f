"""Index worker: applies one batch, and reports it to the sync that waits for it."""

from dataclasses import dataclass

from chalicelib.domain.messages import IndexBatch
from chalicelib.domain.syncs import Tally
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.pipeline.sync_worker import SyncWorker


@dataclass(frozen=True, slots=True)
class IndexWorker:
    indexer: Indexer
    sync_worker: SyncWorker

    def run(self, batch: IndexBatch, *, redelivered: bool) -> Tally:
        """Apply a batch and count it as done; returns what became of its objects.

        Raises:
            Unavailable: not possible now; nothing is lost, try again.
        """
        if redelivered:
            # Since its last delivery the batch may have waited nearly as long as its sync's lease lasts.
            self.sync_worker.renew_lease(batch)
        tally = self.indexer.apply(batch, redelivered=redelivered)
        self.sync_worker.complete_batch(batch, tally, redelivered=redelivered)
        return tally
