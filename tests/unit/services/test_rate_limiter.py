"""Rates: what is admitted, what is refused and until when, and what it costs, whatever processes do."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.rates import CHUNK_MAX, WINDOW_SECONDS, RateLimit
from chalicelib.services.rate_limiter import RateLimiter
from tests.fakes.clock import FakeClock
from tests.fakes.rate_buckets import FakeRateBuckets

PROCESSES = 3
QUOTAS = st.integers(1, 400)
# What happens: so many requests reach one process, so many milliseconds after those before.
ARRIVALS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, PROCESSES - 1), st.integers(1, 60)), max_size=30)


class World:
    """Processes that share the buckets and the clock."""

    def __init__(self, quota: int) -> None:
        self.limit, self.clock, self.buckets = RateLimit("search", quota), FakeClock(), FakeRateBuckets()
        self.processes = [RateLimiter(self.buckets, self.clock) for _ in range(PROCESSES)]

    def request(self, process: int = 0, token: str = "token"):
        return self.processes[process].admit("account", token, self.limit)

    def pass_by(self, milliseconds: int) -> None:
        self.clock.pass_by(timedelta(milliseconds=milliseconds))


@given(QUOTAS, ARRIVALS)
def test_no_more_are_admitted_than_the_bucket_had_was_filled_with_and_processes_had_taken(quota, arrivals):
    world, admitted, at = World(quota), [], 0
    for pause, process, requests in arrivals:
        world.pass_by(pause)
        at += pause
        admitted += [at for _ in range(requests) if world.request(process).admitted]
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            filled = quota * (admitted[last] - begin) / (1000 * WINDOW_SECONDS)
            # Before the first of these requests, each process may have taken a chunk that it had not spent.
            taken_before = PROCESSES * world.limit.chunk if first else 0
            # A chunk's time is a whole number of microseconds.
            assert last - first + 1 <= quota + filled * 1.000_001 + taken_before


@given(QUOTAS, ARRIVALS, st.integers(0, PROCESSES - 1))
def test_who_waits_as_long_as_a_refusal_says_is_admitted(quota, arrivals, process):
    world = World(quota)
    for pause, other, requests in arrivals:
        world.pass_by(pause)
        for _ in range(requests):
            world.request(other)
    status = world.request(process)
    while status.admitted:
        status = world.request(process)
    assert 1 <= status.seconds <= WINDOW_SECONDS / 10 + 1 or world.limit.chunk == 1
    world.pass_by(1000 * status.seconds)
    assert world.request(process).admitted


@given(QUOTAS, st.integers(1, 50))
def test_a_caller_within_the_rate_is_never_refused(quota, requests):
    world = World(quota)
    for _ in range(requests):
        assert world.request().admitted
        world.pass_by(-(-1000 * WINDOW_SECONDS // quota))


@given(st.integers(CHUNK_MAX * 10, 6_000), st.integers(0, 200))
def test_most_requests_write_nothing_whether_they_are_admitted_or_not(quota, pause):
    world = World(quota)
    requests = 20 * CHUNK_MAX
    for _ in range(requests):
        world.request()
        world.pass_by(pause)
    # An attempt is two writes at most.
    assert 2 * world.buckets.attempts <= requests / 10 + 2


@given(QUOTAS)
def test_what_is_left_falls_by_one_with_each_request_until_none_is_admitted(quota):
    world, left = World(quota), quota
    while (status := world.request()).admitted:
        left -= 1
        assert status.remaining == left
        assert 1 <= status.seconds <= WINDOW_SECONDS
    assert left == quota % world.limit.chunk, "a part of a chunk is not given"
    assert status.remaining == 0


def test_tokens_do_not_use_up_what_others_have():
    world = World(1)
    assert world.request(token="one").admitted
    assert not world.request(token="one").admitted
    assert world.request(token="another").admitted


def test_another_quota_counts_from_the_next_request_on():
    world = World(10)
    while world.request().admitted:
        pass
    world.limit = RateLimit("search", 10_000)
    world.pass_by(1_000)
    assert world.request().admitted
