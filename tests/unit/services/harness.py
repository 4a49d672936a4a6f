"""One customer's bucket with a collection on it, the application on fakes around it, and what a test does to both."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

from chalicelib import workers
from chalicelib.domain.collections import Collection, CollectionType, SyncState, Trigger, managed_prefix
from chalicelib.domain.files import FileRecord
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.plans import PLANS
from chalicelib.domain.syncs import Tally
from chalicelib.services.authentication import Caller
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.messages import Context, InMemorySQS, Message

BUCKET = "photographs"
AFTER_THE_LEASE = SYNC_LEASE + timedelta(seconds=1)
HANDLERS = {
    "sync": workers.sync,
    "events": workers.route_events,
    "index": workers.index,
    "uploads": workers.complete_uploads,
    "deletions": workers.delete,
}


class WorkerKilled(BaseException):
    """The worker's process is no more."""


def die() -> None:
    raise WorkerKilled


def plenty() -> float:
    """Seconds that a worker has left."""
    return 100


def no_time() -> float:
    return 0


class Harness:
    """``walk`` are the walk's own measures: how many keys a step has, and the like."""

    def __init__(self, **walk: int) -> None:
        self.ports = FakeAdapters.fresh()
        self._walk = walk
        self.app = services_on(self.ports, **walk)
        self.post = InMemorySQS(self.ports.queues)
        self.clock = self.ports.clock
        self.bucket = self.ports.sources.bucket(BUCKET)
        self.embedder, self.vectors = self.ports.embedder, self.ports.vectors
        self.collection = self.add()
        self.caller = Caller(self.collection.account, PLANS["pro"])

    def add(self, prefix: str = "", **fields: Any) -> Collection:
        made = a_collection(**{"bucket": BUCKET, "prefix": prefix} | fields)
        self.ports.collections.add(made)
        return made

    def add_managed(self) -> Collection:
        made = a_collection(account=self.collection.account, type=CollectionType.MANAGED)
        where = {"bucket": self.ports.storage.bucket, "prefix": managed_prefix(made.account, made.uuid)}
        made = replace(made, **where)
        self.ports.collections.add(made)
        return made

    # What happens to the bucket.

    def put(self, *keys: str, body: bytes | None = None) -> None:
        """Objects, each with a picture of its own unless told otherwise; nobody is told."""
        for key in keys:
            self.bucket.put(key, body if body is not None else b"picture of " + key.encode())

    def tell(self, key: str, sequencer: str, bucket: str = BUCKET) -> None:
        """S3's notification of a change that has happened to an object."""
        entity = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "sequencer": sequencer}}
        self.post.send("events", json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": entity}]}))

    # What the application does.

    def start(self, collection: Collection | None = None, **options: Any) -> str:
        """Begin a sync; its messages wait."""
        sync = self.app.syncs.start(self.current(collection), Trigger.MANUAL, **options)
        self.post.collect()
        return sync

    def sync(self, collection: Collection | None = None, **options: Any) -> SyncState:
        """A sync from its beginning until nothing is left to do for it."""
        self.start(collection, **options)
        self.work()
        return self.state(collection)

    def work(self, *queues: str) -> list[Message]:
        """Hand out every message of these queues, or of all, and what comes of them; answers those that came back."""
        back: list[Message] = []
        self.post.collect()
        while waiting := [m for m in self.post.waiting if m not in back and (not queues or m.queue in queues)]:
            if not self.deliver(waiting[0]):
                back.append(waiting[0])
        return back

    def deliver(self, message: Message, context: Context | None = None) -> bool:
        """Hand one message to a worker; answers whether it is done, and so gone."""
        answer = HANDLERS[message.queue](message.hand_out(), context or Context(), self.app)  # type: ignore[arg-type]
        done = not answer["batchItemFailures"]
        if done and message in self.post.waiting:
            self.post.waiting.remove(message)
        self.post.collect()
        return done

    def apply(self, *keys: str, again: bool = False, **change: Any) -> Tally:
        """Look at objects, as a worker does for an event of S3's."""
        changes = tuple(ObjectHint(key, **change) for key in keys)
        batch = IndexBatch(self.collection.account, self.collection.uuid, changes)
        return self.app.indexer.apply(batch, again=again)

    def interleave(self, port: str, call: str, happens: Callable[[], object], *, times: int = 1) -> None:
        """Have something happen just before a worker's call of a port, the next so many times."""
        between = _Between(getattr(self.ports, port), call, happens, times)
        self.app = services_on(replace(self.ports, **{port: between}), **self._walk)

    # What a test looks at.

    def current(self, collection: Collection | None = None) -> Collection:
        wanted = collection or self.collection
        found: Collection = self.ports.collections.stored[wanted.account, wanted.uuid]
        return found

    def state(self, collection: Collection | None = None) -> SyncState:
        return self.current(collection).sync

    def record(self, key: str, collection: Collection | None = None) -> FileRecord | None:
        found: FileRecord | None = self.ports.catalogue.get((collection or self.collection).uuid, key)
        return found

    def searchable(self, collection: Collection | None = None) -> set[str]:
        """Keys of what a search of the collection may find."""
        uuid = (collection or self.collection).uuid
        return {document.file.key for document in self.vectors.documents.values() if document.collection == uuid}

    def reasons(self) -> list[str]:
        """Why messages came back."""
        return list(self.ports.failure_log.reasons.values())

    def everything(self) -> list[Any]:
        """All that is stored or on its way, to be compared with what it is later."""
        p = self.ports
        kept = (p.collections.stored, p.catalogue.records, p.vectors.documents, p.storage.thumbnails, p.syncs.walked)
        self.post.collect()
        return [*map(dict, kept), dict(p.syncs.batches), len(self.post.waiting), len(p.embedder.embedded)]


@dataclass
class _Between:
    """A port as it is, but for what happens before one of its calls."""

    port: Any
    call: str
    happens: Callable[[], object]
    left: int

    def __getattr__(self, name: str) -> Any:
        if name == self.call and self.left:
            self.left -= 1
            self.happens()
        return getattr(self.port, name)
