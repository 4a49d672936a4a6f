"""Scheduled syncs: each collection that is due once an hour, at a time of its own, whatever the others do."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import AutoSync, Trigger
from tests.unit.services.harness import Harness

QUARTERS = (0, 15, 30, 45)


@given(st.lists(st.uuids(), unique=True, min_size=1, max_size=30))
def test_every_collection_that_is_due_begins_once_an_hour_at_a_time_of_its_own(uuids: list[object]) -> None:
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


def test_many_collections_do_not_begin_at_once() -> None:
    world = Harness()
    for _ in range(100):
        world.add(auto_sync=AutoSync.DAILY)
    began = [world.app.syncs.start_scheduled(AutoSync.DAILY, minute) for minute in QUARTERS]
    assert sum(began) == 100
    assert max(began) < 60
    assert len({delay for _, delay in world.ports.queues.steps}) > 50


def test_one_that_runs_is_passed_over_and_does_not_keep_the_others_from_theirs(world: Harness) -> None:
    running, resting = (world.add(uuid=str(UUID(int=n)), auto_sync=AutoSync.WEEKLY) for n in (10, 20))
    world.add(auto_sync=AutoSync.MONTHLY)
    by_hand = world.start(running)
    assert sum(world.app.syncs.start_scheduled(AutoSync.WEEKLY, minute) for minute in QUARTERS) == 1
    assert (world.state(running).id, world.state(resting).trigger) == (by_hand, Trigger.AUTO)


def test_a_scheduled_sync_leaves_the_time_of_the_last_manual_one_alone(world: Harness) -> None:
    collection = world.add(auto_sync=AutoSync.DAILY)
    by_hand = world.sync(collection).last_manual_sync
    world.clock.pass_by(timedelta(days=1))
    for minute in QUARTERS:
        world.app.syncs.start_scheduled(AutoSync.DAILY, minute)
    world.work()
    state = world.state(collection)
    assert (state.last_manual_sync, state.last_auto_sync) == (by_hand, world.clock())
