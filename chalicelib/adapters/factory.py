"""The factory of the adapters for AWS: each is imported and created on its first use.

Only what every search needs is imported at the top: the rest would double what a cold start of the API imports of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.rate_buckets import DynamoDBRateBuckets
from chalicelib.adapters.dynamodb.refusals import translate_refusals
from chalicelib.adapters.dynamodb.signing_keys import DynamoDBSigningKeys
from chalicelib.adapters.embedder.client import LambdaEmbedder
from chalicelib.config import Config, OpenSearchConfig
from chalicelib.services.ports import MaintainedVectorStore

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_s3.client import S3Client

    from chalicelib.adapters.cognito.identity_provider import CognitoIdentityProvider
    from chalicelib.adapters.dynamodb.calibrations import DynamoDBCalibrations
    from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
    from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
    from chalicelib.adapters.dynamodb.duplicates import DynamoDBDuplicates
    from chalicelib.adapters.dynamodb.embedding_stash import DynamoDBEmbeddingStash
    from chalicelib.adapters.dynamodb.failure_log import DynamoDBFailureLog
    from chalicelib.adapters.dynamodb.idempotent_answers import DynamoDBIdempotentAnswers
    from chalicelib.adapters.dynamodb.image_inventory import DynamoDBImageInventory
    from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
    from chalicelib.adapters.dynamodb.registry import DynamoDBRegistry
    from chalicelib.adapters.dynamodb.search_uploads import DynamoDBSearchUploads
    from chalicelib.adapters.dynamodb.sessions import DynamoDBSessions
    from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
    from chalicelib.adapters.dynamodb.users import DynamoDBUsers
    from chalicelib.adapters.dynamodb.webhook_deliveries import DynamoDBWebhookDeliveries
    from chalicelib.adapters.dynamodb.webhook_endpoints import DynamoDBWebhookEndpoints
    from chalicelib.adapters.kms.secrets import KMSSecrets
    from chalicelib.adapters.s3.access_checker import S3AccessChecker
    from chalicelib.adapters.s3.server_checker import ServerAccessChecker
    from chalicelib.adapters.s3.server_sources import ServerSources
    from chalicelib.adapters.s3.sources import Credentials, S3Sources
    from chalicelib.adapters.s3.storage import S3Storage
    from chalicelib.adapters.ses.mailer import SESMailer
    from chalicelib.adapters.sqs.queues import SQSQueues
    from chalicelib.adapters.web.pictures import HTTPSPictures
    from chalicelib.adapters.web.webhooks import HTTPWebhooks
    from chalicelib.domain.storage_servers import AccessKey

# S3's older signature does not work for presigned URLs in every region. The virtual style makes URLs name the bucket's
# region: the global name redirects to a new bucket in another region, which breaks signatures and forms.
S3_CLIENT = ClientConfig(
    signature_version="s3v4", s3={"addressing_style": "virtual"}, retries={"mode": "standard", "max_attempts": 4}
)
STANDARD_CLIENT = ClientConfig(retries={"mode": "standard", "max_attempts": 4})
# Whoever invites waits for it.
MAIL_CLIENT = ClientConfig(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
# The embedder may run for 120 seconds. A caller that may not run as long gives up while there is time to say so, and to
# release what it has reserved and locked.
EMBEDDER_SECONDS = 130
RESERVED_SECONDS = 11
EMBEDDER_CONNECT_SECONDS = 5
PATIENCE_SHARE, MAX_PATIENCE_SECONDS = 12, 60.0
# For one request to a customer's server; a function that may not run as long gives two of them most of its time.
SERVER_SECONDS, SERVER_SHARE = 20.0, 3


class AWSAdapters:
    """Every port (``services.ports.Adapters``) on AWS.

    Args:
        client: creates the client of an AWS service as ``boto3.client`` does; administration passes its deployment's.
    """

    def __init__(self, config: Config, client: Callable[..., Any]) -> None:
        self.config = config
        self._client = client

    @cached_property
    def access_checker(self) -> S3AccessChecker:
        from chalicelib.adapters.s3.access_checker import S3AccessChecker

        return S3AccessChecker(self.sources, self._server_checker)

    def _server_checker(self) -> ServerAccessChecker:
        from chalicelib.adapters.s3.server_checker import ServerAccessChecker

        return ServerAccessChecker(self._servers)

    @cached_property
    def vectors(self) -> MaintainedVectorStore:
        config = self.config.vector_store
        if isinstance(config, OpenSearchConfig):
            return self._opensearch(config)
        # It imports numpy, which the API's package does not have.
        from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore

        return SQLiteVectorStore(config.path)

    def _opensearch(self, config: OpenSearchConfig) -> MaintainedVectorStore:
        # They import an HTTP client that functions without OpenSearch do not need.
        from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
        from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
        from chalicelib.adapters.opensearch.documents import VersionedDocuments
        from chalicelib.adapters.opensearch.indexes import Indexes
        from chalicelib.adapters.opensearch.mappings import PROFILES, Sizing
        from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore

        credentials = boto3.Session().get_credentials() if config.signing else None
        connection = connect(
            config.endpoint, service=config.signing or "", region=self.config.aws_region, credentials=credentials
        )
        client = OpenSearchClient(connection)
        profile = PROFILES[config.profile]
        sizing = Sizing(shards=config.shards, replicas=config.replicas)
        indexes = Indexes(client, profile=profile, sizing=sizing, has_files=lambda: self.collections.has_files())
        documents = AppendOnlyDocuments(client) if profile.serverless else VersionedDocuments(client, indexes)
        return OpenSearchVectorStore(client, indexes, documents)

    @cached_property
    def accounts(self) -> DynamoDBAccounts:
        return DynamoDBAccounts(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def users(self) -> DynamoDBUsers:
        from chalicelib.adapters.dynamodb.users import DynamoDBUsers

        return DynamoDBUsers(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def sessions(self) -> DynamoDBSessions:
        from chalicelib.adapters.dynamodb.sessions import DynamoDBSessions

        return DynamoDBSessions(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def identity_provider(self) -> CognitoIdentityProvider:
        from chalicelib.adapters.cognito.identity_provider import CognitoIdentityProvider
        from chalicelib.adapters.cognito.settings import SignInParameter

        name = self.config.sign_in_parameter
        return CognitoIdentityProvider(SignInParameter(lambda: self._client("ssm", config=STANDARD_CLIENT), name))

    @cached_property
    def mailer(self) -> SESMailer | None:
        from chalicelib.adapters.ses.mailer import SESMailer

        sender = self.config.invitation_sender
        return SESMailer(lambda: self._client("sesv2", config=MAIL_CLIENT), sender) if sender is not None else None

    @cached_property
    def rate_buckets(self) -> DynamoDBRateBuckets:
        return DynamoDBRateBuckets(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def signing_keys(self) -> DynamoDBSigningKeys:
        return DynamoDBSigningKeys(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def calibrations(self) -> DynamoDBCalibrations:
        from chalicelib.adapters.dynamodb.calibrations import DynamoDBCalibrations

        return DynamoDBCalibrations(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def duplicates(self) -> DynamoDBDuplicates:
        from chalicelib.adapters.dynamodb.duplicates import DynamoDBDuplicates

        return DynamoDBDuplicates(self._dynamodb, self.config.tables.syncs)

    @cached_property
    def quota_ledger(self) -> DynamoDBQuotaLedger:
        from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger

        return DynamoDBQuotaLedger(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def idempotent_answers(self) -> DynamoDBIdempotentAnswers:
        # It imports what requests without a key do not need.
        from chalicelib.adapters.dynamodb.idempotent_answers import DynamoDBIdempotentAnswers

        return DynamoDBIdempotentAnswers(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def web_pictures(self) -> HTTPSPictures:
        from chalicelib.adapters.web.pictures import HTTPSPictures

        return HTTPSPictures()

    @cached_property
    def webhook_registry(self) -> DynamoDBWebhookEndpoints:
        from chalicelib.adapters.dynamodb.webhook_endpoints import DynamoDBWebhookEndpoints

        return DynamoDBWebhookEndpoints(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def webhook_deliveries(self) -> DynamoDBWebhookDeliveries:
        from chalicelib.adapters.dynamodb.webhook_deliveries import DynamoDBWebhookDeliveries

        return DynamoDBWebhookDeliveries(self._dynamodb, self.config.tables.syncs)

    @cached_property
    def webhook_sender(self) -> HTTPWebhooks:
        from chalicelib.adapters.web.connections import CheckedConnections
        from chalicelib.adapters.web.webhooks import HTTPWebhooks
        from chalicelib.domain.web_urls import is_public, is_public_or_local

        return HTTPWebhooks(CheckedConnections(is_public_or_local if self.config.local_webhooks else is_public))

    @cached_property
    def search_uploads(self) -> DynamoDBSearchUploads:
        from chalicelib.adapters.dynamodb.search_uploads import DynamoDBSearchUploads

        return DynamoDBSearchUploads(self._dynamodb, self.config.tables.accounts)

    @cached_property
    def registry(self) -> DynamoDBRegistry:
        from chalicelib.adapters.dynamodb.registry import DynamoDBRegistry

        return DynamoDBRegistry(self._dynamodb, self.config.tables.accounts, self.config.tables.collections)

    @cached_property
    def collections(self) -> DynamoDBCollections:
        from chalicelib.adapters.dynamodb.collections import DynamoDBCollections

        return DynamoDBCollections(self._dynamodb, self.config.tables.collections)

    @cached_property
    def syncs(self) -> DynamoDBSyncs:
        from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs

        return DynamoDBSyncs(self._dynamodb, self.config.tables.collections, self.config.tables.syncs)

    @cached_property
    def failure_log(self) -> DynamoDBFailureLog:
        from chalicelib.adapters.dynamodb.failure_log import DynamoDBFailureLog

        return DynamoDBFailureLog(self._dynamodb, self.config.tables.syncs)

    @cached_property
    def embedding_stash(self) -> DynamoDBEmbeddingStash:
        from chalicelib.adapters.dynamodb.embedding_stash import DynamoDBEmbeddingStash

        return DynamoDBEmbeddingStash(self._dynamodb, self.config.tables.syncs)

    @cached_property
    def catalogue(self) -> DynamoDBCatalogue:
        from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
        from chalicelib.adapters.dynamodb.pace import WritePace
        from chalicelib.adapters.dynamodb.retries import Retries

        tables = self.config.tables
        retries = Retries(database_patience(self.config.function_timeout))
        pace = WritePace(self.config.collection_write_units or None)
        return DynamoDBCatalogue(self._dynamodb, tables.catalogue, tables.collections, tables.accounts, retries, pace)

    @cached_property
    def image_inventory(self) -> DynamoDBImageInventory:
        from chalicelib.adapters.dynamodb.image_inventory import DynamoDBImageInventory

        return DynamoDBImageInventory(self._dynamodb, self.config.tables.catalogue)

    @cached_property
    def sources(self) -> S3Sources:
        from chalicelib.adapters.s3.sources import S3Sources

        return S3Sources(
            self._s3,
            lambda: self._client("sts", config=STANDARD_CLIENT),
            self._customer_s3,
            servers=lambda: self._servers,
        )

    @cached_property
    def secrets(self) -> KMSSecrets:
        from chalicelib.adapters.kms.secrets import KMSSecrets

        return KMSSecrets(lambda: self._client("kms", config=STANDARD_CLIENT), self.config.secrets_key)

    @cached_property
    def _servers(self) -> ServerSources:
        from chalicelib.adapters.s3.server_requests import ServerRequests, server_client
        from chalicelib.adapters.s3.server_sources import ServerSources
        from chalicelib.adapters.web.connections import CheckedConnections
        from chalicelib.domain.web_urls import is_public, is_public_or_local

        connections = CheckedConnections(is_public_or_local if self.config.local_servers else is_public)
        seconds = server_seconds(self.config.function_timeout)

        def make(url: str, region: str, key: AccessKey, deadline: float | None) -> S3Client:
            return server_client(url, region, key, ServerRequests(connections, seconds, deadline))

        return ServerSources(self.secrets.open, make)

    @cached_property
    def storage(self) -> S3Storage:
        from chalicelib.adapters.s3.storage import S3Storage

        return S3Storage(self._s3, self.config.managed_bucket, self.config.thumbnails_bucket)

    @cached_property
    def queues(self) -> SQSQueues:
        from chalicelib.adapters.sqs.queues import SQSQueues

        return SQSQueues(self._client("sqs", config=STANDARD_CLIENT), self.config.queues)

    @cached_property
    def embedder(self) -> LambdaEmbedder:
        config = embedder_client(self.config.function_timeout)
        return LambdaEmbedder(self._client("lambda", config=config), self.config.embedder_function)

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._client("dynamodb", config=STANDARD_CLIENT)
        translate_refusals(client)
        return client

    @cached_property
    def _s3(self) -> S3Client:
        return self._s3_client()

    def _customer_s3(self, region: str, credentials: Credentials) -> S3Client:
        return self._s3_client(
            region_name=region,
            aws_access_key_id=credentials.key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
        )

    def _s3_client(self, **options: str) -> S3Client:
        client: S3Client = self._client("s3", config=S3_CLIENT, **options)
        client.meta.events.register_last("before-endpoint-resolution.s3", _address_dotted_bucket)
        return client


def embedder_client(function_timeout: int) -> ClientConfig:
    """The client of the embedder in a function that may run for so many seconds.

    It asks once: a second attempt would only double the load. ``total_max_attempts`` counts the first attempt, and
    ``max_attempts`` does not: https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html
    """
    return ClientConfig(
        connect_timeout=EMBEDDER_CONNECT_SECONDS,
        read_timeout=max(1, min(EMBEDDER_SECONDS, function_timeout - RESERVED_SECONDS)),
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def server_seconds(function_timeout: int) -> float:
    """Seconds that a function waits for a customer's server, for each request."""
    return min(SERVER_SECONDS, function_timeout / SERVER_SHARE)


def database_patience(function_timeout: int) -> float:
    """Seconds for which a function repeats refused writes of the catalogue.

    A worker that has waited for the embedder takes what is left of its time, so as not to lose what was embedded.
    """
    left = function_timeout - EMBEDDER_SECONDS - RESERVED_SECONDS
    return min(MAX_PATIENCE_SECONDS, max(left, function_timeout / PATIENCE_SHARE))


def _address_dotted_bucket(builtins: dict[str, Any], params: dict[str, Any], **_: object) -> None:
    """Name a bucket with dots in the path where the endpoint is a server of one's own.

    On AWS botocore does so by itself. For an endpoint by HTTP it would put the bucket before the host, and no such name
    can be looked up.
    """
    if builtins.get("SDK::Endpoint") is not None and "." in str(params.get("Bucket", "")):
        builtins["AWS::S3::ForcePathStyle"] = True
