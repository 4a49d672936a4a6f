"""Removed records are purged after thirty days, and keep their embeddings and thumbnails until then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.dynamodb.records import removal_key, removal_keys
from chalicelib.domain.errors import ContinuationLimit
from chalicelib.domain.files import REMOVAL_SHARDS, FileState, removal_shard
from chalicelib.domain.messages import MAX_CONTINUATIONS, PurgeStep
from chalicelib.services.pipeline.purge import CATCH_UP_DAYS
from tests.factories import a_record
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness, no_time, plenty

TOMBSTONE_TIME = timedelta(days=30)


def purge(world: Harness) -> int:
    """Purge every shard as the schedule does; returns how many records are gone."""
    before = len(world.ports.catalogue.records)
    world.app.purge.begin()
    assert world.work() == []
    return before - len(world.ports.catalogue.records)


@pytest.fixture
def with_removed(world: Harness) -> Harness:
    """Two pictures, one of which was removed today."""
    world.put("gone.jpg", "stays.jpg")
    world.sync()
    world.bucket.delete("gone.jpg")
    world.sync()
    return world


def test_a_record_removed_thirty_days_ago_is_kept_and_its_object_returns_without_embedding(
    with_removed: Harness,
) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME)
    assert purge(with_removed) == 0
    with_removed.put("gone.jpg")
    with_removed.sync()
    assert len(with_removed.embedder.embedded) == 2


def test_a_record_removed_longer_ago_is_purged_with_its_thumbnail_and_nothing_else(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    assert purge(with_removed) == 1
    stays = with_removed.record("stays.jpg")
    assert stays is not None and with_removed.record("gone.jpg") is None
    assert list(with_removed.ports.storage.thumbnails) == [(stays.collection, stays.thumbnail)]
    assert purge(with_removed) == 0


def test_the_days_of_a_record_that_was_removed_twice_count_from_the_second_time(with_removed: Harness) -> None:
    with_removed.clock.pass_by(timedelta(days=20))
    with_removed.put("gone.jpg")
    with_removed.sync()
    with_removed.bucket.delete("gone.jpg")
    with_removed.sync()
    with_removed.clock.pass_by(timedelta(days=20))
    assert purge(with_removed) == 0


def test_an_object_that_returns_while_its_record_is_purged_keeps_its_thumbnail(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    with_removed.put("gone.jpg")
    with_removed.interleave("catalogue", "delete", lambda: with_removed.apply("gone.jpg"))
    assert purge(with_removed) == 0
    returned = with_removed.record("gone.jpg")
    assert returned is not None and returned.thumbnail is not None
    thumbnail = with_removed.ports.storage.thumbnail(returned.collection, returned.thumbnail)
    assert thumbnail == b"thumbnail of picture of gone.jpg"


@pytest.mark.parametrize(("days_late", "purged"), [(60, 1), (CATCH_UP_DAYS, 1), (CATCH_UP_DAYS + 1, 0)])
def test_a_run_makes_up_for_missed_runs_of_more_than_a_year(with_removed: Harness, days_late: int, purged: int) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1 + days_late))
    assert purge(with_removed) == purged


def test_a_worker_whose_time_runs_out_hands_on_the_rest_with_its_day(world: Harness) -> None:
    keys = [f"{number}.jpg" for number in range(40)]
    world.put(*keys)
    world.sync()
    for key in keys:
        world.bucket.delete(key)
    world.sync(confirm_removals=True)
    world.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    world.app.purge = replace(world.app.purge, records_at_once=1)
    world.app.purge.begin()
    world.sqs.collect()
    deliveries = 0
    while world.sqs.waiting:
        assert world.deliver(world.sqs.waiting[0], Context(late_after=1))
        deliveries += 1
    assert world.ports.catalogue.records == {} and world.ports.storage.thumbnails == {}
    assert deliveries > REMOVAL_SHARDS


def test_a_message_that_is_handed_on_says_where_to_go_on_and_how_often_it_was_handed_on(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    record = with_removed.record("gone.jpg")
    assert record is not None
    step = PurgeStep(removal_shard(record.uuid))
    assert with_removed.app.purge.run(step, no_time).purged == 0
    day = record.updated_at.date().isoformat()
    ((sent, delay),) = with_removed.ports.queues.purges
    assert (sent, delay) == (PurgeStep(step.shard, day, continuation=1), 0)
    with pytest.raises(ContinuationLimit):
        with_removed.app.purge.run(PurgeStep(step.shard, day, MAX_CONTINUATIONS), no_time)


@pytest.mark.parametrize("days_late", [0, 3])
def test_a_run_tells_by_how_many_days_the_oldest_record_was_overdue(
    with_removed: Harness, days_late: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1 + days_late))
    record = with_removed.record("gone.jpg")
    assert record is not None
    assert with_removed.app.purge.run(PurgeStep(removal_shard(record.uuid)), plenty).overdue_days == days_late
    assert purge(with_removed) == 0
    assert '"PurgeOverdueDays":[0.0]' in capsys.readouterr().out


def test_removals_of_a_day_are_spread_over_partitions_and_those_of_earlier_versions_are_found(world: Harness) -> None:
    records = [a_record(world.collection, f"{number}.jpg", state=FileState.REMOVED) for number in range(1_600)]
    partitions = [sum(removal_key(r).endswith(f"#{shard:02}") for r in records) for shard in range(REMOVAL_SHARDS)]
    day = records[0].updated_at.date()
    assert sum(partitions) == len(records)
    assert all(50 < count < 200 for count in partitions)
    assert removal_keys(0, day) == [f"{day.isoformat()}#00", day.isoformat()]
    assert removal_keys(7, day) == [f"{day.isoformat()}#07"]
