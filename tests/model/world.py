"""The whole application on fakes: a bucket that changes, queues that lose, repeat and reorder, workers that die.

Invariants of every moment are checked as calls happen, and ``Violation`` is raised at once; those of rest are checked
by ``check_rest`` and ``check_converged``.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus, unquote
from uuid import UUID, uuid5

from chalicelib import workers
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.collections import Collection, SyncStatus, Trigger
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.errors import SimilarixError
from chalicelib.domain.file_images import FileImage, image_of
from chalicelib.domain.files import OVER_PLAN, FileRecord, FileState, ObjectInfo, content_key, removal_shard
from chalicelib.domain.messages import IndexBatch, ObjectHint, PurgeStep
from chalicelib.domain.vectors import VectorDocument
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import etag
from tests.fakes.embedder import UNREADABLE, vector
from tests.fakes.messages import Context, InMemorySQS, Message
from tests.model.scheduler import Stepped, Worker, current_worker

BUCKET = "photographs"
UUID_NAMESPACE = UUID("8f6d1fd2-4f5f-4b0b-8e55-0a6f2f0a0c11")
CONFIRMATION_MIN_FILES = 3
MAX_DELIVERIES_TO_REST = 400
MAX_MESSAGES_TOGETHER = {"events": 10, "changes": 10}  # of a delivery; one of the other queues
HANDLERS = {
    "sync": workers.sync,
    "events": workers.route_events,
    "index": workers.index,
    "changes": workers.apply_changes,
}


class Violation(AssertionError):
    """An invariant does not hold."""


class World:
    """Two nested collections of one account, whose plan may be too small, and one of another's, all on one bucket."""

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.clock, self.sources, self.storage = self.ports.clock, self.ports.sources, self.ports.storage
        self.bucket = self.sources.bucket(BUCKET)
        self.collections, self.syncs, self.catalogue = self.ports.collections, self.ports.syncs, self.ports.catalogue
        self.vectors, self.embedder, self.failure_log = self.ports.vectors, self.ports.embedder, self.ports.failure_log
        self.accounts, self.quota_ledger = self.ports.accounts, self.ports.quota_ledger
        self.sqs = InMemorySQS(self.ports.queues)
        self.working: list[tuple[Worker, list[Message]]] = []
        self.events_sent = 0
        self.needs_sync = False  # an event was lost since the last complete sync, so only a sync finds its object
        self.sync_orphaned = False  # the start of a sync died before it sent its messages
        self.has_upgraded = False
        account, other_account = (str(uuid5(UUID_NAMESPACE, name)) for name in ("account", "stranger"))
        for uuid in (account, other_account):
            self.accounts.add_account(Account(uuid, uuid, Subscription("pro"), self.clock()))
        self.members = [
            self._member("all", account, ""),
            self._member("nested", account, "b/"),
            self._member("strangers", other_account, "b/"),
        ]
        self.syncs.save_splits(self.members[0].uuid, ["b/"])
        self.services = services_on(
            self._stepped(),
            chunk_keys=2,
            min_saved_differences=2,
            confirmation_min_files=CONFIRMATION_MIN_FILES,
        )

    @property
    def messages(self) -> list[Message]:
        return self.sqs.waiting

    def _member(self, name: str, account: str, prefix: str) -> Collection:
        collection = a_collection(uuid=str(uuid5(UUID_NAMESPACE, name)), account=account, bucket=BUCKET, prefix=prefix)
        self.collections.add(collection)
        return collection

    def _stepped(self) -> FakeAdapters:
        """The ports of the workers: each call is a step, and is checked."""
        sources = SimpleNamespace(of=lambda collection: Stepped(self.sources.of(collection), self._check_source_call))
        return replace(
            self.ports,
            collections=Stepped(self.collections, self._note_collection),
            syncs=Stepped(self.syncs, self._check_sync_call),
            catalogue=Stepped(self.catalogue, self._check_catalogue_call),
            image_inventory=Stepped(self.ports.image_inventory, self._check_inventory_call),
            vectors=Stepped(self.vectors),
            queues=Stepped(self.ports.queues, self._check_queue_call),
            embedder=Stepped(self.embedder, self._check_embedder_call),
            storage=Stepped(self.storage),
            accounts=Stepped(self.accounts, self._note_quota),
            quota_ledger=Stepped(self.quota_ledger, self._note_quota),
            sources=sources,
        )

    # Changes of the bucket.

    def put(self, key: str, body: bytes, deliveries: int) -> None:
        """Write an object; S3 delivers its event so many times."""
        self.bucket.put(key, body)
        self._notify("ObjectCreated:Put", "Object Created", key, deliveries)

    def delete(self, key: str, deliveries: int) -> None:
        if key in self.bucket.objects:
            self.bucket.delete(key)
            self._notify("ObjectRemoved:Delete", "Object Deleted", key, deliveries)

    def _notify(self, name: str, detail_type: str, key: str, deliveries: int) -> None:
        self.events_sent += 1
        # As S3's: of varying length, and in order once the shorter is padded on the right.
        sequencer, s3_object = f"{4 * self.events_sent:08X}".rstrip("0"), self.bucket.info(key)
        if self.events_sent % 2:
            identity = {"eTag": s3_object.etag, "size": s3_object.size} if s3_object else {}
            entity = {"key": quote_plus(key), "sequencer": sequencer, **identity}
            body: Any = {"Records": [{"eventName": name, "s3": {"bucket": {"name": BUCKET}, "object": entity}}]}
        else:
            identity = {"etag": s3_object.etag, "size": s3_object.size} if s3_object else {}
            detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "sequencer": sequencer, **identity}}
            body = {"source": "aws.s3", "detail-type": detail_type, "detail": detail}
        for _ in range(deliveries):
            self.sqs.send("events", json.dumps(body))
        if not deliveries:
            self.needs_sync = True

    # Actions of the application.

    def start_sync(self, number: int, trigger: Trigger, *, confirm: bool = False, retry: bool = False) -> Worker:
        collection = self.current(number)
        return self._start(
            "start",
            lambda: self.services.syncs.start(collection, trigger, confirm_removals=confirm, retry_failed=retry),
        )

    def change_plan(self, files: int) -> None:
        """Limit the first account to so many files; it may have more already."""
        account = self.accounts.stored[self.members[0].account]
        self.accounts.set_subscription(account, Subscription("pro", {"files": files}))

    def change_patterns(self, number: int, exclude: tuple[str, ...]) -> None:
        """Leave out other objects of a collection; its next sync finds them."""
        self.needs_sync |= exclude != self.current(number).exclude
        self.ports.registry.change(self.current(number), {"exclude": exclude})

    def cancel(self, number: int) -> Worker:
        collection = self.current(number)
        return self._start("cancel", lambda: self.services.syncs.cancel(collection))

    def upload(self, key: str) -> Worker:
        """Index an object as a request does that has just stored it."""
        collection = self.members[0]
        batch = IndexBatch(collection.account, collection.uuid, (ObjectHint(key),))
        return self._start("upload", lambda: self.services.indexer.apply(batch))

    def start_purge(self) -> Worker:
        shards = {removal_shard(record.uuid) for record in self.catalogue.records.values()}
        steps = [PurgeStep(shard) for shard in sorted(shards)]
        return self._start("purge", lambda: [self.services.purge.run(step, lambda: 100) for step in steps])

    def start_cleaning(self) -> Worker:
        """Delete the images that no record names, as the command does."""
        images = self.services.orphaned_images

        def clean() -> None:
            after, is_first = None, True
            while after is not None or is_first:
                page = images.find_page(after)
                images.delete(page)
                after, is_first = page.after, False

        return self._start("cleaning", clean)

    def keep_as_earlier(self) -> None:
        """From rest: have all records as an earlier version has written them, with their images inside."""
        self.has_upgraded = True
        for key, record in self.catalogue.records.items():
            image = image_of(record)
            if image is not None:
                self.catalogue.images.pop(image, None)
                self.catalogue.earlier.add(key)

    def start_renewal(self) -> Worker:
        """Take the images out of such records, as the command does: the image first, then the record."""
        catalogue = Stepped(self.catalogue, self._check_catalogue_call)

        def renew() -> None:
            for key in sorted(self.catalogue.earlier):
                record = catalogue.get(*key)
                if record is not None and key in self.catalogue.earlier:
                    catalogue.put_images([record])
                    catalogue.renew(record)

        return self._start("renewal", renew)

    def deliver(self, index: int, *, more: int = 0, late_after: int = 1_000) -> Worker:
        """Deliver a message to a worker, even if another one has it.

        Args:
            more: further messages of its queue that the delivery has, if as many wait and its worker takes several.
            late_after: how often the worker can check its time before it is up.
        """
        first = self.messages[index % len(self.messages)]
        beside = [message for message in self.messages if message.queue == first.queue and message is not first]
        limit = min(more, MAX_MESSAGES_TOGETHER.get(first.queue, 1) - 1)
        messages, services, handler = [first, *beside[:limit]], self.services, HANDLERS[first.queue]
        event = {"Records": [record for message in messages for record in message.receive()["Records"]]}
        return self._start(first.queue, lambda: handler(event, Context(late_after), services), messages)

    def _start(self, name: str, task: Callable[[], Any], messages: Sequence[Message] = ()) -> Worker:
        worker = Worker(name, task)
        self.working.append((worker, list(messages)))
        return worker

    def reap(self) -> None:
        """Remove the workers that have ended, and delete their messages; a failed message stays in its queue."""
        for worker, messages in [pair for pair in self.working if not pair[0].running]:
            self.working.remove((worker, messages))
            failed = worker.dead or worker.error is not None
            if not failed and messages:
                failures = {failure["itemIdentifier"] for failure in worker.result["batchItemFailures"]}
                handled = {message.id for message in messages} - failures
                self.sqs.waiting[:] = [message for message in self.messages if message.id not in handled]
            if worker.error is not None and not _is_expected(worker.error):
                raise worker.error
            if worker.name == "start" and failed and not isinstance(worker.error, SimilarixError):
                self.sync_orphaned = True
        self.sqs.collect()

    def let_weeks_pass(self) -> None:
        """Reach the time when no worker runs, no message waits, and no store keeps a removal any more."""
        self.rest()
        self.vectors.forget_removals()

    def rest(self) -> None:
        """End all faults, and deliver messages until none is left."""
        self.bucket.down = self.bucket.unlisted = self.embedder.down = self.vectors.down = False
        self.bucket.denied.clear()
        for _ in range(MAX_DELIVERIES_TO_REST):
            for worker, _ in list(self.working):
                worker.run()
            self.reap()
            if not self.messages:
                return
            self.deliver(0, more=9).run()
            self.reap()
        message = self.messages[0]
        raise Violation(f"The messages do not end: {self.failure_log.reason(message.id)}: {message}")

    def sync_all(self) -> None:
        """Sync every collection to its end, from rest."""
        if self.sync_orphaned:
            self.clock.pass_by(SYNC_LEASE + timedelta(seconds=1))
            self.sync_orphaned = False
        for number in range(len(self.members)):
            self._sync_to_its_end(number)
        for number in range(len(self.members)):
            if any(r.reason == OVER_PLAN for r in self.catalogue.records.values()):
                self._sync_to_its_end(number)  # a later sync may have freed quota
        self.needs_sync = False

    def _sync_to_its_end(self, number: int) -> None:
        self.start_sync(number, Trigger.MANUAL, confirm=True).run()
        self.reap()
        self.rest()
        status = self.current(number).sync.status
        if status is not SyncStatus.COMPLETED:
            raise Violation(f"An undisturbed sync did not complete: {status}, {self.current(number)}")

    def current(self, number: int) -> Collection:
        member = self.members[number]
        return self.collections.stored[member.account, member.uuid]

    # Invariants of rest.

    def check_rest(self) -> None:
        """No message is left, so no sync may be in progress, and its figures must add up."""
        for number, _ in enumerate(self.members):
            sync = self.current(number).sync
            if sync.status is SyncStatus.IN_PROGRESS and not self.sync_orphaned:
                raise Violation(f"A sync is in progress without a message: {sync}")
            if sync.status is SyncStatus.COMPLETED and (
                sync.progress.finished != sync.progress.to_do or sync.outstanding
            ):
                raise Violation(f"The figures of a sync do not add up: {sync}")
        self._check_counters()

    def check_converged(self, *, synced: bool = False) -> None:
        """Index = catalogue = bucket, for every collection, but for files that exceeded the plan when they were tried.

        Args:
            synced: every collection was synced since quota was last freed, so no file is left out while some remains.
        """
        for number, member in enumerate(self.members):
            collection = self.current(number)
            expected = {
                key: body
                for key, body in self.bucket.objects.items()
                if collection.holds(key) and collection.selects(key, len(body))
            }
            records = {key: r for (owner, key), r in self.catalogue.records.items() if owner == member.uuid}
            over_plan = {key for key, record in records.items() if record.reason == OVER_PLAN}
            if over_plan and synced and self.remaining_files(member.account) > 0:
                raise Violation(f"The plan allows {sorted(over_plan)}, and they are not indexed")
            expected = {key: body for key, body in expected.items() if key not in over_plan}
            for key, body in expected.items():
                self._check_record(key, body, records.get(key))
            for key in records.keys() - expected.keys() - over_plan:
                if records[key].state is not FileState.REMOVED:
                    raise Violation(f"{key!r} is gone from the bucket and still {records[key].state}")
            documents = {d.file.key: d for d in self.vectors.documents.values() if d.collection == member.uuid}
            readable = {key: body for key, body in expected.items() if _is_readable(body)}
            if documents.keys() != readable.keys():
                raise Violation(f"The index has {sorted(documents)}, the bucket {sorted(readable)}")
            for key, body in readable.items():
                self._check_document(documents[key], records[key], body)
        self._check_counters()

    def _check_record(self, key: str, body: bytes, record: FileRecord | None) -> None:
        state = FileState.INDEXED if _is_readable(body) else FileState.FAILED
        if record is None or (record.state, record.etag, record.size) != (state, etag(body), len(body)):
            raise Violation(f"{key!r} should be {state} as {etag(body)}, and is {record}")
        if record.model != self.embedder.model:
            raise Violation(f"{key!r} has the model version {record.model}, and the model is {self.embedder.model}")

    def _check_document(self, document: VectorDocument, record: FileRecord, body: bytes) -> None:
        if (document.vector, document.model) != (vector(body), self.embedder.model):
            raise Violation(f"The index has another image for {document.file.key!r}")
        if self.storage.thumbnail(document.collection, record.thumbnail or "none") != b"thumbnail of " + body:
            raise Violation(f"{document.file.key!r} has another thumbnail, or none")

    def check_images(self) -> None:
        """Once nothing is removed any more, and all removals are purged, each image is of a file that has a record.

        But for those that a renewal has stored while another worker purged the file.
        """
        for record in self.catalogue.records.values():
            if record.embedding is not None and not self._has_image(record):
                raise Violation(f"{record.key!r} refers to an image that is not stored")
        files = {record.uuid for record in self.catalogue.records.values()}
        for image in self.catalogue.images:
            if image.file not in files and not self.has_upgraded:
                raise Violation(f"An image is stored of a file that has no record: {image}")

    def check_no_orphans(self) -> None:
        """Once the orphaned images are deleted, each image is one that a record names."""
        named = {image_of(record) for record in self.catalogue.records.values()}
        if left := self.catalogue.images.keys() - named:
            raise Violation(f"Images are left that no record names: {sorted(left)}")

    def _check_counters(self) -> None:
        audit = self.services.statistics_audit
        for number, _ in enumerate(self.members):
            collection = audit.audit_collection(self.current(number))
            if not collection.matches:
                raise Violation(f"Stored is {collection.stored}, counted is {collection.counted}")
        for uuid in self.accounts.stored:
            account = audit.audit_account(uuid)
            if not account.matches:
                raise Violation(f"The account's stored totals are {account.stored}, counted are {account.counted}")

    def remaining_files(self, account: str) -> int:
        """Files that the account's plan still allows."""
        allowed: int = self.accounts.stored[account].subscription.effective_plan.files
        return allowed - int(self.quota_ledger.usage(account, "").files)

    # Invariants of every call.

    def _check_source_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        worker = current_worker()
        if name == "head_objects" and worker is not None:
            worker.objects |= result
            worker.has_embedded = False
            worker.reusable = defaultdict(list)
            for record in self.catalogue.records.values():
                if record.embedding is not None:
                    s3_object = ObjectInfo(record.key, record.etag, record.size)
                    content = content_key(record.account, record.embedding.model, s3_object)
                    worker.reusable[content].append((record.collection, record.key, record.version))

    def _note_collection(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        worker = current_worker()
        if name == "get" and worker is not None:
            worker.collection = result

    def _note_quota(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        worker = current_worker()
        if name == "account" and worker is not None:
            worker.quota = result.subscription.effective_plan.files
        elif name == "usage" and worker is not None:
            worker.quota -= result.files

    def _check_catalogue_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        worker = current_worker()
        if name == "get_many" and worker is not None:
            worker.records = result
        if name == "delete_images":
            self._check_images(set(arguments[0]))
        if name == "save_all":
            writes, stale = arguments[0], result
            self._check_images({image_of(write.record) for write in writes if write.key not in stale})
            added = sum(write.usage_delta[0] for write in writes if write.key not in stale)
            files = self.quota_ledger.usage(writes[0].record.account, "").files
            if added > 0 and files > arguments[1].files:  # the plan as the worker has read it: it may have changed
                raise Violation("More was indexed than the plan allows")
            for write in writes:
                record, previous = write.record, write.previous
                is_removal = record.state is FileState.REMOVED and previous is not None
                removes = is_removal and previous.state is not FileState.REMOVED and worker is not None
                if removes and not _has_seen_gone(worker, write.key):
                    raise Violation(f"{write.key!r} was removed by a worker that has not seen it gone")
                if record.embedding is not None and record.embedding.md5 != record.etag:
                    raise Violation(f"{write.key!r} was given an embedding of other bytes")

    def _check_inventory_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        if name == "delete_orphan":
            self._check_images({arguments[0].image})

    def _check_images(self, images: set[FileImage | None]) -> None:
        """Each record that refers to one of these has it."""
        for record in self.catalogue.records.values():
            image = image_of(record)
            if image is not None and image in images and not self._has_image(record):
                raise Violation(f"{record.key!r} refers to an image that is not stored")

    def _has_image(self, record: FileRecord) -> bool:
        is_earlier = (record.collection, record.key) in self.catalogue.earlier
        return is_earlier or image_of(record) in self.catalogue.images

    def _check_embedder_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        worker = current_worker()
        if name == "model_version" and worker is not None:
            worker.model = result
        if name != "embed_objects" or worker is None:
            return
        is_first_call, worker.has_embedded = not worker.has_embedded, True
        embedded: set[str] = set()
        keys = [unquote(item.url.rpartition("/")[2]) for item in arguments[0]]
        new = [k for k in keys if k not in worker.records or worker.records[k].state is not FileState.INDEXED]
        if len(new) > max(worker.quota, 0):
            raise Violation(f"{len(new)} new objects were embedded where the plan allowed {worker.quota}")
        for item, embedding in zip(arguments[0], result, strict=True):
            s3_object = worker.objects.get(unquote(item.url.rpartition("/")[2]))
            if (
                not isinstance(embedding, ImageEmbedding)
                or not isinstance(s3_object, ObjectInfo)
                or embedding.model != worker.model
            ):
                continue  # it failed, or the model was renewed in between
            member = next(m for m in self.members if m.uuid in item.thumbnail_url)
            content = content_key(member.account, embedding.model, s3_object)
            if is_first_call and content in embedded:
                raise Violation(f"{s3_object.key!r} was embedded beside the same bytes")
            embedded.add(content)
            reusable = worker.reusable.get(content, [])
            # If one of them was changed meanwhile, it may be the one whose embedding was to be reused.
            if reusable and all(self._is_unchanged(*version) for version in reusable):
                raise Violation(f"{s3_object.key!r} was embedded though its bytes had an embedding")

    def _is_unchanged(self, collection: str, key: str, version: int) -> bool:
        record = self.catalogue.get(collection, key)
        if record is None or record.version != version:
            return False
        return record.thumbnail is not None and self.storage.thumbnail(collection, record.thumbnail) is not None

    def _check_sync_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        if name == "complete_batch":
            batch = arguments[0]
            stored = self.syncs.batches.get((batch.sync, batch.batch_id))
            if stored is not None and stored.hints != batch.hints:
                raise Violation(f"{batch.batch_id} was counted as done, and another batch is stored under that id")

    def _check_queue_call(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        if name == "send_batches":
            for batch in arguments[0]:
                if batch.batch_id is not None and batch.batch_id.startswith("deferred."):
                    self._check_removals(batch)
        self.sqs.collect()

    def _check_removals(self, batch: IndexBatch) -> None:
        collection = self.collections.get(batch.account, batch.collection)
        assert collection is not None
        sync = collection.sync
        if sync.id == batch.sync and sync.open_key_ranges:
            raise Violation("Removals were sent before the bucket had been listed to its end")
        removes_most = sync.files_before >= CONFIRMATION_MIN_FILES and sync.progress.to_remove * 2 > sync.files_before
        if sync.id == batch.sync and removes_most and not sync.confirmed:
            raise Violation("Most of a collection was to be removed without a confirmation")


def _has_seen_gone(worker: Worker, key: str) -> bool:
    """Whether the worker has seen that there is no object, or none that the collection selects as it has read it."""
    seen = worker.objects.get(key, "unread")
    size = seen.size if isinstance(seen, ObjectInfo) else None
    return seen is None or (worker.collection is not None and not worker.collection.selects(key, size))


def _is_readable(body: bytes) -> bool:
    return bool(body) and not body.startswith(UNREADABLE)


def _is_expected(error: Exception) -> bool:
    return isinstance(error, SimilarixError) or type(error).__name__ in ("Throttled", "StaleWrite", "ConnectionError")
