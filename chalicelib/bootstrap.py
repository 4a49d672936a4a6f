"""The composition root: where services are put together, for the functions, administration and tests alike.

Each service is imported and made on its first use. At the top stands what every search needs: the rest would double
what a cold start of the API imports.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.adapters.call_log import CallLog
from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.adapters.factory import AWSAdapters
from chalicelib.config import Config
from chalicelib.domain.collections import Collection
from chalicelib.services.authentication import Authentication
from chalicelib.services.calibrations import CalibrationReader
from chalicelib.services.links import LinkService
from chalicelib.services.rate_limiter import RateLimiter
from chalicelib.services.search import SearchService

if TYPE_CHECKING:
    from chalicelib.services.accounts import AccountService
    from chalicelib.services.bucket_stacks import BucketStackService
    from chalicelib.services.collections import CollectionService
    from chalicelib.services.duplicates import DuplicatesService
    from chalicelib.services.explanation import ExplanationService
    from chalicelib.services.export import ExportService
    from chalicelib.services.file_changes import FileChangeService
    from chalicelib.services.file_deletion import FileDeletionService
    from chalicelib.services.file_finder import FileFinder
    from chalicelib.services.file_moves import FileMoveService
    from chalicelib.services.file_retries import FileRetryService
    from chalicelib.services.files import FileService
    from chalicelib.services.invitation_mails import InvitationMailService
    from chalicelib.services.maintenance.calibration import CalibrationService
    from chalicelib.services.maintenance.consistency_check import ConsistencyCheck
    from chalicelib.services.maintenance.model_switch import ModelSwitch
    from chalicelib.services.maintenance.orphaned_images import OrphanedImages
    from chalicelib.services.maintenance.orphaned_thumbnails import OrphanedThumbnails
    from chalicelib.services.maintenance.rebuild import EmbedRecords, RebuildService
    from chalicelib.services.maintenance.reconciliation import Reconciliation
    from chalicelib.services.maintenance.statistics_audit import StatisticsAudit
    from chalicelib.services.matches import MatchService
    from chalicelib.services.name_search import NameSearchService
    from chalicelib.services.permissions import PermissionService
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
    from chalicelib.services.samples import SampleService
    from chalicelib.services.search_uploads import SearchUploadService
    from chalicelib.services.sessions import SessionService
    from chalicelib.services.sign_in import SignInService
    from chalicelib.services.syncs import SyncService
    from chalicelib.services.thumbnails import ThumbnailService
    from chalicelib.services.uploads import UploadService
    from chalicelib.services.url_uploads import UrlUploadService
    from chalicelib.services.users import UserService
    from chalicelib.services.webhooks import WebhookService


def utc_now() -> datetime:
    return datetime.now(UTC)


class Services:
    """The application's services on their adapters.

    Args:
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

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Services:
        """Raises ConfigurationError when a setting is missing or malformed."""
        config, calls = Config.read(environ), CallLog()

        def client(service: str, **options: Any) -> Any:
            return calls.watch(boto3.client(service, **options))  # type: ignore[call-overload]

        return cls(config, AWSAdapters(config, client), calls=calls)

    @cached_property
    def authentication(self) -> Authentication:
        return Authentication(self.adapters.accounts, self.now)

    @cached_property
    def rate_limiter(self) -> RateLimiter:
        return RateLimiter(self.adapters.rate_buckets, self.now)

    @cached_property
    def links(self) -> LinkService:
        return LinkService(self.adapters.signing_keys, self.now)

    @cached_property
    def accounts(self) -> AccountService:
        from chalicelib.services.accounts import AccountService

        return AccountService(
            accounts=self.adapters.accounts,
            quota_ledger=self.adapters.quota_ledger,
            collections=self.adapters.collections,
            webhooks=self.adapters.webhook_registry,
            users=self.adapters.users,
            permissions=self.permissions,
            now=self.now,
        )

    @cached_property
    def invitation_mails(self) -> InvitationMailService:
        from chalicelib.services.invitation_mails import InvitationMailService

        return InvitationMailService(self.adapters.users, self.adapters.mailer, self.now)

    @cached_property
    def permissions(self) -> PermissionService:
        from chalicelib.services.permissions import PermissionService

        return PermissionService(self.adapters.users)

    @cached_property
    def users(self) -> UserService:
        from chalicelib.services.users import UserService

        a, config = self.adapters, self.config
        return UserService(a.users, a.accounts, self.now, config.sign_up, config.default_plan)

    @cached_property
    def sessions(self) -> SessionService:
        from chalicelib.services.sessions import SessionService

        return SessionService(self.adapters.sessions, self.adapters.users, self.now)

    @cached_property
    def sign_in(self) -> SignInService:
        from chalicelib.services.sign_in import SignInService

        return SignInService(self.adapters.identity_provider, self.users, self.sessions, self.rate_limiter, self.now)

    @cached_property
    def export(self) -> ExportService:
        from chalicelib.services.export import ExportService

        return ExportService(
            accounts=self.adapters.accounts,
            collections=self.adapters.collections,
            catalogue=self.adapters.catalogue,
            duplicates=self.adapters.duplicates,
            deliveries=self.adapters.webhook_deliveries,
        )

    @cached_property
    def collections(self) -> CollectionService:
        from chalicelib.services.collections import CollectionService

        return CollectionService(
            collections=self.adapters.collections,
            registry=self.adapters.registry,
            access_checker=self.adapters.access_checker,
            deletion=self.deletion,
            permissions=self.permissions,
            secrets=self.adapters.secrets,
            managed_bucket=self.config.managed_bucket,
            region=self.config.aws_region,
            now=self.now,
        )

    @cached_property
    def bucket_stacks(self) -> BucketStackService:
        from chalicelib.services.bucket_stacks import BucketStackService

        return BucketStackService(self.adapters.storage, self.config.events_queue_arn)

    @cached_property
    def search(self) -> SearchService:
        embedder = self.adapters.embedder
        calibrations = CalibrationReader(self.adapters.calibrations, embedder)
        return SearchService(CachedEmbedder(embedder), self.adapters.vectors, calibrations)

    @cached_property
    def matches(self) -> MatchService:
        from chalicelib.services.matches import MatchService

        return MatchService(self.search)

    @cached_property
    def duplicates(self) -> DuplicatesService:
        from chalicelib.services.duplicates import DuplicatesService

        a = self.adapters
        return DuplicatesService(a.catalogue, a.duplicates, a.queues, self.now)

    @cached_property
    def thumbnails(self) -> ThumbnailService:
        from chalicelib.services.thumbnails import ThumbnailService

        a = self.adapters
        return ThumbnailService(a.collections, a.catalogue, a.sources, a.storage, a.embedder)

    @cached_property
    def search_uploads(self) -> SearchUploadService:
        from chalicelib.services.search_uploads import SearchUploadService

        return SearchUploadService(self.adapters.search_uploads, self.adapters.storage, self.now)

    @cached_property
    def syncs(self) -> SyncService:
        from chalicelib.services.syncs import SyncService

        return SyncService(
            collections=self.adapters.collections,
            syncs=self.adapters.syncs,
            worker=self.sync_worker,
            queues=self.adapters.queues,
            now=self.now,
            schedule_spread=self.config.schedule_spread,
        )

    @cached_property
    def files(self) -> FileService:
        from chalicelib.services.files import FileService

        return FileService(
            collections=self.adapters.collections,
            catalogue=self.adapters.catalogue,
            sources=self.adapters.sources,
            storage=self.adapters.storage,
            quota_ledger=self.adapters.quota_ledger,
            indexer=self.indexer,
            queues=self.adapters.queues,
            now=self.now,
        )

    @cached_property
    def name_search(self) -> NameSearchService:
        from chalicelib.services.name_search import NameSearchService

        a = self.adapters
        return NameSearchService(CachedEmbedder(a.embedder), a.vectors, self.model_version)

    @cached_property
    def file_finder(self) -> FileFinder:
        from chalicelib.services.file_finder import FileFinder

        return FileFinder(self.adapters.vectors, self.adapters.catalogue, self.model_version)

    @cached_property
    def file_changes(self) -> FileChangeService:
        from chalicelib.services.file_changes import FileChangeService

        return FileChangeService(
            files=self.files,
            moves=self.file_moves,
            collections=self.adapters.collections,
            catalogue=self.adapters.catalogue,
            queues=self.adapters.queues,
            now=self.now,
        )

    @cached_property
    def file_moves(self) -> FileMoveService:
        from chalicelib.services.file_moves import FileMoveService

        return FileMoveService(
            files=self.files,
            collections=self.adapters.collections,
            catalogue=self.adapters.catalogue,
            storage=self.adapters.storage,
            quota_ledger=self.adapters.quota_ledger,
            indexer=self.indexer,
            queues=self.adapters.queues,
            now=self.now,
        )

    @cached_property
    def file_retries(self) -> FileRetryService:
        from chalicelib.services.file_retries import FileRetryService

        return FileRetryService(self.adapters.catalogue, self.adapters.queues, self.now)

    @cached_property
    def file_deletion(self) -> FileDeletionService:
        from chalicelib.services.file_deletion import FileDeletionService
        from chalicelib.services.file_group_deletion import FileGroupDeletion

        a = self.adapters
        groups = FileGroupDeletion(self.files, a.catalogue, a.storage, a.quota_ledger, self.indexer, self.now)
        return FileDeletionService(groups, a.collections, a.catalogue, a.queues, self.now)

    @cached_property
    def uploads(self) -> UploadService:
        from chalicelib.services.uploads import UploadService

        return UploadService(
            catalogue=self.adapters.catalogue,
            quota_ledger=self.adapters.quota_ledger,
            storage=self.adapters.storage,
            queues=self.adapters.queues,
            completion=self.upload_completion,
            now=self.now,
        )

    @cached_property
    def samples(self) -> SampleService:
        from chalicelib.services.samples import SampleService

        return SampleService(self.collections, self.uploads, self.adapters.storage, self.now)

    @cached_property
    def url_uploads(self) -> UrlUploadService:
        from chalicelib.services.url_uploads import UrlUploadService

        return UrlUploadService(self.adapters.web_pictures, self.uploads, self.now)

    @cached_property
    def webhooks(self) -> WebhookService:
        from chalicelib.services.webhooks import WebhookService

        a = self.adapters
        return WebhookService(a.webhook_registry, a.webhook_deliveries, a.collections, a.queues, self.now)

    @cached_property
    def explanations(self) -> ExplanationService:
        from chalicelib.services.explanation import ExplanationService

        a = self.adapters
        return ExplanationService(catalogue=a.catalogue, sources=a.sources, embedder=a.embedder, vectors=a.vectors)

    # The pipeline.

    @cached_property
    def sync_worker(self) -> SyncWorker:
        from chalicelib.services.pipeline.sync_worker import SyncWorker

        return SyncWorker(
            collections=self.adapters.collections,
            syncs=self.adapters.syncs,
            catalogue=self.adapters.catalogue,
            sources=self.adapters.sources,
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

        a = self.adapters
        return Indexer(
            collections=a.collections,
            catalogue=a.catalogue,
            sources=a.sources,
            embeddings=EmbeddingService(a.catalogue, a.storage, a.embedder, a.embedding_stash, self.now),
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

    # Maintenance: what only administration uses.

    @cached_property
    def consistency_check(self) -> ConsistencyCheck:
        from chalicelib.services.maintenance.consistency_check import ConsistencyCheck

        return ConsistencyCheck(self.adapters.catalogue, self.adapters.vectors)

    @cached_property
    def statistics_audit(self) -> StatisticsAudit:
        from chalicelib.services.maintenance.statistics_audit import StatisticsAudit

        a = self.adapters
        return StatisticsAudit(a.collections, a.catalogue, a.syncs, a.quota_ledger, self.now)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        from chalicelib.services.maintenance.reconciliation import Reconciliation

        return Reconciliation(self.sync_worker, self.adapters.queues)

    @cached_property
    def calibration(self) -> CalibrationService:
        from chalicelib.services.maintenance.calibration import CalibrationService

        a = self.adapters
        return CalibrationService(a.accounts, a.collections, a.catalogue, a.embedder, a.calibrations, self.now)

    @cached_property
    def orphaned_images(self) -> OrphanedImages:
        from chalicelib.services.maintenance.orphaned_images import OrphanedImages

        return OrphanedImages(self.adapters.image_inventory, self.now)

    @cached_property
    def orphaned_thumbnails(self) -> OrphanedThumbnails:
        from chalicelib.services.maintenance.orphaned_thumbnails import OrphanedThumbnails

        return OrphanedThumbnails(self.adapters.catalogue, self.adapters.storage, self.now)

    @cached_property
    def model_switch(self) -> ModelSwitch:
        from chalicelib.services.maintenance.model_switch import ModelSwitch

        return ModelSwitch(self.every_collection, self.adapters.catalogue, self.adapters.vectors, self.now)

    def rebuild(
        self, report: Callable[[str], None], writer_timeout_seconds: float, embed: EmbedRecords | None = None
    ) -> RebuildService:
        from chalicelib.services.maintenance.rebuild import RebuildService

        return RebuildService(
            collections=self.every_collection,
            catalogue=self.adapters.catalogue,
            store=self.adapters.vectors,
            report=report,
            writer_timeout_seconds=writer_timeout_seconds,
            sleep=self.wait,
            embed=embed,
        )

    def model_version(self) -> str:
        """The model and decode version of what the embedder makes now."""
        return self.adapters.embedder.model_version()

    def every_collection(self) -> Iterator[Collection]:
        """The collections of all accounts, for administration."""
        for account in self.accounts.all():
            yield from self.collections.all(account.uuid)
