"""The requests' floor of the composition root: what the API and the dashboard call, above the pipeline.

At the top stands what every search needs.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.bootstrap.pipeline import PipelineServices
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
    from chalicelib.services.matches import MatchService
    from chalicelib.services.name_search import NameSearchService
    from chalicelib.services.permissions import PermissionService
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


class RequestServices(PipelineServices):
    """What requests need."""

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
