"""Scheduled syncs: each run of a collection starts once, at a time of its own within an hour, whatever the spread."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import AutoSync, Trigger
from chalicelib.domain.schedules import DEFAULT_HOURS, next_run, run_of_firing
from tests.factories import a_collection
from tests.unit.services.harness import Harness

SUNDAY_THE_FIRST = datetime(2026, 3, 1, tzinfo=UTC)  # a day on which every interval is due
QUARTER = timedelta(minutes=15)
SPREADS = st.sampled_from([0, 1, 600, 900, 901, 1800, 3600])
HOURS = st.none() | st.integers(0, 23)


def a_world(spread: int) -> Harness:
    world = Harness()
    world.app.syncs = replace(world.app.syncs, schedule_spread=spread)
    return world


def firings(days: int = 1, start: datetime = SUNDAY_THE_FIRST) -> list[datetime]:
    """The times at which a schedule fires: every quarter of an hour."""
    return [start + number * QUARTER for number in range(days * 96)]


def fire(world: Harness, interval: AutoSync, *times: datetime) -> dict[str, list[datetime]]:
    """Let a schedule fire; returns when the syncs start, by collection, each of which has ended before the next."""
    starts: dict[str, list[datetime]] = {}
    for time in times:
        world.app.syncs.start_scheduled(interval, time)
        for step, delay in world.ports.queues.steps:
            starts.setdefault(step.collection, []).append(time + timedelta(seconds=delay))
        world.work()
    return starts


@given(
    st.lists(st.tuples(st.uuids(), HOURS), unique_by=lambda pair: pair[0], min_size=1, max_size=10),
    SPREADS,
    st.sampled_from([AutoSync.DAILY, AutoSync.WEEKLY, AutoSync.MONTHLY]),
)
def test_every_due_collection_starts_once_a_day_in_its_hour_though_each_firing_is_repeated(
    due: list[tuple[UUID, int | None]], spread: int, interval: AutoSync
) -> None:
    world = a_world(spread)
    for uuid, hour in due:
        world.add(uuid=str(uuid), auto_sync=interval, auto_sync_at=hour)
    starts = fire(world, interval, *(time for time in firings() for _ in range(2)))
    assert starts.keys() == {str(uuid) for uuid, _ in due}
    for uuid, hour in due:
        (start,) = starts[str(uuid)]
        assert start.hour == (DEFAULT_HOURS[interval] if hour is None else hour)
        assert start - start.replace(minute=0, second=0) < timedelta(seconds=max(spread, 1))


@given(st.uuids(), HOURS, SPREADS, st.sampled_from(AutoSync), st.integers(0, 400 * 24 * 60))
def test_the_next_run_that_is_shown_is_the_next_one_that_a_firing_starts(
    uuid: UUID, hour: int | None, spread: int, interval: AutoSync, minutes: int
) -> None:
    collection = a_collection(uuid=str(uuid), auto_sync=interval, auto_sync_at=hour)
    now = SUNDAY_THE_FIRST + timedelta(minutes=minutes)
    shown = next_run(collection, now, spread)
    if interval is AutoSync.MANUAL:
        assert shown is None
        return
    assert shown is not None and shown > now
    assert run_of_firing(collection, shown, spread) == shown
    # Nothing fires in between, but for the quarter of an hour in which it is now.
    quarters = int((shown - now) / QUARTER)
    between = [run_of_firing(collection, now + number * QUARTER, spread) for number in range(quarters)]
    assert not [run for run in between if run is not None and now < run < shown]


@pytest.mark.parametrize(
    ("interval", "runs"), [(AutoSync.DAILY, 59), (AutoSync.WEEKLY, 9), (AutoSync.MONTHLY, 2), (AutoSync.MANUAL, 0)]
)
def test_a_schedule_runs_on_each_of_its_days(interval: AutoSync, runs: int) -> None:
    collection = a_collection(auto_sync=interval)
    times = firings(59, SUNDAY_THE_FIRST)
    assert sum(run_of_firing(collection, time, 3600) is not None for time in times) == runs


def test_many_collections_start_at_different_times() -> None:
    world = a_world(3600)
    for _ in range(100):
        world.add(auto_sync=AutoSync.DAILY)
    starts = [start for times in fire(world, AutoSync.DAILY, *firings()).values() for start in times]
    assert len(starts) == 100
    assert max(Counter(start.minute // 15 for start in starts).values()) < 60
    assert len(set(starts)) > 50


def test_a_running_sync_is_skipped_and_the_other_collections_start(world: Harness) -> None:
    running, resting = (world.add(uuid=str(UUID(int=n)), auto_sync=AutoSync.WEEKLY) for n in (10, 20))
    world.add(auto_sync=AutoSync.MONTHLY)
    manual_sync = world.start(running)
    assert sum(world.app.syncs.start_scheduled(AutoSync.WEEKLY, time) for time in firings()) == 1
    assert (world.state(running).id, world.state(resting).trigger) == (manual_sync, Trigger.AUTO)


def test_a_sync_by_hand_does_not_wait_for_a_scheduled_one_that_waits_for_its_time() -> None:
    world = a_world(900)
    collection = world.add(uuid=str(UUID(int=600)), auto_sync=AutoSync.DAILY)
    world.clock.time = SUNDAY_THE_FIRST.replace(hour=DEFAULT_HOURS[AutoSync.DAILY])
    world.app.syncs.start_scheduled(AutoSync.DAILY, world.clock())
    waiting = world.state(collection)
    assert waiting.started_at == world.clock() + timedelta(seconds=600)
    assert world.sync(collection).last_manual_sync == world.clock()
    assert world.state(collection).last_auto_sync is None
    assert world.app.syncs.start_scheduled(AutoSync.DAILY, world.clock()) == 0


def test_a_scheduled_sync_does_not_change_the_time_of_the_last_manual_sync(world: Harness) -> None:
    collection = world.add(auto_sync=AutoSync.DAILY)
    manual_sync = world.sync(collection).last_manual_sync
    world.clock.pass_by(timedelta(days=1))
    fire(world, AutoSync.DAILY, *firings())
    state = world.state(collection)
    assert (state.last_manual_sync, state.last_auto_sync) == (manual_sync, world.clock())
