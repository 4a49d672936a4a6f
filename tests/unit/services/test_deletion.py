"""A collection deleted: gone at once, cleared away leg by leg, and once more when no worker can be at it."""

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound
from chalicelib.domain.messages import DeletionStep
from chalicelib.domain.uploads import NewUpload
from chalicelib.services.pipeline.deletion import EARLY_ATTEMPTS, EARLY_SECONDS
from tests.factories import a_record
from tests.fakes.application import CONFIG
from tests.unit.services.harness import Harness, no_time, plenty

KEYS = [f"{number}.jpg" for number in range(5)]


@pytest.fixture
def step(world: Harness) -> DeletionStep:
    return DeletionStep(world.collection.account, world.collection.uuid)


@pytest.fixture
def begun(world: Harness) -> Harness:
    """A world in which the deletion of a collection of five pictures has begun, and its message has been taken."""
    world.put(*KEYS)
    world.sync()
    world.app.deletion.begin(world.current())
    world.ports.queues.deletions.clear()
    return world


def left(world: Harness, collection: Collection) -> list[object]:
    found: list[object] = [key for owner, key in world.ports.catalogue.records if owner == collection.uuid]
    found += [place for owner, place in world.ports.storage.thumbnails if owner == collection.uuid]
    return [*found, *world.searchable(collection)]


def test_it_is_gone_for_everybody_at_once_and_its_bucket_stays(begun: Harness) -> None:
    with pytest.raises(NotFound):
        begun.app.collections.get(begun.collection.account, begun.collection.uuid)
    assert set(begun.bucket.objects) == set(KEYS)


def test_two_who_delete_it_do_so_once(world: Harness) -> None:
    seen = world.current()
    world.app.deletion.begin(seen)
    with pytest.raises(NotFound):
        world.app.deletion.begin(seen)


def test_the_message_is_there_before_the_mark_and_waits_for_it_a_few_times(world: Harness, step: DeletionStep) -> None:
    world.ports.queues.down = True
    with pytest.raises(ConnectionError):
        world.app.deletion.begin(world.current())
    assert world.app.collections.get(world.collection.account, world.collection.uuid), "without a message, no mark"
    world.ports.queues.down = False
    for tries in range(EARLY_ATTEMPTS):
        world.app.deletion.run(step, plenty)
        ((step, delay),) = world.ports.queues.deletions
        world.ports.queues.deletions.clear()
        assert (step.early, delay) == (tries + 1, EARLY_SECONDS)
    world.app.deletion.run(step, plenty)
    assert world.ports.queues.deletions == []


def test_all_it_held_is_cleared_away_and_a_last_look_follows_when_no_worker_can_be_left(
    begun: Harness, step: DeletionStep
) -> None:
    begun.app.deletion.run(step, plenty)
    assert left(begun, begun.collection) == []
    ((last, delay),) = begun.ports.queues.deletions
    assert (last.last, delay) == (True, CONFIG.deletion_grace)
    assert begun.ports.registry.deleted(step.account, step.collection) is not None


def test_the_last_look_takes_what_a_slow_worker_has_written_and_then_the_mark(
    begun: Harness, step: DeletionStep
) -> None:
    begun.app.deletion.run(step, plenty)
    late = a_record(begun.collection, "late.jpg")
    begun.ports.catalogue.records[late.collection, late.key] = late
    ((last, _),) = begun.ports.queues.deletions
    begun.ports.queues.deletions.clear()
    begun.app.deletion.run(last, plenty)
    assert left(begun, begun.collection) == []
    assert begun.ports.registry.deleted(step.account, step.collection) is None
    begun.app.deletion.run(last, plenty)  # its message, handed out twice
    assert begun.ports.queues.deletions[0][0].early == 1


def test_what_takes_longer_than_a_worker_has_is_handed_on(begun: Harness, step: DeletionStep) -> None:
    legs = 0
    while not step.last:
        begun.app.deletion.run(step, no_time)
        ((step, _),) = begun.ports.queues.deletions
        begun.ports.queues.deletions.clear()
        assert not step.early
        legs += 1
    assert (legs > 3, left(begun, begun.collection)) == (True, [])


def test_a_store_that_is_down_leaves_everything_to_the_next_try(begun: Harness, step: DeletionStep) -> None:
    begun.vectors.down = True
    begun.post.send("deletions", step.to_json())
    assert [message.queue for message in begun.work()] == ["deletions"]
    assert len(begun.ports.catalogue.records) == len(KEYS)
    begun.vectors.down = False
    begun.work("deletions")
    assert left(begun, begun.collection) == []


def test_a_managed_collection_takes_its_pictures_and_their_share_with_it(world: Harness) -> None:
    collection, other = world.add_managed(), world.add_managed()
    for owner in (collection, other):
        world.app.uploads.upload(world.caller, owner, "a.jpg", b"a picture", only_new=False)
    new = NewUpload("b.jpg", 9, "image/jpeg")
    upload = world.app.uploads.prepare(world.caller, collection, new, only_new=False).upload
    world.ports.sources.bucket(world.ports.storage.bucket).put(upload.staged_key, b"123456789")
    world.app.deletion.begin(collection)
    world.app.deletion.run(DeletionStep(collection.account, collection.uuid), plenty)
    managed = world.ports.sources.bucket(world.ports.storage.bucket)
    assert list(managed.objects) == [f"{other.prefix}a.jpg"]
    usage = world.ports.quota_ledger.usage(collection.account, "2026-03")
    assert (usage.managed_files, usage.managed_bytes) == (1, 9)
    assert world.searchable(other) == {f"{other.prefix}a.jpg"}
