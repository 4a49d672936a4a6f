"""The application on its fakes: what ``bootstrap.Services`` is to the functions on AWS, in memory."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.domain.accounts import Terms
from chalicelib.services.collecting import CollectionService
from chalicelib.services.deleting import Deletion
from chalicelib.services.embedding import Embedding
from chalicelib.services.explaining import Explaining
from chalicelib.services.failing import Failing
from chalicelib.services.fetching import Files
from chalicelib.services.finishing import Finishing
from chalicelib.services.indexing import Indexing
from chalicelib.services.noticing import Notices
from chalicelib.services.purging import Purge
from chalicelib.services.rationing import Rationing
from chalicelib.services.recounting import Recounting
from chalicelib.services.searching import Search
from chalicelib.services.sweeping import Sweeping
from chalicelib.services.syncing import Sync
from chalicelib.services.totalling import Totals
from chalicelib.services.uploading import Uploads
from chalicelib.services.walking import Walk
from tests.fakes.accounts import FakeAccounts
from tests.fakes.allowances import FakeAllowances
from tests.fakes.buckets import FakeSources
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.examiner import FakeExaminer
from tests.fakes.queues import FakeQueues
from tests.fakes.register import FakeRegister
from tests.fakes.storage import FakeStorage
from tests.fakes.syncs import FakeSyncs
from tests.fakes.troubles import FakeTroubles
from tests.fakes.vectors import FakeVectorStore

REGION = "eu-west-1"
GRACE = 900  # seconds that a deletion waits for workers


@dataclass(frozen=True)
class Ports:
    """What the services reach the world through: the fakes, or what a test puts before one of them."""

    clock: Any
    sources: Any
    storage: Any
    collections: Any
    syncs: Any
    catalogue: Any
    vectors: Any
    embedder: Any
    queues: Any
    troubles: Any
    accounts: Any
    allowances: Any
    register: Any
    examiner: Any

    @classmethod
    def fakes(cls) -> "Ports":
        clock, sources, collections = FakeClock(), FakeSources(), FakeCollections()
        allowances = FakeAllowances()
        storage = FakeStorage(sources, now=clock)
        return cls(
            clock=clock,
            sources=sources,
            storage=storage,
            collections=collections,
            syncs=FakeSyncs(collections),
            catalogue=FakeCatalogue(collections, allowances),
            vectors=FakeVectorStore(),
            embedder=FakeEmbedder(sources, storage),
            queues=FakeQueues(),
            troubles=FakeTroubles(),
            accounts=FakeAccounts(Terms("business")),
            allowances=allowances,
            register=FakeRegister(collections, allowances),
            examiner=FakeExaminer(sources),
        )


class Application:
    """Every service, under the names that the workers know it by; ``walk`` are the walk's own measures."""

    def __init__(self, ports: Ports, **walk: int) -> None:
        p = ports
        rationing = Rationing(p.accounts, p.allowances, p.clock)
        self.walks = Walk(
            p.collections, p.syncs, p.catalogue, p.sources, p.embedder, p.queues, rationing, p.clock, **walk
        )
        self.sync = Sync(p.collections, p.syncs, self.walks, p.queues, p.clock)
        embedding = Embedding(p.catalogue, p.storage, p.embedder)
        self.indexing = Indexing(p.collections, p.catalogue, p.sources, embedding, p.vectors, rationing, p.clock)
        self.notices = Notices(p.collections, p.queues, p.storage.bucket)
        self.failing = Failing(p.troubles, p.clock)
        self.purge = Purge(p.catalogue, p.storage, p.clock)
        self.explaining = Explaining(p.catalogue, p.sources, p.embedder, p.vectors)
        self.sweeping = Sweeping(p.catalogue, p.storage, p.clock)
        self.recounting = Recounting(p.collections, p.catalogue, p.syncs, p.clock)
        self.totals = Totals(p.collections, p.allowances, p.clock)
        self.search = Search(p.embedder, p.vectors)
        self.collections = CollectionService(p.collections, p.register, p.examiner, p.storage.bucket, REGION, p.clock)
        self.finishing = Finishing(
            p.catalogue,
            p.allowances,
            p.storage,
            p.embedder,
            self.indexing,
            p.queues,
            p.clock,
            wait=lambda seconds: p.clock.pass_by(timedelta(seconds=seconds)),
        )
        self.uploads = Uploads(p.catalogue, p.allowances, p.storage, p.queues, self.finishing, p.clock)
        self.files = Files(self.collections, p.catalogue, p.sources, p.storage, p.allowances, self.indexing, p.queues)
        self.deletion = Deletion(p.register, p.catalogue, p.storage, p.allowances, p.vectors, p.queues, p.clock, GRACE)
