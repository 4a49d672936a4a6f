"""Deleting a collection: gone at once for everybody, cleared away by a worker, leg by leg.

Each leg removes what it finds, so one that is repeated, or begun again after a crash, does no harm. Workers that were
at the collection when it was marked may still write for as long as they run; a last look, once none of them can be
running, removes what they left, and then the mark itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.messages import DeletionStep
from chalicelib.domain.uploads import INLINE_STAGING, PRESIGNED_STAGING
from chalicelib.services.ports import (
    Catalogue,
    Clock,
    CollectionRegistry,
    ManagedStorage,
    Queues,
    QuotaLedger,
    VectorStore,
)

EARLY_ATTEMPTS, EARLY_SECONDS = (
    3,
    10,
)  # a message that is there before the mark; the mark follows within a request's time


@dataclass(frozen=True, slots=True)
class Deletion:
    registry: CollectionRegistry
    catalogue: Catalogue
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    vectors: VectorStore
    queues: Queues
    now: Clock
    grace: int  # seconds after which no worker can be at work that began before the mark; at most 900

    def begin(self, collection: Collection) -> None:
        """From the moment this returns, the collection is not found any more.

        Raises:
            NotFound: somebody else has deleted it meanwhile.
        """
        # The message first: a mark without a message would leave everything lying around for ever.
        self.queues.send_deletion(DeletionStep(collection.account, collection.uuid))
        self.registry.begin_deletion(collection, self.now())

    def run(self, step: DeletionStep, seconds_left: Callable[[], float]) -> None:
        """Clear away until all is gone or the worker's time runs low; the rest is handed on."""
        collection = self.registry.deleted(step.account, step.collection)
        if collection is None:
            # Not marked yet, never to be marked because the request failed, or cleared away already.
            if step.early < EARLY_ATTEMPTS:
                self.queues.send_deletion(replace(step, early=step.early + 1), delay=EARLY_SECONDS)
            return
        self.vectors.remove_collection(collection.account, collection.uuid)
        for remove_page in self._pages(collection):
            while remove_page():
                if seconds_left() <= 0:
                    self.queues.send_deletion(step)
                    return
        if not step.last:
            self.queues.send_deletion(replace(step, last=True), delay=self.grace)
        else:
            self.registry.end_deletion(collection.account, collection.uuid)

    def _pages(self, collection: Collection) -> list[Callable[[], bool]]:
        """What removes a page of something and says whether there was one."""
        pages = [
            lambda: self.catalogue.delete_page(collection.uuid),
            lambda: self.storage.delete_thumbnails_page(collection.uuid),
        ]
        if collection.type is CollectionType.MANAGED:
            account, uuid = collection.account, collection.uuid
            pages.append(lambda: self.storage.delete_page(collection.prefix))
            pages += [
                partial(self.storage.delete_page, f"{folder}/{account}/{uuid}/")
                for folder in (PRESIGNED_STAGING, INLINE_STAGING)
            ]
            pages.append(lambda: self.quota_ledger.delete_page(account, uuid, self.now()))
        return pages
