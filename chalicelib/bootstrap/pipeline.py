"""The lowest floor of the composition root: the pipeline, which workers run, and which requests use parts of."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.adapters.call_log import CallLog
from chalicelib.services.calibrations import CalibrationReader

if TYPE_CHECKING:
    from chalicelib.config import Config
    from chalicelib.services.pipeline.account_deletion import AccountDeletion
    from chalicelib.services.pipeline.change_worker import ChangeWorker
    from chalicelib.services.pipeline.deletion import Deletion
    from chalicelib.services.pipeline.duplicates_worker import DuplicatesWorker
    from chalicelib.services.pipeline.event_publisher import EventPublisher
    from chalicelib.services.pipeline.event_router import EventRouter
    from chalicelib.services.pipeline.index_worker import IndexWorker
    from chalicelib.services.pipeline.indexer import Indexer
    from chalicelib.services.pipeline.purge import Purge
    from chalicelib.services.pipeline.quota import QuotaService
    from chalicelib.services.pipeline.retries import RetryPolicy
    from chalicelib.services.pipeline.sync_worker import SyncWorker
    from chalicelib.services.pipeline.upload_completion import UploadCompletion
    from chalicelib.services.pipeline.webhook_dispatcher import WebhookDispatcher
    from chalicelib.services.ports import Adapters, Clock


def utc_now() -> datetime:
    return datetime.now(UTC)


class PipelineServices:
    """Args:
    now: the time.
    wait: sleeps for so many seconds.
    calls: counts the calls to AWS, for the log; those of other adapters are not counted.
    """

    def __init__(
        self,
        config: Config,
        adapters: Adapters,
        now: Clock = utc_now,
        wait: Callable[[float], None] = time.sleep,
        calls: CallLog | None = None,
    ) -> None:
        self.config = config
        self.adapters = adapters
        self.now = now
        self.wait = wait
        self.calls = calls or CallLog()

    @cached_property
    def sync_worker(self) -> SyncWorker:
        from chalicelib.services.pipeline.sync_worker import SyncWorker

        return SyncWorker(
            collections=self.adapters.collections,
            registry=self.adapters.registry,
            syncs=self.adapters.syncs,
            catalogue=self.adapters.catalogue,
            sources=self.adapters.sources,
            access_checker=self.adapters.access_checker,
            embedder=self.adapters.embedder,
            queues=self.adapters.queues,
            quota=self.quota,
            publisher=self.event_publisher,
            now=self.now,
        )

    @cached_property
    def event_publisher(self) -> EventPublisher:
        from chalicelib.services.pipeline.event_publisher import EventPublisher

        a = self.adapters
        return EventPublisher(a.webhook_registry, a.accounts, a.collections, a.queues, self.now)

    @cached_property
    def webhook_dispatcher(self) -> WebhookDispatcher:
        from chalicelib.services.pipeline.webhook_dispatcher import WebhookDispatcher

        a = self.adapters
        return WebhookDispatcher(a.webhook_registry, a.webhook_deliveries, a.webhook_sender, a.queues, self.now)

    @cached_property
    def indexer(self) -> Indexer:
        from chalicelib.services.pipeline.embeddings import EmbeddingService
        from chalicelib.services.pipeline.indexer import Indexer
        from chalicelib.services.pipeline.known_images import KnownImages

        a = self.adapters
        known_images = KnownImages(a.catalogue.find_by_content)
        return Indexer(
            collections=a.collections,
            catalogue=a.catalogue,
            sources=a.sources,
            embeddings=EmbeddingService(a.catalogue, known_images, a.storage, a.embedder, a.embedding_stash, self.now),
            vectors=a.vectors,
            quota=self.quota,
            publisher=self.event_publisher,
            now=self.now,
        )

    @cached_property
    def index_worker(self) -> IndexWorker:
        from chalicelib.services.pipeline.index_worker import IndexWorker

        return IndexWorker(self.indexer, self.sync_worker)

    @cached_property
    def change_worker(self) -> ChangeWorker:
        from chalicelib.services.pipeline.change_worker import ChangeWorker

        return ChangeWorker(self.index_worker, self.adapters.queues)

    @cached_property
    def quota(self) -> QuotaService:
        from chalicelib.services.pipeline.quota import QuotaService

        return QuotaService(self.adapters.accounts, self.adapters.quota_ledger, self.now)

    @cached_property
    def event_router(self) -> EventRouter:
        from chalicelib.services.pipeline.event_router import EventRouter

        return EventRouter(self.adapters.collections, self.adapters.queues, self.config.managed_bucket)

    @cached_property
    def upload_completion(self) -> UploadCompletion:
        from chalicelib.services.pipeline.upload_completion import UploadCompletion

        return UploadCompletion(
            catalogue=self.adapters.catalogue,
            quota_ledger=self.adapters.quota_ledger,
            storage=self.adapters.storage,
            embedder=self.adapters.embedder,
            indexer=self.indexer,
            queues=self.adapters.queues,
            now=self.now,
            wait=self.wait,
        )

    @cached_property
    def deletion(self) -> Deletion:
        from chalicelib.services.pipeline.deletion import Deletion

        return Deletion(
            registry=self.adapters.registry,
            catalogue=self.adapters.catalogue,
            syncs=self.adapters.syncs,
            duplicates=self.adapters.duplicates,
            storage=self.adapters.storage,
            quota_ledger=self.adapters.quota_ledger,
            vectors=self.adapters.vectors,
            queues=self.adapters.queues,
            now=self.now,
            grace_seconds=self.config.deletion_grace,
        )

    @cached_property
    def account_deletion(self) -> AccountDeletion:
        from chalicelib.services.pipeline.account_deletion import AccountDeletion

        return AccountDeletion(
            accounts=self.adapters.accounts,
            users=self.adapters.users,
            deliveries=self.adapters.webhook_deliveries,
            collections=self.adapters.collections,
            registry=self.adapters.registry,
            deletion=self.deletion,
            storage=self.adapters.storage,
            queues=self.adapters.queues,
            now=self.now,
            grace_seconds=self.config.deletion_grace,
        )

    @cached_property
    def duplicates_worker(self) -> DuplicatesWorker:
        from chalicelib.services.pipeline.duplicates_worker import DuplicatesWorker

        return DuplicatesWorker(
            collections=self.adapters.collections,
            catalogue=self.adapters.catalogue,
            vectors=self.adapters.vectors,
            calibrations=CalibrationReader(self.adapters.calibrations, self.adapters.embedder),
            duplicates=self.adapters.duplicates,
            queues=self.adapters.queues,
            now=self.now,
        )

    @cached_property
    def purge(self) -> Purge:
        from chalicelib.services.pipeline.purge import Purge

        a = self.adapters
        return Purge(a.catalogue, a.storage, a.queues, self.now, self.config.tombstone_days)

    @cached_property
    def retries(self) -> RetryPolicy:
        from chalicelib.services.pipeline.retries import RetryPolicy

        return RetryPolicy(self.adapters.queues, self.adapters.failure_log, self.now, self.config.retry_delay)

    def model_version(self) -> str:
        """The model and decode version of what the embedder makes now."""
        return self.adapters.embedder.model_version()
