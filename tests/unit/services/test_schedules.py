"""Scheduled syncs: each due collection starts once within the hour, at a time of its own."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import AutoSync, Trigger
from tests.unit.services.harness import Harness

QUARTERS = (0, 15, 30, 45)


@given(st.lists(st.uuids(), unique=True, min_size=1, max_size=30))
def test_every_due_collection_starts_once_within_the_hour_and_always_at_the_same_time(uuids: list[object]) -> None:
    world = Harness()
    due = {str(uuid) for uuid in uuids}
    for uuid in due:
        world.add(uuid=uuid, auto_sync=AutoSync.DAILY)
    days = []
    for _ in range(2):
        starts: dict[str, int] = {}
        for minute in QUARTERS:
            world.app.syncs.start_scheduled(AutoSync.DAILY, minute)
            for step, delay in world.ports.queues.steps:
                assert step.collection not in starts
                starts[step.collection] = minute * 60 + delay
            world.ports.queues.steps.clear()
        assert starts.keys() == due
        assert max(starts.values()) < 3600
        days.append(starts)
        world.clock.pass_by(timedelta(days=1))
    assert days[0] == days[1]


def test_many_collections_start_at_different_times() -> None:
    world = Harness()
    for _ in range(100):
        world.add(auto_sync=AutoSync.DAILY)
    started = [world.app.syncs.start_scheduled(AutoSync.DAILY, minute) for minute in QUARTERS]
    assert sum(started) == 100
    assert max(started) < 60
    assert len({delay for _, delay in world.ports.queues.steps}) > 50


def test_a_running_sync_is_skipped_and_the_other_collections_start(world: Harness) -> None:
    running, resting = (world.add(uuid=str(UUID(int=n)), auto_sync=AutoSync.WEEKLY) for n in (10, 20))
    world.add(auto_sync=AutoSync.MONTHLY)
    manual_sync = world.start(running)
    assert sum(world.app.syncs.start_scheduled(AutoSync.WEEKLY, minute) for minute in QUARTERS) == 1
    assert (world.state(running).id, world.state(resting).trigger) == (manual_sync, Trigger.AUTO)


def test_a_scheduled_sync_does_not_change_the_time_of_the_last_manual_sync(world: Harness) -> None:
    collection = world.add(auto_sync=AutoSync.DAILY)
    manual_sync = world.sync(collection).last_manual_sync
    world.clock.pass_by(timedelta(days=1))
    for minute in QUARTERS:
        world.app.syncs.start_scheduled(AutoSync.DAILY, minute)
    world.work()
    state = world.state(collection)
    assert (state.last_manual_sync, state.last_auto_sync) == (manual_sync, world.clock())
