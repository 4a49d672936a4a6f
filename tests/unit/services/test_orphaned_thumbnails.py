"""Orphaned thumbnails are found and deleted; every thumbnail that a record names, or may name soon, is kept."""

from datetime import timedelta

import pytest

from chalicelib.services.maintenance.orphaned_thumbnails import ORPHAN_MIN_AGE
from tests.unit.services.harness import Harness, WorkerKilled, die


@pytest.fixture
def with_orphan(world: Harness) -> Harness:
    """Two pictures, a removed one, and the thumbnail of a worker that crashed before it saved the record."""
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


def make_orphans_old(world: Harness) -> None:
    world.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))


def test_only_a_thumbnail_that_no_record_names_is_deleted_and_removed_records_keep_theirs(with_orphan: Harness) -> None:
    make_orphans_old(with_orphan)
    assert len(with_orphan.ports.storage.thumbnails) == 4
    assert with_orphan.app.orphaned_thumbnails.delete(with_orphan.current()) == 1
    records = with_orphan.ports.catalogue.records.values()
    assert set(with_orphan.ports.storage.thumbnails) == {(record.collection, record.thumbnail) for record in records}
    assert with_orphan.app.orphaned_thumbnails.delete(with_orphan.current()) == 0


def test_a_thumbnail_younger_than_a_day_is_kept_because_its_record_may_follow(with_orphan: Harness) -> None:
    with_orphan.clock.pass_by(ORPHAN_MIN_AGE)
    assert list(with_orphan.app.orphaned_thumbnails.find(with_orphan.current())) == []


def test_finding_orphans_deletes_nothing(with_orphan: Harness) -> None:
    make_orphans_old(with_orphan)
    before = with_orphan.everything()
    assert len(list(with_orphan.app.orphaned_thumbnails.find(with_orphan.current()))) == 1
    assert with_orphan.everything() == before


def test_a_record_that_appears_after_all_were_read_keeps_its_thumbnail(with_orphan: Harness) -> None:
    record = with_orphan.record("a.jpg")
    assert record is not None
    make_orphans_old(with_orphan)
    records = with_orphan.ports.catalogue.records
    del records[record.collection, record.key]
    with_orphan.interleave(
        "storage", "stored_thumbnails", lambda: records.update({(record.collection, record.key): record})
    )
    assert record.thumbnail not in list(with_orphan.app.orphaned_thumbnails.find(with_orphan.current()))


def test_thumbnails_of_another_collection_are_not_its_orphans(with_orphan: Harness) -> None:
    other = with_orphan.add("b/")
    make_orphans_old(with_orphan)
    assert with_orphan.app.orphaned_thumbnails.delete(other) == 0
