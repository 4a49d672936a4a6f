"""The index ends equal to the bucket, whatever happens to the bucket, its events and the workers.

Hypothesis generates the histories: objects are put, replaced, copied, deleted and put back; events are lost, repeated,
late and out of order; syncs are started by hand and by schedule, cancelled and replaced; several workers run at once,
each stopped between any two calls, throttled, or killed before or after a write; buckets are denied, models renewed.
``MODEL_HISTORIES`` and ``MODEL_STEPS`` set how many and how long they are: ``make stress SUITE=model`` runs more.
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
# The mutants need only know that a violation was found, not the shortest history to it.
SHRINK = [Phase.shrink] if os.environ.get("MODEL_SHRINK", "1") == "1" else []

# One key is drawn more often than all others: faults appear where several workers are at the same object.
KEYS = st.just("b/1") | st.sampled_from(
    ["a b+c.jpg", "b/", "b/1", "b/\n", "b/e\u0301", "b/\u00e9", "b/\U0001f600", "c/\uff5e", "z"]
)
BODIES = st.sampled_from([b"one", b"one", b"two", b"two", b"six", UNREADABLE, b""])
DELIVERIES = st.sampled_from([1, 1, 1, 2, 0])
INDEXES = st.integers(0, 30)
MORE = st.sampled_from([0, 0, 1, 9])  # messages of one delivery, beside the first
STOPPED_BEFORE = st.sampled_from(
    ["upsert", "remove", "put_images", "save_all", "delete_images", "embed_objects", "complete_batch", "save_progress"]
)
FAULTS = st.sampled_from(["none"] * 5 + ["the bucket", "its listing", "an object", "the embedder", "the store"])
DIES_AT = st.sampled_from(
    ["save_progress", "send_batches", "send_sync", "mark_listed", "complete_batch", "upsert", "put_images", "save_all"]
)
ANSWERS_LOST_OF = st.sampled_from(
    [
        "acquire",
        "save_progress",
        "send_batches",
        "send_changes",
        "put_images",
        "save_all",
        "save_all",
        "delete_images",
        "complete_batch",
        "end",
    ]
)
SYNC_WORKER_DIES_AT = st.sampled_from(["save_progress", "save_progress", "send_batches", "mark_listed", "end"])
PURGE_STOPS = st.sampled_from(
    [
        "before images_of",
        "after save_all",
        "after delete_images",
        "after delete_thumbnail",
        "before delete",
        "after delete",
    ]
)
CALLS = st.integers(1, 12)
EXCLUDED = st.sampled_from([(), ("1",), ("*.jpg", "z"), ("b/*", "!b/1")])
MEMBERS = st.integers(0, 2)


class History(RuleBasedStateMachine):
    started = 0

    def __init__(self) -> None:
        super().__init__()
        History.started += 1
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
        self.world.reap()

    @rule(number=MEMBERS, trigger=st.sampled_from(Trigger), confirm=st.booleans(), retry=st.booleans(), calls=CALLS)
    def sync(self, number: int, trigger: Trigger, confirm: bool, retry: bool, calls: int) -> None:
        self.world.start_sync(number, trigger, confirm=confirm, retry=retry).step(calls)
        self.world.reap()

    @rule(number=MEMBERS, calls=CALLS)
    def cancel(self, number: int, calls: int) -> None:
        self.world.cancel(number).step(calls)
        self.world.reap()

    @rule(calls=CALLS)
    def purge(self, calls: int) -> None:
        self.world.start_purge().step(calls)
        self.world.reap()

    @rule()
    def upgrade(self) -> None:
        """At a quiet time, all records are as an earlier version has written them."""
        self.world.rest()
        self.world.keep_as_earlier()

    @precondition(lambda self: self.world.catalogue.earlier)
    @rule(calls=CALLS)
    def renew_records(self, calls: int) -> None:
        self.world.start_renewal().step(calls)
        self.world.reap()

    @rule(calls=CALLS)
    def clean_images(self, calls: int) -> None:
        self.world.start_cleaning().step(calls)
        self.world.reap()

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, more=MORE, calls=CALLS, late_after=st.sampled_from([0, 1, 2, 1000]))
    def deliver(self, index: int, more: int, calls: int, late_after: int) -> None:
        self.world.deliver(index, more=more, late_after=late_after).step(calls)
        self.world.reap()

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, more=MORE)
    def deliver_and_finish(self, index: int, more: int) -> None:
        self.world.deliver(index, more=more).run()
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES, calls=CALLS)
    def resume(self, index: int, calls: int) -> None:
        self._worker(index).step(calls)
        self.world.reap()

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, more=MORE, write=STOPPED_BEFORE)
    def deliver_and_stop_before(self, index: int, more: int, write: str) -> None:
        """A slow worker: it has read what it needs, and has yet to write."""
        self._run_to(self.world.deliver(index, more=more), f"before {write}")

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, more=MORE, write=DIES_AT, before=st.booleans(), times=st.integers(1, 3))
    def deliver_and_kill_at(self, index: int, more: int, write: str, before: bool, times: int) -> None:
        """A worker dies before or after such a write, the first of its message or a later one."""
        worker, at = self.world.deliver(index, more=more), f"{'before' if before else 'after'} {write}"
        for _ in range(times):
            self._run_to(worker, at, reap=False)
            if times > 1:
                worker.step()
        worker.kill()
        self.world.reap()

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEXES, more=MORE, write=ANSWERS_LOST_OF, is_repeated=st.booleans(), goes_on=st.booleans())
    def deliver_and_lose_an_answer(self, index: int, more: int, write: str, is_repeated: bool, goes_on: bool) -> None:
        """A write takes place, and its worker is not told; it goes on at once, or other workers do first."""
        worker = self.world.deliver(index, more=more)
        self._run_to(worker, f"after {write}", reap=False)
        worker.lose_answer(is_repeated=is_repeated)
        if goes_on:
            worker.run()
        self.world.reap()

    @rule(number=MEMBERS, write=st.sampled_from(["begin", "send_sync"]), is_repeated=st.booleans())
    def start_sync_and_lose_an_answer(self, number: int, write: str, is_repeated: bool) -> None:
        worker = self.world.start_sync(number, Trigger.MANUAL)
        self._run_to(worker, f"after {write}", reap=False)
        worker.lose_answer(is_repeated=is_repeated)
        worker.run()
        self.world.reap()

    @rule(number=MEMBERS, index=INDEXES, write=SYNC_WORKER_DIES_AT, before=st.booleans(), times=st.integers(1, 2))
    def sync_and_kill_at(self, number: int, index: int, write: str, before: bool, times: int) -> None:
        """A sync is started, and a worker of one of its key ranges dies before or after such a write."""
        self.start_sync_undisturbed(number)
        steps = [index for index, message in enumerate(self.world.messages) if message.queue == "sync"]
        if steps:
            self.deliver_and_kill_at(steps[index % len(steps)], 0, write, before, times)

    @rule(key=KEYS, bodies=st.lists(BODIES | st.none(), min_size=2, max_size=3), write=STOPPED_BEFORE)
    def race(self, key: str, bodies: list[bytes | None], write: str) -> None:
        """Several workers are at one object, each with the state that it has read; they continue in any order."""
        for body in bodies:
            if body is None:
                self.world.delete(key, 1)
            else:
                self.world.put(key, body, 1)
            if self.world.messages:
                self.world.deliver(len(self.world.messages) - 1).run()
                self.world.reap()
            if self.world.messages:
                self._run_to(self.world.deliver(len(self.world.messages) - 1), f"before {write}")

    @rule(number=MEMBERS, key=KEYS, body=BODIES, cancelled=st.booleans())
    def leave_half_done(self, number: int, key: str, body: bytes, cancelled: bool) -> None:
        """A worker dies between its two writes, its sync ends, and the object changes back without an event."""
        world, before = self.world, self.world.bucket.objects.get(key)
        world.put(key, body, 0)
        world.start_sync(number, Trigger.MANUAL).run()
        world.reap()
        for queue, at in (("sync", "never"), ("index", "before save_all")):
            indexes = [index for index, message in enumerate(world.messages) if message.queue == queue]
            if indexes:
                worker = world.deliver(indexes[-1])
                self._run_to(worker, at, reap=False)
                worker.kill()
                world.reap()
        if cancelled:
            world.cancel(number).run()
        else:
            world.clock.pass_by(SYNC_LEASE + timedelta(seconds=1))
            world.start_sync(number, Trigger.MANUAL).run()
        world.reap()
        if before is None:
            world.delete(key, 0)
        else:
            world.put(key, before, 0)

    @rule(key=KEYS, body=BODIES, again=BODIES, at=PURGE_STOPS, write=STOPPED_BEFORE, dies=st.booleans())
    def return_during_a_purge(self, key: str, body: bytes, again: bytes, at: str, write: str, dies: bool) -> None:
        """A purge stops, the object of an expired removal returns, and its worker stops, too; the purge goes on.

        Or it dies, and the object stays away.
        """
        world = self.world
        world.put(key, body, 1)
        self.rest()
        world.delete(key, 1)
        self.rest()
        self.wait(timedelta(days=40))
        purge = world.start_purge()
        self._run_to(purge, at, reap=False)
        if dies:
            purge.kill()
            world.reap()
            return
        world.put(key, again, 1)
        if world.messages:
            world.deliver(len(world.messages) - 1).run()
            world.reap()
        if world.messages:
            self._run_to(world.deliver(len(world.messages) - 1), f"before {write}")
        purge.run()
        world.reap()

    @rule(keys=st.sets(KEYS, min_size=4), body=BODIES)
    def fill_and_empty(self, keys: set[str], body: bytes) -> None:
        """A bucket is filled and indexed; then all its objects are deleted without an event."""
        for key in sorted(keys):
            self.world.put(key, body, 1)
        self.rest()
        for key in list(self.world.bucket.objects):
            self.world.delete(key, 0)

    @rule(keys=st.sets(KEYS, min_size=2, max_size=4), body=BODIES, fault=FAULTS)
    def burst(self, keys: set[str], body: bytes, fault: str) -> None:
        """Events of several objects are routed one by one, and one worker gets their changes while a system fails."""
        for key in sorted(keys):
            self.world.put(key, body, 1)
            self.world.deliver(len(self.world.messages) - 1).run()
            self.world.reap()
        self.fail(fault, min(keys))
        changes = [index for index, message in enumerate(self.world.messages) if message.queue == "changes"]
        if changes:
            self.world.deliver(changes[-1], more=9).run()
            self.world.reap()

    @rule(number=MEMBERS)
    def start_sync_undisturbed(self, number: int) -> None:
        """A sync is started as the API does, and nothing fails."""
        self.world.start_sync(number, Trigger.MANUAL).run()
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES)
    def finish(self, index: int) -> None:
        self._worker(index).run()
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES)
    def throttle(self, index: int) -> None:
        self._worker(index).fail()
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES, write=st.sampled_from(sorted(WRITES)), is_repeated=st.booleans())
    def lose_answer(self, index: int, write: str, is_repeated: bool) -> None:
        """Let a worker run to a certain write, and lose the answer; it may end before."""
        worker = self._worker(index)
        self._run_to(worker, f"after {write}", reap=False)
        worker.lose_answer(is_repeated=is_repeated)
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES)
    def kill(self, index: int) -> None:
        self._worker(index).kill()
        self.world.reap()

    @precondition(lambda self: self.world.working)
    @rule(index=INDEXES, write=st.sampled_from(sorted(WRITES)), before=st.booleans())
    def kill_at(self, index: int, write: str, before: bool) -> None:
        """Let a worker run to a certain write and kill it there; it may end before."""
        worker = self._worker(index)
        self._run_to(worker, f"{'before' if before else 'after'} {write}")
        worker.kill()
        self.world.reap()

    @rule(fault=FAULTS, key=KEYS)
    def fail(self, fault: str, key: str) -> None:
        """One system fails at a time, until the next one does."""
        world, bucket = self.world, self.world.bucket
        bucket.down, bucket.unlisted = fault == "the bucket", fault == "its listing"
        world.embedder.down, world.vectors.down = fault == "the embedder", fault == "the store"
        bucket.denied = {key} if fault == "an object" else set()
        # No event tells that an object is refused no more: a sync finds it.
        world.needs_sync |= bool(bucket.denied)

    @rule(span=st.sampled_from([timedelta(minutes=1), SYNC_LEASE + timedelta(seconds=1), timedelta(days=40)]))
    def wait(self, span: timedelta) -> None:
        self.world.clock.pass_by(span)
        if span > timedelta(days=16):
            self.world.let_weeks_pass()

    @rule(number=st.integers(1, 2))
    def renew_the_model(self, number: int) -> None:
        model = f"fake-{number}+d1"
        self.world.needs_sync |= model != self.world.embedder.model
        self.world.embedder.model = model

    @rule(files=st.sampled_from([0, 1, 2, 4, 100]))
    def change_the_plan(self, files: int) -> None:
        self.world.change_plan(files)

    @rule(number=MEMBERS, exclude=EXCLUDED)
    def change_the_patterns(self, number: int, exclude: tuple[str, ...]) -> None:
        self.world.change_patterns(number, exclude)

    @rule()
    def rest(self) -> None:
        self.world.rest()
        self.world.check_rest()
        if not self.world.needs_sync:
            self.world.check_converged()

    def teardown(self) -> None:
        self.rest()
        self.world.sync_all()
        self.world.check_rest()
        self.world.check_converged(synced=True)
        embedded = len(self.world.embedder.embedded)
        self.world.sync_all()
        self.world.check_converged(synced=True)
        assert len(self.world.embedder.embedded) == embedded, "a sync of an unchanged bucket embedded something"
        for number in range(3):
            assert self.world.current(number).sync.progress.to_do == 0, (
                "a sync of an unchanged bucket had something to do"
            )
        self.world.start_renewal().run()
        self.world.reap()
        assert not self.world.catalogue.earlier, "a renewal has left records of an earlier version"
        for _ in range(2):  # the first purges what has been removed for so long, the second what it has left
            self.world.clock.pass_by(timedelta(days=40))
            self.world.let_weeks_pass()
            self.world.start_purge().run()
            self.world.reap()
        self.world.check_images()
        self.world.clock.pass_by(timedelta(days=16))
        self.world.start_cleaning().run()
        self.world.reap()
        self.world.check_no_orphans()

    def _run_to(self, worker: Worker, at: str, *, reap: bool = True) -> None:
        while worker.running and worker.at != at:
            worker.step()
        if reap:
            self.world.reap()

    def _worker(self, index: int) -> Worker:
        return self.world.working[index % len(self.world.working)][0]


@pytest.fixture
def no_worker_logs() -> Iterator[None]:
    """Thousands of messages fail on purpose here; each failure would log its traceback."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)
    print(f"{History.started} histories")


@pytest.mark.usefixtures("no_worker_logs")
def test_a_half_finished_write_is_repaired_even_after_its_record_was_purged() -> None:
    history = History()
    history.leave_half_done(0, "b/1", b"one", cancelled=False)
    for _ in range(2):
        history.wait(timedelta(days=40))
    history.purge(1)
    history.leave_half_done(0, "b/1", b"one", cancelled=False)
    history.teardown()


@pytest.mark.usefixtures("no_worker_logs")
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
            # The same histories in every `make test`; `make stress` draws new ones.
            derandomize="MODEL_HISTORIES" not in os.environ,
        ),
    )
