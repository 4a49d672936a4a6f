"""The one place where real things are chosen and put together; each imported and made on its first use.

At the top stands what every search needs: the rest would double what a cold start of the API imports of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from chalicelib.adapters.cached_embedder import CachedEmbedder
from chalicelib.adapters.dynamodb_accounts import DynamoDBAccounts
from chalicelib.adapters.lambda_embedder import LambdaEmbedder
from chalicelib.config import Config
from chalicelib.domain.collections import Collection
from chalicelib.domain.vectors import MaintainedStore
from chalicelib.services.authenticating import Authentication
from chalicelib.services.searching import Search

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_s3.client import S3Client

    from chalicelib.adapters.dynamodb_allowances import DynamoDBAllowances
    from chalicelib.adapters.dynamodb_catalogue import DynamoDBCatalogue
    from chalicelib.adapters.dynamodb_collections import DynamoDBCollections
    from chalicelib.adapters.dynamodb_register import DynamoDBRegister
    from chalicelib.adapters.dynamodb_syncs import DynamoDBSyncs
    from chalicelib.adapters.s3_sources import Credentials, S3Sources
    from chalicelib.adapters.s3_storage import S3Storage
    from chalicelib.adapters.sqs_queues import SQSQueues
    from chalicelib.adapters.sqs_troubles import SQSTroubles
    from chalicelib.services.accounting import AccountService
    from chalicelib.services.adopting import Adopting
    from chalicelib.services.collecting import CollectionService
    from chalicelib.services.deleting import Deletion
    from chalicelib.services.examining import Examining
    from chalicelib.services.explaining import Explaining
    from chalicelib.services.failing import Failing
    from chalicelib.services.fetching import Files
    from chalicelib.services.finishing import Finishing
    from chalicelib.services.indexing import Indexing
    from chalicelib.services.noticing import Notices
    from chalicelib.services.purging import Purge
    from chalicelib.services.rationing import Rationing
    from chalicelib.services.rebuilding import Embed, Rebuilding
    from chalicelib.services.recounting import Recounting
    from chalicelib.services.sweeping import Sweeping
    from chalicelib.services.syncing import Sync
    from chalicelib.services.totalling import Totals
    from chalicelib.services.uploading import Uploads
    from chalicelib.services.walking import Walk

# S3's older signature does not work for presigned URLs in every region. Addressed so, they name the bucket's region:
# the global name redirects for a new bucket elsewhere, which neither a signature nor a form survives.
S3_CLIENT = ClientConfig(
    signature_version="s3v4", s3={"addressing_style": "virtual"}, retries={"mode": "standard", "max_attempts": 4}
)
_STANDARD = ClientConfig(retries={"mode": "standard", "max_attempts": 4})
# The embedder may take its whole two minutes; asking twice would only double the load.
_PATIENT = ClientConfig(read_timeout=130, retries={"mode": "standard", "max_attempts": 1})


class Services:
    """The application's services, wired to AWS as the configuration says.

    Args:
        client: makes a client of an AWS service as ``boto3.client`` does; the administration's knows its deployment.
    """

    def __init__(self, config: Config, client: Callable[..., Any] = boto3.client) -> None:
        self.config = config
        self._client = client

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Services:
        return cls(Config.read(environ))

    @cached_property
    def authentication(self) -> Authentication:
        return Authentication(self._accounts, _now)

    @cached_property
    def accounts(self) -> AccountService:
        from chalicelib.services.accounting import AccountService

        return AccountService(self._accounts, self._collections, self._allowances, _now)

    @cached_property
    def collections(self) -> CollectionService:
        from chalicelib.adapters.s3_examining import S3Examiner
        from chalicelib.services.collecting import CollectionService

        examiner = S3Examiner(self.sources)
        bucket, region = self.config.managed_bucket, self.config.aws_region
        return CollectionService(self._collections, self._register, examiner, bucket, region, _now)

    @cached_property
    def deletion(self) -> Deletion:
        from chalicelib.services.deleting import Deletion

        grace = int(self.config.deletion_grace)
        return Deletion(
            self._register, self.catalogue, self._storage, self._allowances, self.vectors, self._queues, _now, grace
        )

    @cached_property
    def search(self) -> Search:
        return Search(CachedEmbedder(self._embedder), self.vectors)

    @cached_property
    def sync(self) -> Sync:
        from chalicelib.services.syncing import Sync

        spread = int(self.config.schedule_spread)
        return Sync(self._collections, self._syncs, self.walks, self._queues, _now, spread)

    @cached_property
    def walks(self) -> Walk:
        from chalicelib.services.walking import Walk

        return Walk(
            self._collections,
            self._syncs,
            self.catalogue,
            self.sources,
            self._embedder,
            self._queues,
            self._rationing,
            _now,
        )

    @cached_property
    def explaining(self) -> Explaining:
        from chalicelib.services.explaining import Explaining

        return Explaining(self.catalogue, self.sources, self._embedder, self.vectors)

    @cached_property
    def failing(self) -> Failing:
        from chalicelib.services.failing import Failing

        return Failing(self.troubles, _now, int(self.config.retry_pause))

    @cached_property
    def purge(self) -> Purge:
        from chalicelib.services.purging import Purge

        return Purge(self.catalogue, self._storage, _now, int(self.config.tombstone_days))

    @cached_property
    def notices(self) -> Notices:
        from chalicelib.services.noticing import Notices

        return Notices(self._collections, self._queues, self.config.managed_bucket)

    @cached_property
    def indexing(self) -> Indexing:
        from chalicelib.services.embedding import Embedding
        from chalicelib.services.indexing import Indexing

        embedding = Embedding(self.catalogue, self._storage, self._embedder)
        return Indexing(self._collections, self.catalogue, self.sources, embedding, self.vectors, self._rationing, _now)

    @cached_property
    def _rationing(self) -> Rationing:
        from chalicelib.services.rationing import Rationing

        return Rationing(self._accounts, self._allowances, _now)

    @cached_property
    def uploads(self) -> Uploads:
        from chalicelib.services.uploading import Uploads

        return Uploads(
            self.catalogue,
            self._allowances,
            self._storage,
            self._queues,
            self.finishing,
            _now,
        )

    @cached_property
    def finishing(self) -> Finishing:
        from chalicelib.services.finishing import Finishing

        return Finishing(
            self.catalogue,
            self._allowances,
            self._storage,
            self._embedder,
            self.indexing,
            self._queues,
            _now,
        )

    @cached_property
    def files(self) -> Files:
        from chalicelib.services.fetching import Files

        return Files(
            self.collections,
            self.catalogue,
            self.sources,
            self._storage,
            self._allowances,
            self.indexing,
            self._queues,
        )

    @cached_property
    def examining(self) -> Examining:
        from chalicelib.services.examining import Examining

        return Examining(self.catalogue, self.vectors)

    @cached_property
    def recounting(self) -> Recounting:
        from chalicelib.services.recounting import Recounting

        return Recounting(self._collections, self.catalogue, self._syncs, _now)

    @cached_property
    def sweeping(self) -> Sweeping:
        from chalicelib.services.sweeping import Sweeping

        return Sweeping(self.catalogue, self._storage, _now)

    @cached_property
    def totals(self) -> Totals:
        from chalicelib.services.totalling import Totals

        return Totals(self._collections, self._allowances, _now)

    @cached_property
    def adopting(self) -> Adopting:
        from chalicelib.services.adopting import Adopting

        return Adopting(self.every_collection, self.catalogue, self.vectors, _now)

    def rebuilding(self, say: Callable[[str], None], settle_seconds: float, embed: Embed | None = None) -> Rebuilding:
        from chalicelib.services.rebuilding import Rebuilding

        return Rebuilding(self.every_collection, self.catalogue, self.vectors, say, settle_seconds, embed=embed)

    def model(self) -> str:
        """The stamp of what the embedder makes now."""
        return self._embedder.model()

    def every_collection(self) -> Iterator[Collection]:
        """Of all accounts, for administration."""
        for account in self.accounts.all():
            yield from self.collections.all(account.uuid)

    @cached_property
    def vectors(self) -> MaintainedStore:
        if self.config.vector_store == "embedded":
            # Brings numpy, which the packaged API does without.
            from chalicelib.adapters.embedded_vectors import EmbeddedVectorStore

            return EmbeddedVectorStore(self.config.embedded_store_path)
        if self.config.vector_store == "opensearch":
            return self._opensearch()
        raise ValueError(f"VECTOR_STORE is {self.config.vector_store!r}; it is 'opensearch' or 'embedded'.")

    def _opensearch(self) -> MaintainedStore:
        # An HTTP client of its own, which functions without OpenSearch need not load.
        from chalicelib.adapters.opensearch_appended import AppendedDocuments
        from chalicelib.adapters.opensearch_client import OpenSearchCalls, connect
        from chalicelib.adapters.opensearch_documents import IdentifiedDocuments
        from chalicelib.adapters.opensearch_indexes import Indexes
        from chalicelib.adapters.opensearch_mappings import PROFILES, Sizing
        from chalicelib.adapters.opensearch_vectors import OpenSearchVectorStore

        config = self.config
        if not config.opensearch_endpoint:
            raise ValueError("OPENSEARCH_ENDPOINT is empty; it is the URL of the OpenSearch to use.")
        credentials = boto3.Session().get_credentials() if config.opensearch_signing else None
        client = connect(
            config.opensearch_endpoint,
            service=config.opensearch_signing,
            region=config.aws_region,
            credentials=credentials,
        )
        calls = OpenSearchCalls(client)
        sizing = Sizing(shards=int(config.opensearch_shards), replicas=int(config.opensearch_replicas))
        profile = PROFILES[config.opensearch_profile]
        indexes = Indexes(calls, profile=profile, sizing=sizing)
        documents = AppendedDocuments(calls) if profile.serverless else IdentifiedDocuments(calls, indexes)
        return OpenSearchVectorStore(calls, indexes, documents)

    @cached_property
    def _accounts(self) -> DynamoDBAccounts:
        return DynamoDBAccounts(self._dynamodb, self.config.accounts_table)

    @cached_property
    def _allowances(self) -> DynamoDBAllowances:
        from chalicelib.adapters.dynamodb_allowances import DynamoDBAllowances

        return DynamoDBAllowances(self._dynamodb, self.config.accounts_table)

    @cached_property
    def _register(self) -> DynamoDBRegister:
        from chalicelib.adapters.dynamodb_register import DynamoDBRegister

        return DynamoDBRegister(self._dynamodb, self.config.accounts_table, self.config.collections_table)

    @cached_property
    def _collections(self) -> DynamoDBCollections:
        from chalicelib.adapters.dynamodb_collections import DynamoDBCollections

        return DynamoDBCollections(self._dynamodb, self.config.collections_table)

    @cached_property
    def _syncs(self) -> DynamoDBSyncs:
        from chalicelib.adapters.dynamodb_syncs import DynamoDBSyncs

        return DynamoDBSyncs(self._dynamodb, self.config.collections_table, self.config.syncs_table)

    @cached_property
    def troubles(self) -> SQSTroubles:
        from chalicelib.adapters.sqs_troubles import SQSTroubles

        config = self.config
        urls = (
            config.sync_queue_url,
            config.index_queue_url,
            config.events_queue_url,
            config.uploads_queue_url,
            config.deletions_queue_url,
        )
        by_name = {url.rpartition("/")[2]: url for url in urls}
        return SQSTroubles(self._client("sqs", config=_STANDARD), by_name, self._dynamodb, self.config.syncs_table)

    @cached_property
    def catalogue(self) -> DynamoDBCatalogue:
        from chalicelib.adapters.dynamodb_catalogue import DynamoDBCatalogue

        config = self.config
        return DynamoDBCatalogue(
            self._dynamodb, config.catalogue_table, config.collections_table, config.accounts_table
        )

    @cached_property
    def sources(self) -> S3Sources:
        from chalicelib.adapters.s3_sources import S3Sources

        return S3Sources(self._s3, lambda: self._client("sts", config=_STANDARD), self._customers_client)

    @cached_property
    def _storage(self) -> S3Storage:
        from chalicelib.adapters.s3_storage import S3Storage

        return S3Storage(self._s3, self.config.managed_bucket, self.config.thumbnails_bucket)

    @cached_property
    def _queues(self) -> SQSQueues:
        from chalicelib.adapters.sqs_queues import SQSQueues

        client = self._client("sqs", config=_STANDARD)
        config = self.config
        return SQSQueues(
            client,
            config.sync_queue_url,
            config.index_queue_url,
            config.deletions_queue_url,
            config.uploads_queue_url,
        )

    @cached_property
    def _embedder(self) -> LambdaEmbedder:
        return LambdaEmbedder(self._client("lambda", config=_PATIENT), self.config.embedder_function)

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._client("dynamodb", config=_STANDARD)
        return client

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = self._client("s3", config=S3_CLIENT)
        return client

    def _customers_client(self, region: str, credentials: Credentials) -> S3Client:
        client: S3Client = self._client(
            "s3",
            region_name=region,
            aws_access_key_id=credentials.key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=S3_CLIENT,
        )
        return client


def _now() -> datetime:
    return datetime.now(UTC)
