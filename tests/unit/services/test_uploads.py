"""Uploads, whatever happens in between: counts neither oversell nor drift, and files are there or not, never half."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.collections import Collection, CollectionType, managed_prefix
from chalicelib.domain.errors import NotFound, QuotaExceeded, SimilarixError, UploadIncomplete
from chalicelib.domain.files import FileState
from chalicelib.domain.plans import PLANS
from chalicelib.domain.uploads import UploadRef, UploadState
from chalicelib.services.authentication import Caller
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.embedder import UNREADABLE

ACCOUNT = "4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
NAMES = ("a.jpg", "b.jpg", "c.jpg")
LIMITS = {"files": 3, "managed_bytes": 100, "uploads_a_month": 6}


class Death(BaseException):
    """The process is gone; nothing that it would still have done is done."""


class Fuse:
    """Ends the process at a port call: ``left`` calls from now, None for never."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            if self.left <= 0:
                raise Death
            self.left -= 1


class Mortal:
    """A port whose caller may die right before or right after a call."""

    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port, self._fuse = port, fuse

    def __getattr__(self, name: str) -> Any:
        what = getattr(self._port, name)
        if not callable(what):
            return what

        def call(*arguments: Any, **named: Any) -> Any:
            self._fuse.burn()
            answer = what(*arguments, **named)
            self._fuse.burn()
            return answer

        return call


class World:
    """The service on fakes, and what a client and S3 do to it."""

    def __init__(self) -> None:
        self.fuse, self.ports = Fuse(), FakeAdapters.fresh()
        self.clock, self.catalogue, self.vectors = self.ports.clock, self.ports.catalogue, self.ports.vectors
        self.embedder, self.quota_ledger, self.queues = self.ports.embedder, self.ports.quota_ledger, self.ports.queues
        self.caller = Caller(ACCOUNT, PLANS["pro"].with_limits(LIMITS))
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
        self.unfinished: list[str] = []

        names = ("collections", "catalogue", "storage", "embedder", "vectors", "quota_ledger", "queues")
        mortal: dict[str, Any] = {name: Mortal(getattr(self.ports, name), self.fuse) for name in names}
        application = services_on(replace(self.ports, **mortal))
        self.uploads, self.completion, self.files = (
            application.uploads,
            application.upload_completion,
            application.files,
        )

    def upload(self, name: str, body: bytes, *, only_new: bool = False) -> bool:
        return self.attempt(lambda: self.uploads.upload(self.caller, self.collection, name, body, only_new=only_new))

    def prepare(self, name: str, body: bytes, *, only_new: bool = False, sends: bool = True) -> bool:
        def act() -> None:
            wish: dict[str, object] = {"file": name, "size": len(body), "mime_type": "image/jpeg"}
            upload = self.uploads.prepare(self.caller, self.collection, wish, only_new=only_new).upload
            self.sent.append(upload.ref)
            if sends:
                self.bucket.put(upload.staged_key, body)
                self.queues.uploads.append((upload.ref, 0))

        return self.attempt(act)

    def complete(self, which: int) -> bool:
        if not self.sent:
            return False
        return self.attempt(lambda: self.uploads.complete(self.collection, self.sent[which % len(self.sent)].id))

    def deliver(self) -> None:
        """Hand the next message to a worker; one that dies or fails gets it again later."""
        if self.queues.uploads:
            ref, delay = self.queues.uploads.pop(0)
            self.clock.pass_by(timedelta(seconds=delay))
            if not self.attempt(lambda: self.completion.poll(ref)):
                self.queues.uploads.append((ref, 0))

    def delete(self, name: str) -> None:
        record = self.catalogue.get(self.collection.uuid, self.collection.prefix + name)
        if record is not None and not self.attempt(lambda: self.files.delete(ACCOUNT, record.uuid)):
            self.unfinished.append(record.uuid)

    def attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (Death, SimilarixError, ConnectionError):
            return False
        else:
            return True
        finally:
            self.fuse.left = None

    def settle_down(self) -> None:
        """Time passes, crashed deletions are asked for again, and every message is delivered."""
        self.embedder.down = self.queues.down = False
        for _ in range(30):
            self.clock.pass_by(timedelta(minutes=16))
            self.uploads.sweep(ACCOUNT)
            for _ in range(len(self.queues.uploads)):
                self.deliver()
            if not [u for u in self.quota_ledger.uploads.values() if u.state is UploadState.PENDING]:
                break
        for file in self.unfinished:
            try:
                self.files.delete(ACCOUNT, file)
            except NotFound:
                continue

    @property
    def stored(self) -> dict[str, int]:
        """Sizes of the files that lie in the bucket, by name."""
        prefix = self.collection.prefix
        return {key.removeprefix(prefix): len(b) for key, b in self.bucket.objects.items() if key.startswith(prefix)}

    def check_limits(self) -> None:
        counts = self.quota_ledger.counts.get(ACCOUNT)
        if counts is not None:
            assert 0 <= counts.files <= LIMITS["files"]
            assert 0 <= counts.bytes <= LIMITS["managed_bytes"]
            assert all(0 <= uploads <= LIMITS["uploads_a_month"] for uploads in counts.uploads.values())

    def check_books(self) -> None:
        """What is counted is what is there, and what is there is what is shown."""
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
    act: str
    name: str
    body: bytes
    only_new: bool
    dies_after: int | None
    down: bool


bodies = st.one_of(
    st.binary(min_size=1, max_size=60).filter(lambda body: not body.startswith(UNREADABLE)),
    st.binary(max_size=20).map(lambda rest: UNREADABLE + rest),
)
acts = st.sampled_from(("upload", "prepare", "abandon", "complete", "deliver", "delete"))
steps = st.builds(
    Step,
    acts,
    st.sampled_from(NAMES),
    bodies,
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 40)),
    st.sampled_from((False, False, False, True)),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=14))
def test_counts_never_oversell_and_in_the_end_say_just_what_is_there(plan: list[Step]) -> None:
    world = World()
    for number, step in enumerate(plan):
        world.fuse.left, world.embedder.down = step.dies_after, step.down
        match step.act:
            case "upload":
                world.upload(step.name, step.body, only_new=step.only_new)
            case "prepare" | "abandon":
                world.prepare(step.name, step.body, only_new=step.only_new, sends=step.act == "prepare")
            case "complete":
                world.complete(number)
            case "deliver":
                world.deliver()
            case "delete":
                world.delete(step.name)
        world.fuse.left = None
        world.check_limits()
    world.settle_down()
    world.check_limits()
    world.check_books()


@pytest.fixture
def world() -> World:
    return World()


def test_a_picture_is_opened_once_and_nothing_is_left_beside_it(world: World) -> None:
    assert world.upload("a.jpg", b"picture")
    assert world.embedder.embedded == [b"picture"]
    assert set(world.bucket.objects) == {world.collection.prefix + "a.jpg"}


def test_a_failure_on_our_side_gives_the_share_back_at_once(world: World) -> None:
    world.embedder.down = True
    assert not world.upload("a.jpg", b"picture")
    assert world.quota_ledger.usage(ACCOUNT, "2026-03").managed_files == 0
    assert world.bucket.objects == {}


def test_an_upload_that_died_on_the_way_is_finished_or_given_back(world: World) -> None:
    for calls in range(40):
        world.fuse.left = calls
        if world.upload(f"{calls}.jpg", b"x" * 30):
            break
        world.settle_down()
        world.check_books()
        for name in list(world.stored):
            world.delete(name)
        world.quota_ledger.counts[ACCOUNT].uploads.clear()
        world.quota_ledger.uploads.clear()
    assert calls > 20, "it died at each of them"


def test_what_a_dead_upload_holds_is_asked_back_when_it_is_needed(world: World) -> None:
    world.fuse.left = 9
    assert not world.upload("a.jpg", b"x" * 90)
    world.clock.pass_by(timedelta(minutes=11))
    with pytest.raises(QuotaExceeded):
        world.uploads.upload(world.caller, world.collection, "b.jpg", b"y" * 90, only_new=False)
    assert world.queues.uploads
    world.settle_down()
    world.check_books()


def test_an_upload_that_has_not_arrived_is_not_complete(world: World) -> None:
    assert world.prepare("a.jpg", b"picture", sends=False)
    with pytest.raises(UploadIncomplete):
        world.uploads.complete(world.collection, world.sent[0].id)
    (record,) = world.catalogue.records.values()
    assert record.state is FileState.PENDING


def test_the_same_answer_is_given_however_often_it_is_completed(world: World) -> None:
    assert world.prepare("a.jpg", b"picture")
    answers = {world.uploads.complete(world.collection, world.sent[0].id) for _ in range(3)}
    assert len(answers) == 1
    assert len(world.embedder.embedded) == 1
