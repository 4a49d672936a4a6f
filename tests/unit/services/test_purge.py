"""What has been gone for long is forgotten; what may come back at no cost is kept."""

from datetime import timedelta

import pytest

from tests.unit.services.harness import Harness, no_time, plenty

GRACE = timedelta(days=30)


@pytest.fixture
def gone(world: Harness) -> Harness:
    """A world with two pictures, one of which went today."""
    world.put("gone.jpg", "stays.jpg")
    world.sync()
    world.bucket.delete("gone.jpg")
    world.sync()
    return world


def test_what_is_gone_is_kept_for_thirty_days_and_its_return_opens_nothing(gone: Harness) -> None:
    gone.clock.pass_by(GRACE)
    assert gone.app.purge.run(plenty) == 0
    gone.put("gone.jpg")
    gone.sync()
    assert len(gone.embedder.embedded) == 2


def test_then_its_record_and_its_thumbnail_are_forgotten_and_nothing_else(gone: Harness) -> None:
    gone.clock.pass_by(GRACE + timedelta(days=1))
    assert gone.app.purge.run(plenty) == 1
    stays = gone.record("stays.jpg")
    assert stays is not None and gone.record("gone.jpg") is None
    assert list(gone.ports.storage.thumbnails) == [(stays.collection, stays.thumbnail)]
    assert gone.app.purge.run(plenty) == 0


def test_what_came_back_and_went_again_has_its_days_from_the_last_time(gone: Harness) -> None:
    gone.clock.pass_by(timedelta(days=20))
    gone.put("gone.jpg")
    gone.sync()
    gone.bucket.delete("gone.jpg")
    gone.sync()
    gone.clock.pass_by(timedelta(days=20))
    assert gone.app.purge.run(plenty) == 0


def test_an_object_that_comes_back_at_that_moment_keeps_its_picture(gone: Harness) -> None:
    gone.clock.pass_by(GRACE + timedelta(days=1))
    gone.put("gone.jpg")
    gone.interleave("catalogue", "delete", lambda: gone.apply("gone.jpg"))
    assert gone.app.purge.run(plenty) == 0
    back = gone.record("gone.jpg")
    assert back is not None and back.thumbnail is not None
    assert gone.ports.storage.thumbnail(back.collection, back.thumbnail) == b"thumbnail of picture of gone.jpg"


@pytest.mark.parametrize(("late", "forgotten"), [(60, 1), (121, 0)])
def test_runs_that_did_not_take_place_are_made_up_for_within_ninety_days(
    gone: Harness, late: int, forgotten: int
) -> None:
    gone.clock.pass_by(GRACE + timedelta(days=1 + late))
    assert gone.app.purge.run(plenty) == forgotten


def test_without_time_nothing_is_begun(gone: Harness) -> None:
    gone.clock.pass_by(GRACE + timedelta(days=1))
    assert gone.app.purge.run(no_time) == 0
    assert gone.record("gone.jpg") is not None
