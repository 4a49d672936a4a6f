"""A deleted collection is hidden at once; its data is removed page by page, with a last pass after all workers."""

from dataclasses import replace

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import ContinuationLimit, NotFound
from chalicelib.domain.messages import MAX_CONTINUATIONS, DeletionStep
from chalicelib.domain.uploads import NewUpload
from chalicelib.services.pipeline.deletion import EARLY_MESSAGE_DELAY_SECONDS, EARLY_MESSAGE_RETRIES
from tests.factories import a_record
from tests.fakes.application import CONFIG
from tests.unit.services.harness import Harness, no_time, plenty

KEYS = [f"{number}.jpg" for number in range(5)]


@pytest.fixture
def step(world: Harness) -> DeletionStep:
    return DeletionStep(world.collection.account, world.collection.uuid)


@pytest.fixture
def begun(world: Harness) -> Harness:
    """The deletion of a collection of five pictures has begun, and its message is taken off the queue."""
    world.put(*KEYS)
    world.sync()
    world.app.deletion.begin(world.current())
    world.ports.queues.deletions.clear()
    return world


def remaining_data(world: Harness, collection: Collection) -> list[object]:
    keys: list[object] = [key for owner, key in world.ports.catalogue.records if owner == collection.uuid]
    thumbnails = [thumbnail for owner, thumbnail in world.ports.storage.thumbnails if owner == collection.uuid]
    return [*keys, *thumbnails, *world.searchable(collection)]


def test_a_deletion_that_runs_in_a_circle_ends_with_an_error_and_is_continued_until_then(
    begun: Harness, step: DeletionStep
) -> None:
    begun.app.deletion.run(replace(step, continuation=MAX_CONTINUATIONS - 1), no_time)
    ((last, _),) = begun.ports.queues.deletions
    assert last.continuation == MAX_CONTINUATIONS
    begun.ports.queues.deletions.clear()
    with pytest.raises(ContinuationLimit):
        begun.app.deletion.run(last, no_time)
    assert begun.ports.queues.deletions == []


def test_a_collection_is_hidden_when_its_deletion_begins_and_its_bucket_is_left_alone(begun: Harness) -> None:
    with pytest.raises(NotFound):
        begun.app.collections.get(begun.collection.account, begun.collection.uuid)
    assert set(begun.bucket.objects) == set(KEYS)


def test_a_collection_can_be_deleted_only_once(world: Harness) -> None:
    collection = world.current()
    world.app.deletion.begin(collection)
    with pytest.raises(NotFound):
        world.app.deletion.begin(collection)


def test_the_message_is_sent_before_the_collection_is_hidden_and_is_retried_a_few_times_until_then(
    world: Harness, step: DeletionStep
) -> None:
    world.ports.queues.down = True
    with pytest.raises(ConnectionError):
        world.app.deletion.begin(world.current())
    assert world.app.collections.get(world.collection.account, world.collection.uuid), "not hidden without a message"
    world.ports.queues.down = False
    for retries in range(EARLY_MESSAGE_RETRIES):
        world.app.deletion.run(step, plenty)
        ((step, delay),) = world.ports.queues.deletions
        world.ports.queues.deletions.clear()
        assert (step.early, delay) == (retries + 1, EARLY_MESSAGE_DELAY_SECONDS)
    world.app.deletion.run(step, plenty)
    assert world.ports.queues.deletions == []


def test_all_data_is_removed_and_a_last_pass_follows_when_no_worker_can_be_running(
    begun: Harness, step: DeletionStep
) -> None:
    begun.app.deletion.run(step, plenty)
    assert remaining_data(begun, begun.collection) == []
    ((last, delay),) = begun.ports.queues.deletions
    assert (last.last, delay) == (True, CONFIG.deletion_grace)
    assert begun.ports.registry.deleted(step.account, step.collection) is not None


def test_the_last_pass_removes_what_a_slow_worker_has_written_and_then_the_collection_itself(
    begun: Harness, step: DeletionStep
) -> None:
    begun.app.deletion.run(step, plenty)
    late = a_record(begun.collection, "late.jpg")
    begun.ports.catalogue.records[late.collection, late.key] = late
    ((last, _),) = begun.ports.queues.deletions
    begun.ports.queues.deletions.clear()
    begun.app.deletion.run(last, plenty)
    assert remaining_data(begun, begun.collection) == []
    assert begun.ports.registry.deleted(step.account, step.collection) is None
    begun.app.deletion.run(last, plenty)  # its message is delivered twice
    assert begun.ports.queues.deletions[0][0].early == 1


def test_a_deletion_that_takes_longer_than_a_worker_may_run_is_continued_by_further_messages(
    begun: Harness, step: DeletionStep
) -> None:
    messages = 0
    while not step.last:
        begun.app.deletion.run(step, no_time)
        ((step, _),) = begun.ports.queues.deletions
        begun.ports.queues.deletions.clear()
        assert not step.early
        messages += 1
    assert (messages > 3, remaining_data(begun, begun.collection)) == (True, [])


def test_an_outage_of_the_vector_store_leaves_all_data_to_the_next_delivery(begun: Harness, step: DeletionStep) -> None:
    begun.vectors.down = True
    begun.sqs.send("deletions", step.to_json())
    assert [message.queue for message in begun.work()] == ["deletions"]
    assert len(begun.ports.catalogue.records) == len(KEYS)
    begun.vectors.down = False
    begun.work("deletions")
    assert remaining_data(begun, begun.collection) == []


def test_deleting_a_managed_collection_removes_its_pictures_and_refunds_their_quota(world: Harness) -> None:
    collection, other = world.add_managed(), world.add_managed()
    for owner in (collection, other):
        world.app.uploads.upload(world.caller, owner, "a.jpg", b"a picture")
    new = NewUpload("b.jpg", 9, "image/jpeg")
    upload = world.app.uploads.prepare(world.caller, collection, new).upload
    world.ports.sources.bucket(world.ports.storage.bucket).put(upload.staged_key, b"123456789")
    world.app.deletion.begin(collection)
    world.app.deletion.run(DeletionStep(collection.account, collection.uuid), plenty)
    managed = world.ports.sources.bucket(world.ports.storage.bucket)
    assert list(managed.objects) == [f"{other.prefix}a.jpg"]
    usage = world.ports.quota_ledger.usage(collection.account, "2026-03")
    assert (usage.managed_files, usage.managed_bytes) == (1, 9)
    assert world.searchable(other) == {f"{other.prefix}a.jpg"}
