"""Thumbnails that no file shows are found and swept; whatever a file shows, or may be about to, is left."""

from datetime import timedelta

import pytest

from chalicelib.services.maintenance.orphaned_thumbnails import ORPHAN_MIN_AGE
from tests.unit.services.harness import Harness, WorkerKilled, die


@pytest.fixture
def littered(world: Harness) -> Harness:
    """Two pictures, one of them gone, and what a worker left that died before it could say what it had stored."""
    world.put("a.jpg", "gone.jpg")
    world.sync()
    world.bucket.delete("gone.jpg")
    world.sync()
    world.put("c.jpg")
    world.interleave("catalogue", "save_all", die)
    with pytest.raises(WorkerKilled):
        world.apply("c.jpg")
    world.sync()
    return world


def test_only_what_no_record_has_is_swept_and_what_is_gone_keeps_its_own_for_a_return(littered: Harness) -> None:
    littered.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    assert len(littered.ports.storage.thumbnails) == 4
    assert littered.app.orphaned_thumbnails.sweep(littered.current()) == 1
    records = littered.ports.catalogue.records.values()
    assert set(littered.ports.storage.thumbnails) == {(record.collection, record.thumbnail) for record in records}
    assert littered.app.orphaned_thumbnails.sweep(littered.current()) == 0


def test_what_is_younger_than_a_day_may_be_somebodys_in_a_moment(littered: Harness) -> None:
    littered.clock.pass_by(ORPHAN_MIN_AGE)
    assert list(littered.app.orphaned_thumbnails.orphans(littered.current())) == []


def test_looking_deletes_nothing(littered: Harness) -> None:
    littered.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    before = littered.everything()
    assert len(list(littered.app.orphaned_thumbnails.orphans(littered.current()))) == 1
    assert littered.everything() == before


def test_a_record_that_was_not_there_when_all_were_read_is_asked_once_more(littered: Harness) -> None:
    record = littered.record("a.jpg")
    assert record is not None
    littered.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    records = littered.ports.catalogue.records
    del records[record.collection, record.key]
    littered.interleave(
        "storage", "stored_thumbnails", lambda: records.update({(record.collection, record.key): record})
    )
    assert record.thumbnail not in list(littered.app.orphaned_thumbnails.orphans(littered.current()))


def test_another_collections_thumbnails_are_its_own(littered: Harness) -> None:
    other = littered.add("b/")
    littered.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    assert littered.app.orphaned_thumbnails.sweep(other) == 0
