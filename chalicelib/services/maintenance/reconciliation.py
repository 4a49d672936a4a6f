"""Sends a hint for each file whose object and record differ, as S3's events do: for events that may have been lost."""

from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.messages import IndexBatch, ObjectHint, hint_batches
from chalicelib.domain.sync_diff import RetryBudget
from chalicelib.domain.syncs import KeyRange
from chalicelib.services.pipeline.sync_worker import SyncWorker
from chalicelib.services.ports import Queues


@dataclass(frozen=True, slots=True)
class Reconciliation:
    worker: SyncWorker
    queues: Queues

    def send_hints(self, collection: Collection) -> int:
        """Compare a collection's bucket with its catalogue; returns how many files differ.

        A connected bucket is better synced: a sync asks before it removes most of a collection.

        Raises:
            SourceUnavailable: the bucket cannot be listed.
        """
        sent = 0
        for chunk in self.worker.chunks(collection, KeyRange(0), RetryBudget()):
            # A record that is pending or has failed needs no object.
            hints = [ObjectHint(each.key) for each in chunk.differences if each.s3_object is not None or each.indexed]
            self.queues.send_batches(
                [IndexBatch(collection.account, collection.uuid, batch) for batch in hint_batches(hints)]
            )
            sent += len(hints)
        return sent
