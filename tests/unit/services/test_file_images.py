"""The images of records are stored before them, and none outlives its file, its collection or a purge."""

from datetime import timedelta

import pytest

from chalicelib.domain.file_images import image_of
from chalicelib.domain.files import FileState, file_uuid
from chalicelib.domain.messages import DeletionStep, PurgeStep
from tests.unit.services.harness import Harness, WorkerKilled, die, plenty

TOMBSTONE_TIME = timedelta(days=30)


@pytest.fixture
def world() -> Harness:
    return Harness()


def images(world: Harness, key: str = "a.jpg") -> list[object]:
    return list(world.ports.catalogue.images_of([file_uuid(world.collection.uuid, key)]))


def purge_all(world: Harness) -> int:
    return sum(world.app.purge.run(PurgeStep(shard), plenty).purged for shard in range(16))


def test_a_file_has_the_image_of_its_present_bytes_and_no_other(world: Harness) -> None:
    for body in (b"one", b"two", b"two", b"one"):
        world.put("a.jpg", body=body)
        world.sync()
        record = world.record("a.jpg")
        assert record is not None
        assert images(world) == [image_of(record)]


def test_a_removed_file_keeps_its_image_and_a_failed_one_has_none(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    (image,) = images(world)
    world.bucket.delete("a.jpg")
    world.sync(confirm_removals=True)
    assert images(world) == [image]
    world.put("a.jpg", body=b"not a picture")
    world.sync()
    record = world.record("a.jpg")
    assert record is not None and record.state is FileState.FAILED
    assert images(world) == []


def test_a_worker_that_is_refused_deletes_its_own_image_and_keeps_the_others(world: Harness) -> None:
    world.put("a.jpg")
    world.interleave("catalogue", "save_all", lambda: world.apply("a.jpg"))
    world.apply("a.jpg")
    record = world.record("a.jpg")
    assert record is not None
    assert images(world) == [image_of(record)]


def test_what_a_worker_left_that_died_before_its_record_goes_with_the_file(world: Harness) -> None:
    world.put("a.jpg")
    world.interleave("catalogue", "save_all", die)
    with pytest.raises(WorkerKilled):
        world.apply("a.jpg")
    assert len(images(world)) == 1 and world.record("a.jpg") is None
    world.apply("a.jpg", redelivered=True)
    assert len(images(world)) == 2
    world.bucket.delete("a.jpg")
    world.sync(confirm_removals=True)
    world.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    assert purge_all(world) == 1
    assert (images(world), world.record("a.jpg")) == ([], None)


def test_an_image_whose_record_was_never_written_is_not_embedded_again(world: Harness) -> None:
    world.put("a.jpg")
    world.interleave("catalogue", "save_all", die)
    with pytest.raises(WorkerKilled):
        world.apply("a.jpg")
    embedded = list(world.embedder.embedded)
    world.apply("a.jpg", redelivered=True)
    assert world.searchable() == {"a.jpg"}
    assert world.embedder.embedded == embedded


@pytest.mark.parametrize("method", ["delete_images", "delete"])
def test_a_purge_that_dies_is_finished_by_the_next_one(world: Harness, method: str) -> None:
    world.put("a.jpg")
    world.sync()
    world.bucket.delete("a.jpg")
    world.sync(confirm_removals=True)
    world.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    world.interleave("catalogue", method, die)
    with pytest.raises(WorkerKilled):
        purge_all(world)
    assert world.record("a.jpg") is not None
    assert purge_all(world) == 1
    assert (images(world), world.record("a.jpg")) == ([], None)


def test_a_purge_leaves_a_record_of_a_collection_that_is_being_deleted_to_its_deletion(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    world.bucket.delete("a.jpg")
    world.sync(confirm_removals=True)
    world.clock.pass_by(TOMBSTONE_TIME + timedelta(days=1))
    world.interleave("catalogue", "save_all", lambda: world.app.deletion.begin(world.collection))
    assert purge_all(world) == 0


def test_the_images_of_a_collection_are_deleted_with_it(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg")
    world.sync()
    world.app.deletion.begin(world.current())
    world.app.deletion.run(DeletionStep(world.collection.account, world.collection.uuid), plenty)
    assert world.ports.catalogue.images == {}


def test_a_worker_whose_collection_is_deleted_meanwhile_leaves_no_image(world: Harness) -> None:
    world.put("a.jpg")
    world.interleave("catalogue", "save_all", lambda: world.app.deletion.begin(world.collection))
    world.apply("a.jpg")
    assert world.ports.catalogue.images == {}


def test_a_redelivered_message_of_a_deleted_collection_deletes_what_its_worker_has_left(world: Harness) -> None:
    world.put("a.jpg")
    world.interleave("catalogue", "save_all", die)
    with pytest.raises(WorkerKilled):
        world.apply("a.jpg")
    world.app.deletion.begin(world.current())
    assert len(images(world)) == 1
    world.apply("a.jpg", redelivered=True)
    assert images(world) == []
