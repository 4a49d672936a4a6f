"""The world outside as the configuration names it: one adapter for each system, imported and made on its first use.

At the top stands what every search needs: the rest would double what a cold start of the API imports of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from chalicelib.adapters.dynamodb_accounts import DynamoDBAccounts
from chalicelib.adapters.lambda_embedder import LambdaEmbedder
from chalicelib.config import Config
from chalicelib.domain.vectors import MaintainedStore

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_s3.client import S3Client

    from chalicelib.adapters.dynamodb_allowances import DynamoDBAllowances
    from chalicelib.adapters.dynamodb_catalogue import DynamoDBCatalogue
    from chalicelib.adapters.dynamodb_collections import DynamoDBCollections
    from chalicelib.adapters.dynamodb_register import DynamoDBRegister
    from chalicelib.adapters.dynamodb_syncs import DynamoDBSyncs
    from chalicelib.adapters.s3_examining import S3Examiner
    from chalicelib.adapters.s3_sources import Credentials, S3Sources
    from chalicelib.adapters.s3_storage import S3Storage
    from chalicelib.adapters.sqs_queues import SQSQueues
    from chalicelib.adapters.sqs_troubles import SQSTroubles

# S3's older signature does not work for presigned URLs in every region. Addressed so, they name the bucket's region:
# the global name redirects for a new bucket elsewhere, which neither a signature nor a form survives.
S3_CLIENT = ClientConfig(
    signature_version="s3v4", s3={"addressing_style": "virtual"}, retries={"mode": "standard", "max_attempts": 4}
)
_STANDARD = ClientConfig(retries={"mode": "standard", "max_attempts": 4})
# The embedder may take its whole two minutes; asking twice would only double the load.
_PATIENT = ClientConfig(read_timeout=130, retries={"mode": "standard", "max_attempts": 1})


class Adapters:
    """Clients and stores.

    Args:
        client: makes a client of an AWS service as ``boto3.client`` does; the administration's knows its deployment.
    """

    def __init__(self, config: Config, client: Callable[..., Any]) -> None:
        self.config = config
        self._client = client

    @cached_property
    def examiner(self) -> S3Examiner:
        from chalicelib.adapters.s3_examining import S3Examiner

        return S3Examiner(self.sources)

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
    def accounts(self) -> DynamoDBAccounts:
        return DynamoDBAccounts(self._dynamodb, self.config.accounts_table)

    @cached_property
    def allowances(self) -> DynamoDBAllowances:
        from chalicelib.adapters.dynamodb_allowances import DynamoDBAllowances

        return DynamoDBAllowances(self._dynamodb, self.config.accounts_table)

    @cached_property
    def register(self) -> DynamoDBRegister:
        from chalicelib.adapters.dynamodb_register import DynamoDBRegister

        return DynamoDBRegister(self._dynamodb, self.config.accounts_table, self.config.collections_table)

    @cached_property
    def collections(self) -> DynamoDBCollections:
        from chalicelib.adapters.dynamodb_collections import DynamoDBCollections

        return DynamoDBCollections(self._dynamodb, self.config.collections_table)

    @cached_property
    def syncs(self) -> DynamoDBSyncs:
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
    def storage(self) -> S3Storage:
        from chalicelib.adapters.s3_storage import S3Storage

        return S3Storage(self._s3, self.config.managed_bucket, self.config.thumbnails_bucket)

    @cached_property
    def queues(self) -> SQSQueues:
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
    def embedder(self) -> LambdaEmbedder:
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
