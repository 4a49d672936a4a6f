"""Work on five million objects ends, by the workers' own code in simulated time (`make stress SUITE=continuations`)."""

from collections.abc import Iterator

import pytest

from chalicelib import workers
from chalicelib.domain.messages import MAX_CONTINUATIONS
from infra.workers import WORKERS
from tests.stress.continuations.simulation import Chains, LongWork

OBJECTS, SCALE = 5_000_000, 250
LAMBDAS_LIMIT = 16  # invocations of one chain, unless the function allows more
LONGEST = max(row.timeout for row in WORKERS if row.feeds_itself and row.timeout <= 120)


@pytest.fixture(autouse=True)
def quiet_workers() -> Iterator[None]:
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)


def check(work: LongWork, chains: Chains) -> None:
    """Each chain ended within the guard, though Lambda would have cut it off, and no invocation ran out of time."""
    assert (work.ended, chains.failed) == (True, 0)
    assert LAMBDAS_LIMIT < chains.continuations < MAX_CONTINUATIONS / 10
    assert chains.longest <= LONGEST


def test_a_first_sync_of_five_million_objects_ends() -> None:
    work = LongWork(OBJECTS, scale=SCALE, listed=True, recorded=False)
    check(work, work.run_sync())
    assert work.sync.progress.listed == OBJECTS // SCALE


def test_a_sync_that_removes_five_million_objects_ends() -> None:
    work = LongWork(OBJECTS, scale=SCALE, listed=False, recorded=True)
    check(work, work.run_sync())
    assert work.sync.progress.to_remove == OBJECTS // SCALE


def test_a_deletion_of_five_million_objects_ends() -> None:
    work = LongWork(OBJECTS, scale=SCALE, listed=False, recorded=True)
    check(work, work.run_deletion())


def test_a_purge_of_five_million_objects_that_were_removed_on_one_day_ends_within_a_day() -> None:
    work = LongWork(OBJECTS, scale=SCALE, listed=False, recorded=True)
    chains = work.run_purge()
    check(work, chains)
    assert chains.days < 1
