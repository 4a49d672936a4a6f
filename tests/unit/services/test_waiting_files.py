"""Files that wait for a cause outside them to end, such as a permission: every sync tries them again."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.api import serializers
from chalicelib.domain.collections import SyncStatus, Trigger
from chalicelib.domain.files import MAX_RETRY_WAIT, FileState
from tests.fakes.embedder import UNREADABLE
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness

CAUSES = {"denied": "access_denied", "sealed": "source_denied", "archived": "archived"}


def sync_by_schedule(world: Harness) -> int:
    """Sync as a schedule does; returns how many objects there were to do."""
    world.app.syncs.start(world.current(), Trigger.AUTO)
    world.work()
    assert world.state().status is SyncStatus.COMPLETED
    return world.state().progress.to_do


def state_of(world: Harness, key: str) -> tuple[Any, str | None]:
    record = world.record(key)
    assert record is not None
    return record.state, record.reason


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize(("cause", "reason"), CAUSES.items())
def test_the_next_sync_indexes_a_file_whose_cause_has_ended(
    world: Harness, cause: str, reason: str, trigger: Trigger
) -> None:
    world.put("a.jpg")
    getattr(world.bucket, cause).add("a.jpg")
    world.apply("a.jpg")
    assert state_of(world, "a.jpg") == (FileState.FAILED, reason)
    getattr(world.bucket, cause).clear()
    world.app.syncs.start(world.current(), trigger)
    world.work()
    assert state_of(world, "a.jpg") == (FileState.INDEXED, None)
    assert world.searchable() == {"a.jpg"}
    assert sync_by_schedule(world) == 0


def test_a_file_that_is_no_picture_is_not_tried_again(world: Harness) -> None:
    world.put("a.jpg", body=b"")
    world.sync()
    assert (world.sync().progress.to_do, sync_by_schedule(world)) == (0, 0)


def test_a_schedule_tries_in_longer_and_longer_intervals_and_a_sync_by_hand_at_once(world: Harness) -> None:
    world.put("a.jpg")
    world.bucket.denied.add("a.jpg")
    world.sync()
    tries = []
    for day in range(1, 40):
        world.clock.pass_by(timedelta(days=1))
        if sync_by_schedule(world):
            tries.append(day)
    assert tries == [1, 2, 4, 8, 14, 20, 26, 32, 38]
    assert timedelta(days=tries[-1] - tries[-2]) == MAX_RETRY_WAIT
    world.bucket.denied.clear()
    assert sync_by_schedule(world) == 0
    assert world.sync().progress.tally.done == 1


def test_a_sync_tries_a_bounded_number_however_many_invocations_it_takes() -> None:
    world = Harness(max_waiting_retries=3, chunk_keys=1, min_saved_differences=1)
    keys = [f"{number}.jpg" for number in range(8)]
    world.put(*keys)
    world.bucket.denied.update(keys)
    world.sync()
    world.clock.pass_by(timedelta(minutes=1))
    tried = []
    for _ in range(3):
        world.app.syncs.start(world.current(), Trigger.AUTO)
        world.sqs.collect()
        while world.sqs.waiting:
            world.deliver(world.sqs.waiting[0], Context(0))
        tried.append(world.state().progress.to_do)
    assert tried == [3, 3, 2], "those that were tried wait, so the others have their turn"


def test_the_status_tells_how_many_files_wait_for_what(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    world.put("broken.jpg", body=UNREADABLE)
    world.bucket.archived |= {"a.jpg", "b.jpg"}
    world.bucket.denied.add("c.jpg")
    world.sync()

    def waiting() -> dict[str, int]:
        shown: dict[str, int] = serializers.sync_status(world.current(), world.clock(), 0)["waiting"]
        return shown

    assert waiting() == {"access_denied": 1, "archived": 2}
    world.bucket.archived.clear()
    world.sync()
    assert waiting() == {"access_denied": 1}


def test_a_preview_tells_how_many_waiting_files_a_sync_would_try(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.bucket.archived.add("a.jpg")
    world.sync()
    preview = world.app.syncs.preview(world.current(), lambda: 100)
    assert (preview.to_retry, preview.unchanged, preview.examples["to_retry"]) == (1, 1, ["a.jpg"])
