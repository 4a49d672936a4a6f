"""Removed records are purged after thirty days, and keep their embeddings and thumbnails until then."""

from datetime import timedelta

import pytest

from tests.unit.services.harness import Harness, no_time, plenty

TOMBSTONE_TIME = timedelta(days=30)


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
    assert with_removed.app.purge.run(plenty) == 0
    with_removed.put("gone.jpg")
    with_removed.sync()
    assert len(with_removed.embedder.embedded) == 2


def test_a_record_removed_longer_ago_is_purged_with_its_thumbnail_and_nothing_else(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    assert with_removed.app.purge.run(plenty) == 1
    stays = with_removed.record("stays.jpg")
    assert stays is not None and with_removed.record("gone.jpg") is None
    assert list(with_removed.ports.storage.thumbnails) == [(stays.collection, stays.thumbnail)]
    assert with_removed.app.purge.run(plenty) == 0


def test_the_days_of_a_record_that_was_removed_twice_count_from_the_second_time(with_removed: Harness) -> None:
    with_removed.clock.pass_by(timedelta(days=20))
    with_removed.put("gone.jpg")
    with_removed.sync()
    with_removed.bucket.delete("gone.jpg")
    with_removed.sync()
    with_removed.clock.pass_by(timedelta(days=20))
    assert with_removed.app.purge.run(plenty) == 0


def test_an_object_that_returns_while_its_record_is_purged_keeps_its_thumbnail(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    with_removed.put("gone.jpg")
    with_removed.interleave("catalogue", "delete", lambda: with_removed.apply("gone.jpg"))
    assert with_removed.app.purge.run(plenty) == 0
    returned = with_removed.record("gone.jpg")
    assert returned is not None and returned.thumbnail is not None
    thumbnail = with_removed.ports.storage.thumbnail(returned.collection, returned.thumbnail)
    assert thumbnail == b"thumbnail of picture of gone.jpg"


@pytest.mark.parametrize(("days_late", "purged"), [(60, 1), (121, 0)])
def test_a_run_makes_up_for_missed_runs_of_the_last_ninety_days(
    with_removed: Harness, days_late: int, purged: int
) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1 + days_late))
    assert with_removed.app.purge.run(plenty) == purged


def test_a_run_without_time_left_purges_nothing(with_removed: Harness) -> None:
    with_removed.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    assert with_removed.app.purge.run(no_time) == 0
    assert with_removed.record("gone.jpg") is not None
