"""The upload services on fakes, faults at any call of a port, and the actions of clients, of S3 and of workers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import MANAGED_PREFIX, Collection, CollectionType, managed_prefix
from chalicelib.domain.errors import NotFound, SimilarixError
from chalicelib.domain.files import FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.plans import PLANS
from chalicelib.domain.s3_events import ObjectEvent
from chalicelib.domain.uploads import (
    INLINE_STAGING,
    PRESIGNED_STAGING,
    CompletedUpload,
    NameRule,
    NewUpload,
    Upload,
    UploadCheck,
    UploadRef,
    UploadState,
    Usage,
)
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import FakeBucket
from tests.fakes.queues import FakeQueues

ACCOUNT = "4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
LIMITS = {"files": 3, "managed_bytes": 100, "uploads_a_month": 6}
SLOW_CLIENT = timedelta(minutes=8)  # that a file which was sent in time may take to arrive
ROUNDS_TO_REST = 40


class ProcessKilled(BaseException):
    """The process ends at once; nothing that follows in it happens."""


class FaultKind(StrEnum):
    """What happens at a call.

    ``KILLED``: the process ends. ``ERROR``: the call fails. ``OVERTAKEN``: bytes arrive, and other workers handle every
    message.
    """

    KILLED = "killed"
    ERROR = "error"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True)
class Fault:
    """What happens right before or right after a call of a port; ``at`` counts both moments of each call."""

    kind: FaultKind
    at: int

    def __repr__(self) -> str:
        return f"Fault(FaultKind.{self.kind.name}, at={self.at})"


class Trap:
    """Strikes once, when the fault's moment has come; without a fault, never."""

    def __init__(self, overtake: Callable[[], None]) -> None:
        self.fault: Fault | None = None
        self.moments = 0
        self._overtake = overtake

    def set(self, fault: Fault | None) -> None:
        self.fault, self.moments = fault, 0

    def pass_moment(self) -> None:
        self.moments += 1
        if self.fault is None or self.moments <= self.fault.at:
            return
        kind, self.fault = self.fault.kind, None
        if kind is FaultKind.KILLED:
            raise ProcessKilled
        if kind is FaultKind.ERROR:
            raise ConnectionError("The test has let this call fail.")
        self._overtake()


class TrappedPort:
    """A port with a moment for faults right before and right after each call."""

    def __init__(self, port: Any, trap: Trap) -> None:
        self._port, self._trap = port, trap

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            self._trap.pass_moment()
            result = attribute(*arguments, **named)
            self._trap.pass_moment()
            return result

        return call


@dataclass
class NotifyingBucket(FakeBucket):
    """The managed bucket; S3 sends an event of each change below ``objects/``, as the template wants it."""

    notify: Callable[[ObjectEvent], None] = lambda _: None
    changes: int = 0

    def put(self, key: str, body: bytes, upload: str | None = None) -> None:
        super().put(key, body, upload)
        self._send_event(key)

    def delete(self, key: str) -> None:
        is_stored = key in self.objects
        super().delete(key)
        if is_stored:
            self._send_event(key)

    def _send_event(self, key: str) -> None:
        if key.startswith(f"{MANAGED_PREFIX}/"):
            self.changes += 1
            self.notify(ObjectEvent("managed", ObjectHint(key, sequencer=f"{self.changes:016X}")))


@dataclass
class EventMessage:
    """A message of the changes queue that one of S3's events has led to."""

    batch: IndexBatch
    received: int = 0


@dataclass
class Sent:
    """An upload by presigned form, and the bytes that its client has for it."""

    upload: Upload
    body: bytes
    arrived: bool = field(default=False)


class UploadHarness:
    """The services on fakes, and the actions of a client, of S3 and of the workers."""

    def __init__(self, limits: Mapping[str, int] = LIMITS) -> None:
        self.limits = limits
        self.ports = FakeAdapters.fresh()
        self.trap = Trap(self._overtake)
        self.clock, self.catalogue, self.vectors = self.ports.clock, self.ports.catalogue, self.ports.vectors
        self.embedder, self.quota_ledger, self.queues = self.ports.embedder, self.ports.quota_ledger, self.ports.queues
        self.caller = Caller(ACCOUNT, PLANS["pro"].with_limits(limits))
        collection = a_collection(account=ACCOUNT, type=CollectionType.MANAGED, bucket="managed")
        self.collection: Collection = replace(collection, prefix=managed_prefix(ACCOUNT, collection.uuid))
        self.ports.collections.add(self.collection)
        self.bucket = self.ports.sources.buckets["managed"] = NotifyingBucket(notify=self._route)
        self.events: list[EventMessage] = []
        self.sent: list[Sent] = []
        self.interrupted: list[str] = []
        # What clients were told is stored, by path; without those paths that somebody wanted to replace or delete.
        self.kept: dict[str, bytes] = {}
        self.dropped: set[str] = set()
        # Messages that an upload may have: its own, one for each of S3's events, and one for each worker that was
        # killed between sending a message on and deleting it.
        self.most_messages: Counter[UploadRef] = Counter()
        self._routed = FakeQueues()
        self._router = services_on(replace(self.ports, queues=self._routed)).event_router

        names = ("collections", "catalogue", "storage", "embedder", "vectors", "quota_ledger", "queues")
        trapped: dict[str, Any] = {name: TrappedPort(getattr(self.ports, name), self.trap) for name in names}
        application = services_on(replace(self.ports, **trapped))
        self.uploads, self.completion = application.uploads, application.upload_completion
        self.files, self.indexer = application.files, application.indexer

    # What clients do. Each returns whether it succeeded.

    def upload(self, name: str, body: bytes, rule: NameRule = NameRule.NUMBER, *, fault: Fault | None = None) -> bool:
        def act() -> None:
            self._keep(self.uploads.upload(self.caller, self.collection, name, body, rule), body)

        if rule is NameRule.REPLACE:
            self._drop(name)
        return self.attempt(act, fault)

    def prepare(self, name: str, body: bytes, rule: NameRule = NameRule.NUMBER, *, fault: Fault | None = None) -> bool:
        def act() -> None:
            new = NewUpload(name, len(body), "image/jpeg", rule)
            self.sent.append(Sent(self.uploads.prepare(self.caller, self.collection, new).upload, body))

        if rule is NameRule.REPLACE:
            self._drop(name)
        return self.attempt(act, fault)

    def send(self, number: int) -> bool:
        """Send the bytes of an upload to S3, whose event follows; S3 refuses them after the form's expiry."""
        waiting = [sent for sent in self.sent if not sent.arrived]
        if not waiting:
            return False
        sent = waiting[number % len(waiting)]
        if self.clock() > sent.upload.expires_at + SLOW_CLIENT:
            return False
        self.bucket.put(sent.upload.staged_key, sent.body)
        self.queues.uploads.append((UploadCheck(sent.upload.ref), 0))
        self.most_messages[sent.upload.ref] += 1
        sent.arrived = True
        return True

    def complete(self, number: int, fault: Fault | None = None) -> bool:
        if not self.sent:
            return False
        sent = self.sent[number % len(self.sent)]
        return self.attempt(
            lambda: self._keep(self.uploads.complete(self.collection, sent.upload.id), sent.body), fault
        )

    def cancel(self, number: int, fault: Fault | None = None) -> bool:
        if not self.sent:
            return False
        upload = self.sent[number % len(self.sent)].upload
        return self.attempt(lambda: self.uploads.cancel(self.collection, upload.id), fault)

    def delete(self, name: str, fault: Fault | None = None) -> bool:
        record = self.catalogue.get(self.collection.uuid, self.collection.prefix + name)
        if record is None:
            return False
        self._drop(name)
        deleted = self.attempt(lambda: self.files.delete(ACCOUNT, record.uuid), fault)
        if not deleted:
            self.interrupted.append(record.uuid)
        return deleted

    # What workers and S3 do.

    def deliver(self, number: int = 0, fault: Fault | None = None) -> None:
        """Deliver a message of the uploads queue; if the worker is killed or fails, the message stays."""
        if self.queues.uploads:
            check, delay = self.queues.uploads.pop(number % len(self.queues.uploads))
            self.clock.pass_by(timedelta(seconds=delay))
            self._poll(check, fault)

    def handle_event(self, number: int = 0, fault: Fault | None = None, *, again: bool = False) -> None:
        """Deliver one of S3's events to the indexer; if the worker is killed or fails, the message stays."""
        if self.events:
            message = self.events.pop(number % len(self.events))
            message.received += 1
            redelivered = message.received > 1
            handled = self.attempt(lambda: self.indexer.apply(message.batch, redelivered=redelivered), fault)
            if not handled or again:
                self.events.append(message)

    def lose_event(self, number: int) -> None:
        """S3 does not send one of its events, which happens, rarely."""
        if self.events:
            self.events.pop(number % len(self.events))

    def let_a_day_pass(self) -> None:
        """The bucket's lifecycle deletes the staged files."""
        self.clock.pass_by(timedelta(days=1, minutes=1))
        for key in list(self.bucket.objects):
            if key.startswith((f"{INLINE_STAGING}/", f"{PRESIGNED_STAGING}/")):
                self.bucket.delete(key)

    def finish_everything(self) -> None:
        """Repeat the interrupted deletions, let time pass and deliver every message, until nothing is left to do."""
        self.embedder.down = self.embedder.refuses = self.queues.down = self.vectors.down = False
        self.clock.pass_by(timedelta(minutes=16))
        for file in self.interrupted:
            try:
                self.files.delete(ACCOUNT, file)
            except NotFound:
                continue
        for _ in range(ROUNDS_TO_REST):
            self.clock.pass_by(timedelta(minutes=16))
            for _ in range(len(self.queues.uploads)):
                self.deliver()
            while self.events:
                self.handle_event()
            if not self.pending and not self.queues.uploads:
                return

    def attempt(self, act: Callable[[], object], fault: Fault | None = None) -> bool:
        """Whether an action succeeds. Whatever becomes of it, the plan's limits hold."""
        self.trap.set(fault)
        try:
            act()
            succeeded = True
        except (ProcessKilled, SimilarixError, ConnectionError):
            succeeded = False
        finally:
            self.trap.fault = None
        self._check_limits()
        self._check_kept()
        return succeeded

    def _poll(self, check: UploadCheck, fault: Fault | None = None) -> None:
        sent_before = len(self.queues.uploads)
        if not self.attempt(lambda: self.completion.poll(check), fault):
            if len(self.queues.uploads) > sent_before:
                self.most_messages[check.upload] += 1  # killed after it had sent the message on, before it was deleted
            self.queues.uploads.append((check, 0))

    def _overtake(self) -> None:
        """Bytes arrive and other workers handle each message once, while one worker is between two calls.

        Delayed messages stay: SQS delivers none of them while a request lasts that has just sent it.
        """
        while self.send(0):
            pass
        due = [check for check, delay in self.queues.uploads if delay == 0]
        self.queues.uploads[:] = [message for message in self.queues.uploads if message[1] > 0]
        for check in due:
            self._poll(check)
        for _ in range(len(self.events)):
            self.handle_event()

    def _route(self, event: ObjectEvent) -> None:
        self._router.route([event])
        self.events.extend(EventMessage(batch) for batch in self._routed.changes)
        self._routed.changes.clear()

    # What is there.

    @property
    def pending(self) -> list[Upload]:
        return [upload for upload in self.quota_ledger.uploads.values() if upload.state is UploadState.PENDING]

    @property
    def stored(self) -> dict[str, int]:
        """Sizes of the stored files by name."""
        prefix = self.collection.prefix
        return {key.removeprefix(prefix): len(b) for key, b in self.bucket.objects.items() if key.startswith(prefix)}

    def _keep(self, completed: CompletedUpload, body: bytes) -> None:
        if completed.path not in self.dropped:
            assert self.kept.setdefault(completed.path, body) == body, "another picture was there"

    def _drop(self, name: str) -> None:
        self.dropped.add(name)
        self.kept.pop(name, None)

    def _check_kept(self) -> None:
        for path, body in self.kept.items():
            assert self.bucket.objects.get(self.collection.prefix + path) == body, f"{path} is another picture"

    def _check_limits(self) -> None:
        counts = self.quota_ledger.counts.get(ACCOUNT)
        if counts is not None:
            for count, limit in (
                (counts.files, self.limits["files"]),
                (counts.bytes, self.limits["managed_bytes"]),
                *((uploads, self.limits["uploads_a_month"]) for uploads in counts.uploads.values()),
            ):
                assert 0 <= count <= limit, f"{counts} exceeds {self.limits}"
        for upload, messages in Counter(check.upload for check, _ in self.queues.uploads).items():
            assert messages <= 1 + self.most_messages[upload], f"{messages} messages of {upload}"

    def check_consistency(self) -> None:
        """Check that the usage, the stored files, the catalogue and the index agree, and nothing is pending."""
        prefix, usage = self.collection.prefix, self.quota_ledger.usage(ACCOUNT, "")
        records = {record.uuid: record for record in self.catalogue.records.values()}
        indexed = {uuid: record for uuid, record in records.items() if record.state is FileState.INDEXED}
        done = [
            upload
            for upload in self.quota_ledger.uploads.values()
            if upload.state is UploadState.DONE and not upload.is_duplicate
        ]
        stored, files, size = self.stored, len(self.stored), sum(self.stored.values())
        found = {
            "files in the catalogue": {record.key.removeprefix(prefix): record.size for record in indexed.values()},
            "files charged": {key.removeprefix(prefix): n for (*_, key), n in self.quota_ledger.charged.items()},
            "usage": usage,
            "uploads": sum(self.quota_ledger.counts[ACCOUNT].uploads.values()),
            "files in the index": {document.uuid for document in self.vectors.documents.values()},
            "uploads pending": self.pending,
            "records pending": [record.key for record in records.values() if record.state is FileState.PENDING],
        }
        expected = {
            "files in the catalogue": stored,
            "files charged": stored,
            "usage": Usage(managed_files=files, managed_bytes=size, files=files, bytes=size),
            "uploads": len(done),
            "files in the index": indexed.keys(),
            "uploads pending": [],
            "records pending": [],
        }
        for what, value in expected.items():
            assert found[what] == value, f"{what}: {found[what]}, expected: {value}; stored: {stored}"
