"""Deletes a collection: hides it at once (a soft delete), then removes its data page by page in a worker.

Each message removes whatever it finds, so one that is delivered twice, or begins again after a crash, does no harm.
Workers that were using the collection when it was hidden may go on writing for as long as they run. A last pass, once
none of them can be running, removes what they wrote, and then the soft-deleted collection itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.messages import DeletionStep, next_continuation
from chalicelib.domain.uploads import ManagedArea
from chalicelib.services.ports import (
    Catalogue,
    Clock,
    CollectionRegistry,
    Duplicates,
    ManagedStorage,
    Queues,
    QuotaLedger,
    Syncs,
    VectorStore,
)

# A message may arrive before the collection is hidden, which then happens within the time of a request.
EARLY_MESSAGE_RETRIES = 3
EARLY_MESSAGE_DELAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Deletion:
    """Args:
    grace_seconds: after it no worker runs any more that began before the collection was hidden; at most 900.
    """

    registry: CollectionRegistry
    catalogue: Catalogue
    syncs: Syncs
    duplicates: Duplicates
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    vectors: VectorStore
    queues: Queues
    now: Clock
    grace_seconds: int

    def begin(self, collection: Collection) -> None:
        """Hide the collection and have its data removed; once this returns, no request finds it.

        Raises:
            NotFound: another request has deleted it meanwhile.
        """
        # The message first: a collection that is hidden without a message would keep its data for ever.
        self.queues.send_deletion(DeletionStep(collection.account, collection.uuid))
        self.registry.begin_deletion(collection, self.now())

    def run(self, step: DeletionStep, seconds_left: Callable[[], float]) -> None:
        """Remove the collection's data; when the worker's time runs out, the message is sent again for the rest.

        Raises:
            ContinuationLimit: it was sent too often.
        """
        collection = self.registry.deleted(step.account, step.collection)
        if collection is None:
            # Not hidden yet, never to be hidden because the request failed, or removed already.
            if step.early < EARLY_MESSAGE_RETRIES:
                self.queues.send_deletion(replace(step, early=step.early + 1), delay=EARLY_MESSAGE_DELAY_SECONDS)
            return
        self.vectors.remove_collection(collection.account, collection.uuid)
        for remove_page in self._page_removals(collection):
            while remove_page():
                if seconds_left() <= 0:
                    self.queues.send_deletion(replace(step, continuation=next_continuation(step.continuation)))
                    return
        if not step.last:
            self.queues.send_deletion(replace(step, last=True, continuation=0), delay=self.grace_seconds)
        else:
            self.registry.end_deletion(collection.account, collection.uuid)

    def _page_removals(self, collection: Collection) -> list[Callable[[], bool]]:
        """One function for each kind of data: it removes a page and returns False once none is left."""
        account, uuid = collection.account, collection.uuid
        removals = [
            lambda: self.catalogue.delete_page(uuid),
            lambda: self.storage.delete_thumbnails_page(uuid),
            lambda: self.syncs.delete_page(uuid, collection.sync.id),
            lambda: self.duplicates.delete_page(uuid),
        ]
        if collection.type is CollectionType.MANAGED:
            removals.append(lambda: self.storage.delete_page(ManagedArea(account, uuid)))
            removals.append(lambda: self.quota_ledger.delete_page(account, uuid, self.now()))
        return removals
