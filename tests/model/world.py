"""The whole application on fakes: buckets that change, queues that lose, repeat and reorder, workers that die.

What holds at every moment is checked as it happens (``Broken`` is raised at once); what holds at rest, by ``check``.
"""

import json
from collections import defaultdict
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
from chalicelib.domain.files import OVER_PLAN, FileRecord, FileState, ObjectInfo, content_key, usage_delta
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.vectors import VectorDocument
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import etag
from tests.fakes.embedder import UNREADABLE, vector
from tests.fakes.messages import Context, InMemorySQS, Message
from tests.model.scheduler import Stepped, Worker, current_worker

BUCKET = "photographs"
NAMES = UUID("8f6d1fd2-4f5f-4b0b-8e55-0a6f2f0a0c11")
CONFIRM_FROM = 3
TURNS = 400  # deliveries within which a world at rest must have come to an end


class Broken(AssertionError):
    """Something that must never happen, has."""


class World:
    """Two nested collections of one account, whose plan may be too small, and one of another's, all on one bucket."""

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.clock, self.sources, self.storage = self.ports.clock, self.ports.sources, self.ports.storage
        self.bucket = self.sources.bucket(BUCKET)
        self.collections, self.syncs, self.catalogue = self.ports.collections, self.ports.syncs, self.ports.catalogue
        self.vectors, self.embedder, self.failure_log = self.ports.vectors, self.ports.embedder, self.ports.failure_log
        self.accounts, self.quota_ledger = self.ports.accounts, self.ports.quota_ledger
        self.post = InMemorySQS(self.ports.queues)
        self.working: list[tuple[Worker, Message | None]] = []
        self.sequence = 0
        self.news_lost = False  # since the last sync of all that ended well, and so only a sync can know
        self.sync_orphaned = False  # somebody began a sync and died before anybody was asked to carry it out
        account, stranger = (str(uuid5(NAMES, name)) for name in ("account", "stranger"))
        for each in (account, stranger):
            self.accounts.add_account(Account(each, each, Subscription("pro"), self.clock()))
        self.members = [
            self._member("all", account, ""),
            self._member("nested", account, "b/"),
            self._member("strangers", stranger, "b/"),
        ]
        self.syncs.save_splits(self.members[0].uuid, ["b/"])
        self.services = services_on(self._stepped(), step=2, enough=2, confirmation_min_files=CONFIRM_FROM)

    @property
    def messages(self) -> list[Message]:
        return self.post.waiting

    def _member(self, name: str, account: str, prefix: str) -> Collection:
        made = a_collection(uuid=str(uuid5(NAMES, name)), account=account, bucket=BUCKET, prefix=prefix)
        self.collections.add(made)
        return made

    def _stepped(self) -> FakeAdapters:
        """The ports as the workers have them, each call a step, and watched."""
        sources = SimpleNamespace(of=lambda collection: Stepped(self.sources.of(collection), self._watch_source))
        return replace(
            self.ports,
            collections=Stepped(self.collections),
            syncs=Stepped(self.syncs, self._watch_syncs),
            catalogue=Stepped(self.catalogue, self._watch_catalogue),
            vectors=Stepped(self.vectors),
            queues=Stepped(self.ports.queues, self._watch_queues),
            embedder=Stepped(self.embedder, self._watch_embedder),
            storage=Stepped(self.storage),
            accounts=Stepped(self.accounts, self._watch_shares),
            quota_ledger=Stepped(self.quota_ledger, self._watch_shares),
            sources=sources,
        )

    # What the world does to the bucket.

    def put(self, key: str, body: bytes, deliveries: int) -> None:
        """Write an object; S3 tells of it so many times."""
        self.bucket.put(key, body)
        self._tell("ObjectCreated:Put", "Object Created", key, deliveries)

    def delete(self, key: str, deliveries: int) -> None:
        if key in self.bucket.objects:
            self.bucket.delete(key)
            self._tell("ObjectRemoved:Delete", "Object Deleted", key, deliveries)

    def _tell(self, name: str, detail_type: str, key: str, deliveries: int) -> None:
        self.sequence += 1
        # As S3's: of varying length, and in order once the shorter is padded on the right.
        sequencer, found = f"{4 * self.sequence:08X}".rstrip("0"), self.bucket.info(key)
        if self.sequence % 2:
            known = {"eTag": found.etag, "size": found.size} if found else {}
            entity = {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(key), "sequencer": sequencer, **known}}
            body: Any = {"Records": [{"eventName": name, "s3": entity}]}
        else:
            known = {"etag": found.etag, "size": found.size} if found else {}
            detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "sequencer": sequencer, **known}}
            body = {"source": "aws.s3", "detail-type": detail_type, "detail": detail}
        for _ in range(deliveries):
            self.post.send("events", json.dumps(body))
        if not deliveries:
            self.news_lost = True

    # What it does to the application.

    def begin_sync(self, number: int, trigger: Trigger, *, confirm: bool = False, retry: bool = False) -> Worker:
        collection = self.current(number)
        return self._work(
            "start",
            lambda: self.services.syncs.start(collection, trigger, confirm_removals=confirm, retry_failed=retry),
        )

    def change_plan(self, files: int) -> None:
        """From now on the first account is allowed so many files; it may have more."""
        account = self.accounts.stored[self.members[0].account]
        self.accounts.set_subscription(account, Subscription("pro", {"files": files}))

    def cancel(self, number: int) -> Worker:
        collection = self.current(number)
        return self._work("cancel", lambda: self.services.syncs.cancel(collection))

    def upload(self, key: str) -> Worker:
        """The call of an API that has just stored an object itself."""
        collection = self.members[0]
        batch = IndexBatch(collection.account, collection.uuid, (ObjectHint(key),))
        return self._work("upload", lambda: self.services.indexer.apply(batch))

    def begin_purge(self) -> Worker:
        return self._work("purge", lambda: self.services.purge.run(lambda: 100))

    def deliver(self, place: int, *, late_after: int = 1_000) -> Worker:
        """Hand a message out, to a second worker even if one has it; ``late_after`` looks at the clock time is up."""
        message = self.messages[place % len(self.messages)]
        event, services = message.hand_out(), self.services
        act = {"sync": workers.sync, "events": workers.route_events, "index": workers.index}[message.queue]
        return self._work(message.queue, lambda: act(event, Context(late_after), services), message)

    def _work(self, name: str, act: Any, message: Message | None = None) -> Worker:
        worker = Worker(name, act)
        self.working.append((worker, message))
        return worker

    def settle(self) -> None:
        """Take note of workers that have ended: a message that was handled is gone, any other stays."""
        for worker, message in [pair for pair in self.working if not pair[0].running]:
            self.working.remove((worker, message))
            failed = worker.dead or worker.error is not None
            if message is not None:
                failed = failed or bool(worker.result["batchItemFailures"])
            if message is not None and not failed and message in self.messages:
                self.messages.remove(message)
            if worker.error is not None and not _is_meant(worker.error):
                raise worker.error
            if worker.name == "start" and failed and not isinstance(worker.error, SimilarixError):
                self.sync_orphaned = True
        self.post.collect()

    def let_weeks_pass(self) -> None:
        """No worker runs, no message waits, and no store remembers a removal for so long."""
        self.rest()
        self.vectors.forget_removals()

    def rest(self) -> None:
        """Mend everything and let it run until nothing is left to do."""
        self.bucket.down = self.bucket.unlisted = self.embedder.down = self.vectors.down = False
        self.bucket.denied.clear()
        for _ in range(TURNS):
            for worker, _ in list(self.working):
                worker.run()
            self.settle()
            if not self.messages:
                return
            self.deliver(0).run()
            self.settle()
        message = self.messages[0]
        raise Broken(f"There is no end to it: {self.failure_log.reason(message.id)}: {message}")

    def sync_all(self, *, retry: bool = True) -> None:
        """Sync every collection to its end, from rest."""
        if self.sync_orphaned:
            self.clock.pass_by(SYNC_LEASE + timedelta(seconds=1))
            self.sync_orphaned = False
        for number in range(len(self.members)):
            self._sync_to_its_end(number, retry=retry)
        for number in range(len(self.members)):
            if any(r.reason == OVER_PLAN for r in self.catalogue.records.values()):
                self._sync_to_its_end(number)  # a later sync may have made room
        self.news_lost = False

    def _sync_to_its_end(self, number: int, *, retry: bool = False) -> None:
        self.begin_sync(number, Trigger.MANUAL, confirm=True, retry=retry).run()
        self.settle()
        self.rest()
        status = self.current(number).sync.status
        if status is not SyncStatus.COMPLETED:
            raise Broken(f"A sync that nothing kept from it did not complete: {status}, {self.current(number)}")

    def current(self, number: int) -> Collection:
        member = self.members[number]
        return self.collections.stored[member.account, member.uuid]

    # What must hold.

    def check_rest(self) -> None:
        """No message is left: no sync may wait for one, and what was counted adds up."""
        for number, _ in enumerate(self.members):
            sync = self.current(number).sync
            if sync.status is SyncStatus.IN_PROGRESS and not self.sync_orphaned:
                raise Broken(f"A sync waits for nothing: {sync}")
            if sync.status is SyncStatus.COMPLETED and (
                sync.progress.finished != sync.progress.to_do or sync.outstanding
            ):
                raise Broken(f"Its figures do not add up: {sync}")
        self._check_counters()

    def check_converged(self, *, synced: bool = False) -> None:
        """Index = catalogue = bucket, for every collection, but for what a plan had no room for at a worker's look.

        Args:
            synced: since whatever has made room, so that there is none now for what is left out.
        """
        for number, member in enumerate(self.members):
            expected = {key: body for key, body in self.bucket.objects.items() if self.current(number).holds(key)}
            records = {key: r for (owner, key), r in self.catalogue.records.items() if owner == member.uuid}
            refused = {key for key, record in records.items() if record.reason == OVER_PLAN}
            if refused and synced and self.room(member.account) > 0:
                raise Broken(f"There is room for {sorted(refused)}, and they are not indexed")
            expected = {key: body for key, body in expected.items() if key not in refused}
            for key, body in expected.items():
                self._check_record(key, body, records.get(key))
            for key in records.keys() - expected.keys() - refused:
                if records[key].state is not FileState.REMOVED:
                    raise Broken(f"{key!r} is gone from the bucket and still {records[key].state}")
            documents = {d.file.key: d for d in self.vectors.documents.values() if d.collection == member.uuid}
            readable = {key: body for key, body in expected.items() if _is_readable(body)}
            if documents.keys() != readable.keys():
                raise Broken(f"The index has {sorted(documents)}, the bucket {sorted(readable)}")
            for key, body in readable.items():
                self._check_document(documents[key], records[key], body)
        self._check_counters()

    def _check_record(self, key: str, body: bytes, record: FileRecord | None) -> None:
        state = FileState.INDEXED if _is_readable(body) else FileState.FAILED
        if record is None or (record.state, record.etag, record.size) != (state, etag(body), len(body)):
            raise Broken(f"{key!r} should be {state} as {etag(body)}, and is {record}")
        if record.model != self.embedder.stamp:
            raise Broken(f"{key!r} bears {record.model}, and the model is {self.embedder.stamp}")

    def _check_document(self, document: VectorDocument, record: FileRecord, body: bytes) -> None:
        if (document.vector, document.model) != (vector(body), self.embedder.stamp):
            raise Broken(f"The index has another picture for {document.file.key!r}")
        place = record.thumbnail or "none"
        if self.storage.thumbnail(document.collection, place) != b"thumbnail of " + body:
            raise Broken(f"{document.file.key!r} has another thumbnail, or none")

    def _check_counters(self) -> None:
        for found in self.services.statistics_audit.recount(
            [self.current(number) for number, _ in enumerate(self.members)]
        ):
            if not found.matches:
                raise Broken(f"Stated is {found.stated}, and a recount comes to {found.counted}")
        for account in self.accounts.stored:
            total = self.services.account_totals.of(account)
            if not total.matches:
                raise Broken(f"The account is said to have {total.stated}, and has {total.counted}")

    def room(self, account: str) -> int:
        """Files that the account's plan still allows."""
        allowed: int = self.accounts.stored[account].terms.allowed.files
        return allowed - int(self.quota_ledger.usage(account, "").files)

    # What is watched as it happens.

    def _watch_source(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        worker = current_worker()
        if name == "head_objects" and worker is not None:
            worker.looked |= answer
            worker.asked = False
            worker.known = defaultdict(list)
            for record in self.catalogue.records.values():
                if record.embedding is not None:
                    found = ObjectInfo(record.key, record.etag, record.size)
                    name_of = content_key(record.account, record.embedding.model, found)
                    worker.known[name_of].append((record.collection, record.key, record.version))

    def _watch_shares(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        worker = current_worker()
        if name == "account" and worker is not None:
            worker.room = answer.terms.allowed.files
        elif name == "usage" and worker is not None:
            worker.room -= answer.files

    def _watch_catalogue(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        reader = current_worker()
        if name == "get_many" and reader is not None:
            reader.records = answer
        if name == "save_all":
            worker = current_worker()
            drafts = [draft for draft in arguments[0] if draft.record.key not in answer]
            more = sum(usage_delta(draft.record, draft.previous)[0] for draft in drafts)
            has = self.quota_ledger.usage(arguments[0][0].record.account, "").files
            if more > 0 and has > arguments[1].files:  # as the worker has read it: it may have changed since
                raise Broken("More was indexed than the plan allows")
            for draft in arguments[0]:
                before, key, picture = draft.previous, draft.record.key, draft.record.embedding
                removes = draft.record.state is FileState.REMOVED and before is not None
                goes = removes and before.state is not FileState.REMOVED and worker is not None
                if goes and worker.looked.get(key, "unseen") is not None:
                    raise Broken(f"{key!r} was taken out without being seen to be gone")
                if picture is not None and picture.md5 != draft.record.etag:
                    raise Broken(f"{key!r} was given a picture of other bytes")

    def _watch_embedder(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        worker = current_worker()
        if name == "model_version" and worker is not None:
            worker.stamp = answer
        if name != "embed_objects" or worker is None:
            return
        first, worker.asked = not worker.asked, True
        made: set[str] = set()
        keys = [unquote(wish.url.rpartition("/")[2]) for wish in arguments[0]]
        new = [k for k in keys if k not in worker.records or worker.records[k].state is not FileState.INDEXED]
        if len(new) > max(worker.room, 0):
            raise Broken(f"{len(new)} new objects were embedded where the plan had room for {worker.room}")
        for wish, result in zip(arguments[0], answer, strict=True):
            seen = worker.looked.get(unquote(wish.url.rpartition("/")[2]))
            if (
                not isinstance(result, ImageEmbedding)
                or not isinstance(seen, ObjectInfo)
                or result.model != worker.stamp
            ):
                continue  # nothing came of it, or the model was renewed in between
            member = next(m for m in self.members if m.uuid in wish.thumbnail_url)
            what = content_key(member.account, result.model, seen)
            if first and what in made:
                raise Broken(f"{seen.key!r} was embedded beside the same bytes")
            made.add(what)
            places = worker.known.get(what, [])
            # Where one of them went meanwhile, it may be the one whose picture was to be shared.
            if places and all(self._still(*place) for place in places):
                raise Broken(f"{seen.key!r} was embedded though its bytes were known")

    def _still(self, collection: str, key: str, version: int) -> bool:
        record = self.catalogue.get(collection, key)
        if record is None or record.version != version:
            return False
        return record.thumbnail is not None and self.storage.thumbnail(collection, record.thumbnail) is not None

    def _watch_syncs(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        if name == "complete_batch":
            batch = arguments[0]
            batch_records = self.syncs.batches.get((batch.sync, batch.batch_id))
            if batch_records is not None and batch_records.hints != batch.hints:
                raise Broken(f"{batch.batch_id} was counted as done, and another batch of that name is on record")

    def _watch_queues(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        if name == "send_batches":
            for batch in arguments[0]:
                if batch.batch_id is not None and batch.batch_id.startswith("held."):
                    self._check_release(batch)
        self.post.collect()

    def _check_release(self, batch: IndexBatch) -> None:
        collection = self.collections.get(batch.account, batch.collection)
        assert collection is not None
        sync = collection.sync
        if sync.id == batch.sync and sync.open_key_ranges:
            raise Broken("Removals were sent before the bucket had been listed to its end")
        asks = sync.files_before >= CONFIRM_FROM and sync.progress.to_remove * 2 > sync.files_before
        if sync.id == batch.sync and asks and not sync.confirmed:
            raise Broken("Most of a collection was to be removed, and nobody was asked")


def _is_readable(body: bytes) -> bool:
    return bool(body) and not body.startswith(UNREADABLE)


def _is_meant(error: Exception) -> bool:
    return isinstance(error, SimilarixError) or type(error).__name__ in ("Throttled", "StaleWrite", "ConnectionError")
