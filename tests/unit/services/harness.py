"""One customer's bucket with a collection on it, the application on fakes, and what a test does to both."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

from chalicelib import workers
from chalicelib.domain.collections import (
    Collection,
    CollectionChange,
    CollectionType,
    SyncState,
    Trigger,
    managed_prefix,
)
from chalicelib.domain.errors import Unavailable
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
    "changes": workers.apply_changes,
    "uploads": workers.complete_uploads,
    "deletions": workers.delete,
    "purges": workers.purge,
    "duplicates": workers.find_duplicates,
    "webhooks": workers.deliver_webhooks,
}


@contextmanager
def lost_answer(port: Any, method: str) -> Iterator[None]:
    """Each call of a port's method takes place, and its caller is told that the port is unavailable."""
    original = getattr(port, method)

    def lose(*arguments: Any) -> None:
        original(*arguments)
        raise Unavailable("The answer was lost.")

    setattr(port, method, lose)
    try:
        yield
    finally:
        setattr(port, method, original)


class WorkerKilled(BaseException):
    """The worker's process has ended."""


def die() -> None:
    raise WorkerKilled


def plenty() -> float:
    """Seconds that a worker has left."""
    return 100


def no_time() -> float:
    return 0


class Harness:
    """``sync_worker`` are settings of the sync worker, such as ``chunk_keys``."""

    def __init__(self, **sync_worker: int) -> None:
        self.ports = FakeAdapters.fresh()
        self._sync_worker = sync_worker
        self.app = services_on(self.ports, **sync_worker)
        self.sqs = InMemorySQS(self.ports.queues)
        self.clock = self.ports.clock
        self.bucket = self.ports.sources.bucket(BUCKET)
        self.embedder, self.vectors = self.ports.embedder, self.ports.vectors
        self.collection = self.add()
        self.caller = self.caller_of(self.collection.account)

    def add(self, prefix: str = "", **fields: Any) -> Collection:
        collection = a_collection(**{"bucket": BUCKET, "prefix": prefix} | fields)
        self.ports.collections.add(collection)
        return collection

    def add_managed(self, account: str | None = None) -> Collection:
        """A managed collection, of the first collection's account unless another one is named."""
        collection = a_collection(account=account or self.collection.account, type=CollectionType.MANAGED)
        prefix = managed_prefix(collection.account, collection.uuid)
        collection = replace(collection, bucket=self.ports.storage.bucket, prefix=prefix)
        self.ports.collections.add(collection)
        return collection

    def caller_of(self, account: str) -> Caller:
        return Caller(account, PLANS["pro"])

    # Changes of the bucket.

    def put(self, *keys: str, body: bytes | None = None) -> None:
        """Put objects, each with a picture of its own unless ``body`` is given; no event is sent."""
        for key in keys:
            self.bucket.put(key, body if body is not None else b"picture of " + key.encode())

    def notify(self, key: str, sequencer: str, bucket: str = BUCKET) -> None:
        """Send S3's notification of an object."""
        entity = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "sequencer": sequencer}}
        self.sqs.send("events", json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": entity}]}))

    # Actions of the application.

    def change(self, collection: Collection | None = None, **settings: Any) -> None:
        """Change settings of a collection, as its owner does."""
        self.app.collections.change(self.caller, self.current(collection), CollectionChange(**settings))

    def start(self, collection: Collection | None = None, **options: Any) -> str:
        """Start a sync; its messages wait."""
        sync = self.app.syncs.start(self.current(collection), Trigger.MANUAL, **options)
        self.sqs.collect()
        return sync

    def sync(self, collection: Collection | None = None, **options: Any) -> SyncState:
        """Start a sync and deliver messages until none waits."""
        self.start(collection, **options)
        self.work()
        return self.state(collection)

    def work(self, *queues: str) -> list[Message]:
        """Deliver every message of these queues, or of all, and those that follow; returns the failed ones."""
        failed: list[Message] = []
        self.sqs.collect()
        while waiting := [m for m in self.sqs.waiting if m not in failed and (not queues or m.queue in queues)]:
            if not self.deliver(waiting[0]):
                failed.append(waiting[0])
        return failed

    def deliver(self, message: Message, context: Context | None = None) -> bool:
        """Deliver one message to a worker; returns whether it was handled and is deleted."""
        response = HANDLERS[message.queue](message.receive(), context or Context(), self.app)  # type: ignore[arg-type]
        handled = not response["batchItemFailures"]
        if handled and message in self.sqs.waiting:
            self.sqs.waiting.remove(message)
        self.sqs.collect()
        return handled

    def apply(self, *keys: str, redelivered: bool = False, **hint: Any) -> Tally:
        """Index objects, as a worker does for an event of S3's."""
        hints = tuple(ObjectHint(key, **hint) for key in keys)
        batch = IndexBatch(self.collection.account, self.collection.uuid, hints)
        return self.app.indexer.apply(batch, redelivered=redelivered)

    def interleave(self, port: str, method: str, action: Callable[[], object], *, times: int = 1) -> None:
        """Run an action just before a worker calls a port's method, the next so many times."""
        wrapped = _Interleaved(getattr(self.ports, port), method, action, times)
        self.app = services_on(replace(self.ports, **{port: wrapped}), **self._sync_worker)

    def lose_answer(self, port: str, method: str) -> None:
        """Have the next call of a port's method made twice, as by who repeats it because the first answer was lost."""
        wrapped = _Repeated(getattr(self.ports, port), method)
        self.app = services_on(replace(self.ports, **{port: wrapped}), **self._sync_worker)

    # Results.

    def current(self, collection: Collection | None = None) -> Collection:
        collection = collection or self.collection
        stored: Collection = self.ports.collections.stored[collection.account, collection.uuid]
        return stored

    def state(self, collection: Collection | None = None) -> SyncState:
        return self.current(collection).sync

    def record(self, key: str, collection: Collection | None = None) -> FileRecord | None:
        record: FileRecord | None = self.ports.catalogue.get((collection or self.collection).uuid, key)
        return record

    def searchable(self, collection: Collection | None = None) -> set[str]:
        """Keys that a search of the collection can find."""
        uuid = (collection or self.collection).uuid
        return {document.file.key for document in self.vectors.documents.values() if document.collection == uuid}

    def reasons(self) -> list[str]:
        """The reasons of failed messages."""
        return list(self.ports.failure_log.reasons.values())

    def everything(self) -> list[Any]:
        """A copy of all that is stored or sent, to compare with a later one."""
        p = self.ports
        stored = (p.collections.stored, p.catalogue.records, p.vectors.documents, p.storage.thumbnails, p.syncs.ranges)
        self.sqs.collect()
        return [*map(dict, stored), dict(p.syncs.batches), len(self.sqs.waiting), len(p.embedder.embedded)]


@dataclass
class _Interleaved:
    """A port that runs an action before the calls of one method."""

    port: Any
    method: str
    action: Callable[[], object]
    left: int

    def __getattr__(self, name: str) -> Any:
        if name == self.method and self.left:
            self.left -= 1
            self.action()
        return getattr(self.port, name)


class _Repeated:
    """An object of whose method the first call is made twice."""

    def __init__(self, wrapped: Any, method: str) -> None:
        self._wrapped, self._method, self._repeated = wrapped, method, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._wrapped, name)
        if name != self._method or self._repeated:
            return method

        def call_twice(*args: Any, **kwargs: Any) -> Any:
            self._repeated = True
            method(*args, **kwargs)
            return method(*args, **kwargs)

        return call_twice
