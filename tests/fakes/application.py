"""The application in memory: the production wiring (``bootstrap.Services``) on fakes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import Config, SQLiteConfig, Tables
from chalicelib.domain.accounts import Subscription
from chalicelib.domain.messages import Queue
from chalicelib.domain.users import SignUp
from tests.fakes.access_checker import FakeAccessChecker
from tests.fakes.accounts import FakeAccounts
from tests.fakes.buckets import FakeSources
from tests.fakes.calibrations import FakeCalibrations
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.duplicates import FakeDuplicates
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.embedding_stash import FakeEmbeddingStash
from tests.fakes.failure_log import FakeFailureLog
from tests.fakes.idempotent_answers import FakeIdempotentAnswers
from tests.fakes.identity_provider import FakeIdentityProvider
from tests.fakes.image_inventory import FakeImageInventory
from tests.fakes.mailer import FakeMailer
from tests.fakes.queues import FakeQueues
from tests.fakes.quota_ledger import FakeQuotaLedger
from tests.fakes.rate_buckets import FakeRateBuckets
from tests.fakes.registry import FakeRegistry
from tests.fakes.search_uploads import FakeSearchUploads
from tests.fakes.secrets import FakeSecrets
from tests.fakes.sessions import FakeSessions
from tests.fakes.signing_keys import FakeSigningKeys
from tests.fakes.storage import FakeStorage
from tests.fakes.syncs import FakeSyncs
from tests.fakes.users import FakeUsers
from tests.fakes.vectors import FakeVectorStore
from tests.fakes.web_pictures import FakeWebPictures
from tests.fakes.webhooks import FakeReceivers, FakeWebhookDeliveries, FakeWebhookRegistry

CONFIG = Config(
    aws_region="eu-west-1",
    tables=Tables("accounts", "collections", "catalogue", "syncs"),
    queues={queue: f"https://sqs.example/{queue}" for queue in Queue},
    events_queue_arn="arn:aws:sqs:eu-west-1:111122223333:events",
    managed_bucket="managed",
    thumbnails_bucket="thumbnails",
    embedder_function="embedder",
    vector_store=SQLiteConfig("vectors.sqlite"),
    sign_up=SignUp.OPEN,
)


@dataclass(frozen=True)
class FakeAdapters:
    """``services.ports.Adapters`` in memory, and their clock; a test may wrap one of them."""

    clock: Any
    sources: Any
    storage: Any
    collections: Any
    syncs: Any
    catalogue: Any
    image_inventory: Any
    vectors: Any
    embedder: Any
    queues: Any
    failure_log: Any
    embedding_stash: Any
    accounts: Any
    users: Any
    sessions: Any
    identity_provider: Any
    quota_ledger: Any
    rate_buckets: Any
    search_uploads: Any
    web_pictures: Any
    webhook_registry: Any
    webhook_deliveries: Any
    webhook_sender: Any
    idempotent_answers: Any
    mailer: Any
    registry: Any
    access_checker: Any
    signing_keys: Any
    calibrations: Any
    duplicates: Any
    secrets: Any

    @classmethod
    def fresh(cls) -> "FakeAdapters":
        clock, sources, collections = FakeClock(), FakeSources(), FakeCollections()
        quota_ledger = FakeQuotaLedger()
        storage = FakeStorage(sources, now=clock)
        catalogue = FakeCatalogue(collections, quota_ledger, clock)
        accounts, sessions = FakeAccounts(Subscription("business")), FakeSessions()
        return cls(
            clock=clock,
            sources=sources,
            storage=storage,
            collections=collections,
            syncs=FakeSyncs(collections),
            catalogue=catalogue,
            image_inventory=FakeImageInventory(catalogue),
            vectors=FakeVectorStore(),
            embedder=FakeEmbedder(sources, storage),
            queues=FakeQueues(),
            failure_log=FakeFailureLog(),
            embedding_stash=FakeEmbeddingStash(),
            accounts=accounts,
            users=FakeUsers(accounts, sessions),
            sessions=sessions,
            identity_provider=FakeIdentityProvider(),
            quota_ledger=quota_ledger,
            rate_buckets=FakeRateBuckets(),
            search_uploads=FakeSearchUploads(),
            web_pictures=FakeWebPictures(),
            webhook_registry=FakeWebhookRegistry(),
            webhook_deliveries=FakeWebhookDeliveries(),
            webhook_sender=FakeReceivers(),
            idempotent_answers=FakeIdempotentAnswers(clock),
            mailer=FakeMailer(),
            registry=FakeRegistry(collections, quota_ledger),
            access_checker=FakeAccessChecker(sources),
            signing_keys=FakeSigningKeys(),
            calibrations=FakeCalibrations(accounts),
            duplicates=FakeDuplicates(),
            secrets=FakeSecrets(),
        )


def services_on(adapters: FakeAdapters, **sync_worker: int) -> Services:
    """The services on fakes; ``sync_worker`` are settings of the sync worker, such as ``chunk_keys``."""
    services = Services(
        CONFIG, adapters, adapters.clock, wait=lambda seconds: adapters.clock.pass_by(timedelta(seconds=seconds))
    )
    services.sync_worker = replace(services.sync_worker, **sync_worker)  # type: ignore[arg-type]
    return services
