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
from chalicelib.services.walking import LEASE
from tests.fakes.embedder import UNREADABLE
from tests.model.scheduling import WRITES
from tests.model.world import World

HISTORIES = int(os.environ.get("MODEL_HISTORIES", "150"))
STEPS = int(os.environ.get("MODEL_STEPS", "50"))
# Where only it matters that something was found, the shortest history to it is not looked for.
SHRINK = [Phase.shrink] if os.environ.get("MODEL_SHRINK", "1") == "1" else []

KEYS = st.sampled_from(["a b+c.jpg", "b/", "b/1", "b/\n", "b/e\u0301", "b/\u00e9", "b/\U0001f600", "c/\uff5e", "z"])
BODIES = st.sampled_from([b"one", b"two", b"six", UNREADABLE, b""])
DELIVERIES = st.sampled_from([1, 1, 1, 2, 0])
PLACES = st.integers(0, 30)
CALLS = st.integers(1, 12)
MEMBERS = st.integers(0, 2)


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
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
        while worker.running and worker.at != f"{'before' if before else 'after'} {write}":
            worker.step()
        worker.kill()
        self.world.settle()

    @rule(down=st.booleans(), unlisted=st.booleans(), denied=st.sets(KEYS, max_size=2))
    def trouble_the_bucket(self, down: bool, unlisted: bool, denied: set[str]) -> None:
        bucket = self.world.bucket
        bucket.down, bucket.unlisted, bucket.denied = down, unlisted, denied
        # What was refused is not tried again by itself.
        self.world.news_lost |= bool(denied)

    @rule(embedder=st.booleans(), vectors=st.booleans())
    def trouble_services(self, embedder: bool, vectors: bool) -> None:
        self.world.embedder.down, self.world.vectors.down = embedder, vectors

    @rule()
    def mend(self) -> None:
        bucket, world = self.world.bucket, self.world
        bucket.down = bucket.unlisted = world.embedder.down = world.vectors.down = False
        bucket.denied = set()

    @rule(span=st.sampled_from([timedelta(minutes=1), LEASE + timedelta(seconds=1), timedelta(days=40)]))
    def wait(self, span: timedelta) -> None:
        self.world.clock.pass_by(span)
        if span > timedelta(days=16):
            self.world.vectors.forget_removals()

    @rule(number=st.integers(1, 2))
    def renew_the_model(self, number: int) -> None:
        stamp = f"fake-{number}+d1"
        self.world.news_lost |= stamp != self.world.embedder.stamp
        self.world.embedder.stamp = stamp

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
        self.world.check_converged()
        embedded = len(self.world.embedder.embedded)
        self.world.sync_all(retry=False)
        self.world.check_converged()
        assert len(self.world.embedder.embedded) == embedded, "a sync with nothing changed embedded something"
        for number in range(3):
            assert self.world.current(number).sync.progress.to_do == 0, "it had something to do"

    def _worker(self, place: int):  # type: ignore[no-untyped-def]
        return self.world.working[place % len(self.world.working)][0]


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of messages fail on purpose here; each would be a line with its trace."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)


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
        ),
    )
