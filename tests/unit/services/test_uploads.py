"""Uploads under crashes and outages: quota is neither oversold nor leaked, and files are never half stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, CollectionType, managed_prefix
from chalicelib.domain.errors import NotFound, QuotaExceeded, SimilarixError, UploadIncomplete
from chalicelib.domain.files import FileState
from chalicelib.domain.plans import PLANS
from chalicelib.domain.uploads import EXPIRY_CHECK_SECONDS, NewUpload, UploadRef, UploadState
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.embedder import UNREADABLE

ACCOUNT = "4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
NAMES = ("a.jpg", "b.jpg", "c.jpg")
LIMIT_NAMES = {"files": 3, "managed_bytes": 100, "uploads_a_month": 6}


class ProcessKilled(BaseException):
    """The process ends at once; nothing that follows in it happens."""


class Killer:
    """Kills the process before or after a port call, ``calls_left`` from now; None: never."""

    def __init__(self) -> None:
        self.calls_left: int | None = None

    def count_down(self) -> None:
        if self.calls_left is not None:
            if self.calls_left <= 0:
                raise ProcessKilled
            self.calls_left -= 1


class KillingPort:
    """A port that may kill its caller right before or right after a call."""

    def __init__(self, port: Any, killer: Killer) -> None:
        self._port, self._killer = port, killer

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            self._killer.count_down()
            result = attribute(*arguments, **named)
            self._killer.count_down()
            return result

        return call


class UploadHarness:
    """The services on fakes, and the actions of a client, of S3 and of the workers."""

    def __init__(self) -> None:
        self.killer, self.ports = Killer(), FakeAdapters.fresh()
        self.clock, self.catalogue, self.vectors = self.ports.clock, self.ports.catalogue, self.ports.vectors
        self.embedder, self.quota_ledger, self.queues = self.ports.embedder, self.ports.quota_ledger, self.ports.queues
        self.caller = Caller(ACCOUNT, PLANS["pro"].with_limits(LIMIT_NAMES))
        self.collection: Collection = a_collection(account=ACCOUNT, type=CollectionType.MANAGED, bucket="managed")
        self.collection = a_collection(
            uuid=self.collection.uuid,
            account=ACCOUNT,
            type=CollectionType.MANAGED,
            bucket="managed",
            prefix=managed_prefix(ACCOUNT, self.collection.uuid),
        )
        self.ports.collections.add(self.collection)
        self.bucket = self.ports.sources.bucket("managed")
        self.sent: list[UploadRef] = []
        self.interrupted: list[str] = []

        names = ("collections", "catalogue", "storage", "embedder", "vectors", "quota_ledger", "queues")
        killing: dict[str, Any] = {name: KillingPort(getattr(self.ports, name), self.killer) for name in names}
        application = services_on(replace(self.ports, **killing))
        self.uploads, self.completion, self.files = (
            application.uploads,
            application.upload_completion,
            application.files,
        )

    def upload(self, name: str, body: bytes, *, only_new: bool = False) -> bool:
        return self.attempt(lambda: self.uploads.upload(self.caller, self.collection, name, body, only_new=only_new))

    def prepare(self, name: str, body: bytes, *, only_new: bool = False, sends: bool = True) -> bool:
        def act() -> None:
            new = NewUpload(name, len(body), "image/jpeg")
            upload = self.uploads.prepare(self.caller, self.collection, new, only_new=only_new).upload
            self.sent.append(upload.ref)
            if sends:
                self.bucket.put(upload.staged_key, body)
                self.queues.uploads.append((upload.ref, 0))

        return self.attempt(act)

    def complete(self, number: int) -> bool:
        if not self.sent:
            return False
        return self.attempt(lambda: self.uploads.complete(self.collection, self.sent[number % len(self.sent)].id))

    def deliver(self) -> None:
        """Deliver the next message to a worker; if the worker is killed or fails, the message stays."""
        if self.queues.uploads:
            ref, delay = self.queues.uploads.pop(0)
            self.clock.pass_by(timedelta(seconds=delay))
            if not self.attempt(lambda: self.completion.poll(ref)):
                self.queues.uploads.append((ref, 0))

    def delete(self, name: str) -> None:
        record = self.catalogue.get(self.collection.uuid, self.collection.prefix + name)
        if record is not None and not self.attempt(lambda: self.files.delete(ACCOUNT, record.uuid)):
            self.interrupted.append(record.uuid)

    def attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (ProcessKilled, SimilarixError, ConnectionError):
            return False
        else:
            return True
        finally:
            self.killer.calls_left = None

    def finish_everything(self) -> None:
        """Let time pass, deliver every message, and repeat the deletions that were interrupted."""
        self.embedder.down = self.queues.down = False
        for _ in range(30):
            self.clock.pass_by(timedelta(minutes=16))
            for _ in range(len(self.queues.uploads)):
                self.deliver()
            if not [u for u in self.quota_ledger.uploads.values() if u.state is UploadState.PENDING]:
                break
        for file in self.interrupted:
            try:
                self.files.delete(ACCOUNT, file)
            except NotFound:
                continue

    @property
    def stored(self) -> dict[str, int]:
        """Sizes of the stored files by name."""
        prefix = self.collection.prefix
        return {key.removeprefix(prefix): len(b) for key, b in self.bucket.objects.items() if key.startswith(prefix)}

    def check_limits(self) -> None:
        counts = self.quota_ledger.counts.get(ACCOUNT)
        if counts is not None:
            assert 0 <= counts.files <= LIMIT_NAMES["files"]
            assert 0 <= counts.bytes <= LIMIT_NAMES["managed_bytes"]
            assert all(0 <= uploads <= LIMIT_NAMES["uploads_a_month"] for uploads in counts.uploads.values())

    def check_consistency(self) -> None:
        """Check that the usage, the stored files, the catalogue and the index agree."""
        counts = self.quota_ledger.usage(ACCOUNT, "2026-03")
        done = [u for u in self.quota_ledger.uploads.values() if u.state is UploadState.DONE]
        assert (counts.managed_files, counts.managed_bytes) == (len(self.stored), sum(self.stored.values()))
        assert (counts.files, counts.bytes) == (counts.managed_files, counts.managed_bytes)
        assert counts.uploads == len(done)
        assert not [u for u in self.quota_ledger.uploads.values() if u.state is UploadState.PENDING]
        records = [r for r in self.catalogue.records.values() if r.state is FileState.INDEXED]
        assert {r.key.removeprefix(self.collection.prefix): r.size for r in records} == self.stored
        assert {d.uuid for d in self.vectors.documents.values()} == {r.uuid for r in records}
        assert not [r for r in self.catalogue.records.values() if r.state is FileState.PENDING]


@dataclass(frozen=True)
class Step:
    action: str
    name: str
    body: bytes
    only_new: bool
    killed_after: int | None
    down: bool


bodies = st.one_of(
    st.binary(min_size=1, max_size=60).filter(lambda body: not body.startswith(UNREADABLE)),
    st.binary(max_size=20).map(lambda rest: UNREADABLE + rest),
)
actions = st.sampled_from(("upload", "prepare", "abandon", "complete", "deliver", "delete"))
steps = st.builds(
    Step,
    actions,
    st.sampled_from(NAMES),
    bodies,
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 40)),
    st.sampled_from((False, False, False, True)),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=14))
def test_quota_is_never_oversold_and_in_the_end_agrees_with_what_is_stored(plan: list[Step]) -> None:
    harness = UploadHarness()
    for number, step in enumerate(plan):
        harness.killer.calls_left, harness.embedder.down = step.killed_after, step.down
        match step.action:
            case "upload":
                harness.upload(step.name, step.body, only_new=step.only_new)
            case "prepare" | "abandon":
                harness.prepare(step.name, step.body, only_new=step.only_new, sends=step.action == "prepare")
            case "complete":
                harness.complete(number)
            case "deliver":
                harness.deliver()
            case "delete":
                harness.delete(step.name)
        harness.killer.calls_left = None
        harness.check_limits()
    harness.finish_everything()
    harness.check_limits()
    harness.check_consistency()


@pytest.fixture
def harness() -> UploadHarness:
    return UploadHarness()


def test_picture_is_embedded_once_and_no_staged_bytes_remain(harness: UploadHarness) -> None:
    assert harness.upload("a.jpg", b"picture")
    assert harness.embedder.embedded == [b"picture"]
    assert set(harness.bucket.objects) == {harness.collection.prefix + "a.jpg"}


def test_failure_on_our_side_refunds_the_quota_at_once(harness: UploadHarness) -> None:
    harness.embedder.down = True
    assert not harness.upload("a.jpg", b"picture")
    assert harness.quota_ledger.usage(ACCOUNT, "2026-03").managed_files == 0
    assert harness.bucket.objects == {}


def test_interrupted_upload_is_finished_or_refunded(harness: UploadHarness) -> None:
    for calls in range(40):
        harness.killer.calls_left = calls
        if harness.upload(f"{calls}.jpg", b"x" * 30):
            break
        harness.finish_everything()
        harness.check_consistency()
        for name in list(harness.stored):
            harness.delete(name)
        harness.quota_ledger.counts[ACCOUNT].uploads.clear()
        harness.quota_ledger.uploads.clear()
    assert calls > 20, "it was killed at each of them"


def test_quota_of_an_interrupted_upload_is_refunded_when_it_is_needed(harness: UploadHarness) -> None:
    harness.killer.calls_left = 9
    assert not harness.upload("a.jpg", b"x" * 90)
    harness.clock.pass_by(timedelta(minutes=11))
    with pytest.raises(QuotaExceeded):
        harness.uploads.upload(harness.caller, harness.collection, "b.jpg", b"y" * 90, only_new=False)
    harness.deliver()
    harness.delete("a.jpg")
    assert harness.upload("b.jpg", b"y" * 90)
    harness.finish_everything()
    harness.check_consistency()


def test_refused_upload_sends_and_writes_nothing(harness: UploadHarness) -> None:
    assert harness.upload("a.jpg", b"x" * 90)
    harness.queues.uploads.clear()
    before = dict(harness.quota_ledger.uploads)
    for _ in range(3):
        assert not harness.upload("b.jpg", b"y" * 90)
        assert not harness.prepare("b.jpg", b"y" * 90)
    assert (harness.queues.uploads, harness.quota_ledger.uploads) == ([], before)


def test_every_upload_has_a_message_before_it_reserves_quota(harness: UploadHarness) -> None:
    harness.queues.down = True
    assert not harness.upload("a.jpg", b"picture")
    assert not harness.prepare("b.jpg", b"picture")
    assert harness.quota_ledger.uploads == {}
    harness.queues.down = False
    assert harness.upload("a.jpg", b"picture")
    ((ref, delay),) = harness.queues.uploads
    assert (harness.quota_ledger.upload(ref).state, delay) == (UploadState.DONE, EXPIRY_CHECK_SECONDS)
    harness.deliver()
    assert harness.stored == {"a.jpg": 7}


def test_upload_without_its_bytes_cannot_be_completed(harness: UploadHarness) -> None:
    assert harness.prepare("a.jpg", b"picture", sends=False)
    with pytest.raises(UploadIncomplete):
        harness.uploads.complete(harness.collection, harness.sent[0].id)
    (record,) = harness.catalogue.records.values()
    assert record.state is FileState.PENDING


def test_every_completion_of_an_upload_returns_the_same_result(harness: UploadHarness) -> None:
    assert harness.prepare("a.jpg", b"picture")
    results = {harness.uploads.complete(harness.collection, harness.sent[0].id) for _ in range(3)}
    assert len(results) == 1
    assert len(harness.embedder.embedded) == 1
