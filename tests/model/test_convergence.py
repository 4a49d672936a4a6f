"""Whatever happens to a bucket, however the news arrives, whatever dies meanwhile: the index ends equal to the bucket.

Hypothesis writes the histories: objects put, replaced, copied, deleted and back again; events lost, doubled, late and
out of order; syncs by hand and by schedule, cancelled and taken over; several workers at once, each stopped between any
two calls, refused by a throttled service, or killed before or after a write; buckets denied, models renewed.
``MODEL_HISTORIES`` and ``MODEL_STEPS`` say how many and how long they are: ``make soak`` asks for more.
"""

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from chalicelib import workers
from chalicelib.domain.collections import Trigger
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.fakes.embedder import UNREADABLE
from tests.model.scheduler import WRITES, Worker
from tests.model.world import World

HISTORIES = int(os.environ.get("MODEL_HISTORIES", "150"))
STEPS = int(os.environ.get("MODEL_STEPS", "50"))
# Where only it matters that something was found, the shortest history to it is not looked for.
SHRINK = [Phase.shrink] if os.environ.get("MODEL_SHRINK", "1") == "1" else []

# One key is met more often than all others: what goes wrong, goes wrong where several workers are at the same object.
KEYS = st.just("b/1") | st.sampled_from(
    ["a b+c.jpg", "b/", "b/1", "b/\n", "b/e\u0301", "b/\u00e9", "b/\U0001f600", "c/\uff5e", "z"]
)
BODIES = st.sampled_from([b"one", b"one", b"two", b"two", b"six", UNREADABLE, b""])
DELIVERIES = st.sampled_from([1, 1, 1, 2, 0])
PLACES = st.integers(0, 30)
HELD_BEFORE = st.sampled_from(["upsert", "remove", "save_all", "embed_objects", "complete_batch", "save_progress"])
TROUBLES = st.sampled_from(["none"] * 5 + ["the bucket", "its listing", "an object", "the embedder", "the store"])
DIES_AT = st.sampled_from(
    ["save_progress", "send_batches", "send_sync", "mark_listed", "complete_batch", "upsert", "save_all"]
)
WALKER_DIES_AT = st.sampled_from(["save_progress", "save_progress", "send_batches", "mark_listed", "end"])
CALLS = st.integers(1, 12)
MEMBERS = st.integers(0, 2)


class History(RuleBasedStateMachine):
    begun = 0

    def __init__(self) -> None:
        super().__init__()
        History.begun += 1
        self.world = World()

    @rule(key=KEYS, body=BODIES, deliveries=DELIVERIES)
    def put(self, key: str, body: bytes, deliveries: int) -> None:
        self.world.put(key, body, deliveries)

    @rule(key=KEYS, to=KEYS, deliveries=DELIVERIES)
    def copy(self, key: str, to: str, deliveries: int) -> None:
        if key in self.world.bucket.objects:
            self.world.put(to, self.world.bucket.objects[key], deliveries)

    @rule(key=KEYS, deliveries=DELIVERIES)
    def delete(self, key: str, deliveries: int) -> None:
        self.world.delete(key, deliveries)

    @rule(key=KEYS, body=BODIES, calls=CALLS)
    def upload(self, key: str, body: bytes, calls: int) -> None:
        self.world.put(key, body, 1)
        self.world.upload(key).step(calls)
        self.world.settle()

    @rule(number=MEMBERS, trigger=st.sampled_from(Trigger), confirm=st.booleans(), retry=st.booleans(), calls=CALLS)
    def sync(self, number: int, trigger: Trigger, confirm: bool, retry: bool, calls: int) -> None:
        self.world.begin_sync(number, trigger, confirm=confirm, retry=retry).step(calls)
        self.world.settle()

    @rule(number=MEMBERS, calls=CALLS)
    def cancel(self, number: int, calls: int) -> None:
        self.world.cancel(number).step(calls)
        self.world.settle()

    @rule(calls=CALLS)
    def purge(self, calls: int) -> None:
        self.world.begin_purge().step(calls)
        self.world.settle()

    @precondition(lambda self: self.world.messages)
    @rule(place=PLACES, calls=CALLS, late_after=st.sampled_from([0, 1, 2, 1000]))
    def deliver(self, place: int, calls: int, late_after: int) -> None:
        self.world.deliver(place, late_after=late_after).step(calls)
        self.world.settle()

    @precondition(lambda self: self.world.messages)
    @rule(place=PLACES)
    def deliver_and_finish(self, place: int) -> None:
        self.world.deliver(place).run()
        self.world.settle()

    @precondition(lambda self: self.world.working)
    @rule(place=PLACES, calls=CALLS)
    def go_on(self, place: int, calls: int) -> None:
        self._worker(place).step(calls)
        self.world.settle()

    @precondition(lambda self: self.world.messages)
    @rule(place=PLACES, write=HELD_BEFORE)
    def deliver_and_hold_before(self, place: int, write: str) -> None:
        """A slow worker: it has seen what it needs, and has yet to write it."""
        self._run_to(self.world.deliver(place), f"before {write}")

    @precondition(lambda self: self.world.messages)
    @rule(place=PLACES, write=DIES_AT, before=st.booleans(), times=st.integers(1, 3))
    def deliver_and_kill_at(self, place: int, write: str, before: bool, times: int) -> None:
        """A worker dies before or after such a write, the first of its message or a later one."""
        worker, at = self.world.deliver(place), f"{'before' if before else 'after'} {write}"
        for _ in range(times):
            self._run_to(worker, at, settle=False)
            if times > 1:
                worker.step()
        worker.kill()
        self.world.settle()

    @rule(number=MEMBERS, place=PLACES, write=WALKER_DIES_AT, before=st.booleans(), times=st.integers(1, 2))
    def sync_and_kill_at(self, number: int, place: int, write: str, before: bool, times: int) -> None:
        """A sync is begun, and whoever walks one of its parts dies before or after such a write."""
        self.sync_to_its_walk(number)
        steps = [place for place, message in enumerate(self.world.messages) if message.queue == "sync"]
        if steps:
            self.deliver_and_kill_at(steps[place % len(steps)], write, before, times)

    @rule(key=KEYS, bodies=st.lists(BODIES | st.none(), min_size=2, max_size=3), write=HELD_BEFORE)
    def race(self, key: str, bodies: list[bytes | None], write: str) -> None:
        """Several workers are at one object, each with what it saw when it looked; they go on in any order."""
        for body in bodies:
            if body is None:
                self.world.delete(key, 1)
            else:
                self.world.put(key, body, 1)
            if self.world.messages:
                self.world.deliver(len(self.world.messages) - 1).run()
                self.world.settle()
            if self.world.messages:
                self._run_to(self.world.deliver(len(self.world.messages) - 1), f"before {write}")

    @rule(number=MEMBERS, key=KEYS, body=BODIES, called_off=st.booleans())
    def leave_half_done(self, number: int, key: str, body: bytes, called_off: bool) -> None:
        """A worker dies between its two writes, its sync ends without it, the object goes back, and nobody tells."""
        world, before = self.world, self.world.bucket.objects.get(key)
        world.put(key, body, 0)
        world.begin_sync(number, Trigger.MANUAL).run()
        world.settle()
        for queue, at in (("sync", "its end"), ("index", "before save_all")):
            places = [place for place, message in enumerate(world.messages) if message.queue == queue]
            if places:
                worker = world.deliver(places[-1])
                self._run_to(worker, at, settle=False)
                worker.kill()
                world.settle()
        if called_off:
            world.cancel(number).run()
        else:
            world.clock.pass_by(SYNC_LEASE + timedelta(seconds=1))
            world.begin_sync(number, Trigger.MANUAL).run()
        world.settle()
        if before is None:
            world.delete(key, 0)
        else:
            world.put(key, before, 0)

    @rule(keys=st.sets(KEYS, min_size=4), body=BODIES)
    def fill_and_empty(self, keys: set[str], body: bytes) -> None:
        """A bucket is filled and indexed; then all of it goes, and nobody tells."""
        for key in sorted(keys):
            self.world.put(key, body, 1)
        self.rest()
        for key in list(self.world.bucket.objects):
            self.world.delete(key, 0)

    @rule(number=MEMBERS)
    def sync_to_its_walk(self, number: int) -> None:
        """A sync is begun as the API does, without any accident."""
        self.world.begin_sync(number, Trigger.MANUAL).run()
        self.world.settle()

    @precondition(lambda self: self.world.working)
    @rule(place=PLACES)
    def finish(self, place: int) -> None:
        self._worker(place).run()
        self.world.settle()

    @precondition(lambda self: self.world.working)
    @rule(place=PLACES)
    def throttle(self, place: int) -> None:
        self._worker(place).fail()
        self.world.settle()

    @precondition(lambda self: self.world.working)
    @rule(place=PLACES)
    def kill(self, place: int) -> None:
        self._worker(place).kill()
        self.world.settle()

    @precondition(lambda self: self.world.working)
    @rule(place=PLACES, write=st.sampled_from(sorted(WRITES)), before=st.booleans())
    def kill_at(self, place: int, write: str, before: bool) -> None:
        """Let a worker run to a certain write, and end it there; it may meet its own end first."""
        worker = self._worker(place)
        self._run_to(worker, f"{'before' if before else 'after'} {write}")
        worker.kill()
        self.world.settle()

    @rule(trouble=TROUBLES, key=KEYS)
    def trouble(self, trouble: str, key: str) -> None:
        """One thing at a time is out of order, until the next one is."""
        world, bucket = self.world, self.world.bucket
        bucket.down, bucket.unlisted = trouble == "the bucket", trouble == "its listing"
        world.embedder.down, world.vectors.down = trouble == "the embedder", trouble == "the store"
        bucket.denied = {key} if trouble == "an object" else set()
        # What was refused is not tried again by itself.
        world.news_lost |= bool(bucket.denied)

    @rule(span=st.sampled_from([timedelta(minutes=1), SYNC_LEASE + timedelta(seconds=1), timedelta(days=40)]))
    def wait(self, span: timedelta) -> None:
        self.world.clock.pass_by(span)
        if span > timedelta(days=16):
            self.world.let_weeks_pass()

    @rule(number=st.integers(1, 2))
    def renew_the_model(self, number: int) -> None:
        stamp = f"fake-{number}+d1"
        self.world.news_lost |= stamp != self.world.embedder.stamp
        self.world.embedder.stamp = stamp

    @rule(files=st.sampled_from([0, 1, 2, 4, 100]))
    def change_the_plan(self, files: int) -> None:
        self.world.change_plan(files)

    @rule()
    def rest(self) -> None:
        self.world.rest()
        self.world.check_rest()
        if not self.world.news_lost:
            self.world.check_converged()

    def teardown(self) -> None:
        self.rest()
        self.world.sync_all()
        self.world.check_rest()
        self.world.check_converged(synced=True)
        embedded = len(self.world.embedder.embedded)
        self.world.sync_all(retry=False)
        self.world.check_converged(synced=True)
        assert len(self.world.embedder.embedded) == embedded, "a sync with nothing changed embedded something"
        for number in range(3):
            assert self.world.current(number).sync.progress.to_do == 0, "it had something to do"

    def _run_to(self, worker: Worker, at: str, *, settle: bool = True) -> None:
        while worker.running and worker.at != at:
            worker.step()
        if settle:
            self.world.settle()

    def _worker(self, place: int) -> Worker:
        return self.world.working[place % len(self.world.working)][0]


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of messages fail on purpose here; each would be a line with its trace."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)
    print(f"{History.begun} histories")


@pytest.mark.usefixtures("quiet")
def test_what_a_dead_worker_left_is_put_right_after_its_record_was_purged() -> None:
    history = History()
    history.leave_half_done(0, "b/1", b"one", called_off=False)
    for _ in range(2):
        history.wait(timedelta(days=40))
    history.purge(1)
    history.leave_half_done(0, "b/1", b"one", called_off=False)
    history.teardown()


@pytest.mark.usefixtures("quiet")
def test_the_index_ends_equal_to_the_bucket() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        History,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, *SHRINK],
            database=None,
            # The same histories in every `make test`; `make soak` and the mutants draw new ones.
            derandomize="MODEL_HISTORIES" not in os.environ,
        ),
    )
