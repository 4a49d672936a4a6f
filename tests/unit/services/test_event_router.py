"""S3's news: which collections it concerns, and many pieces of it made into few messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import latest_sequencer
from chalicelib.domain.messages import INDEX_BATCH_SIZE, ObjectHint
from chalicelib.domain.s3_events import ObjectEvent
from tests.unit.services.harness import BUCKET, Harness

CHANGES = st.builds(
    ObjectHint,
    st.just("a.jpg"),
    st.sampled_from(["01", "0101", "02", "F", None]),
    st.booleans(),
    st.sampled_from(["one", "two"]),
    st.just(3),
)


def passed_on(world: Harness, *changes: ObjectHint, bucket: str = BUCKET) -> dict[str, list[ObjectHint]]:
    """What goes to the index workers, by collection."""
    world.app.event_router.route(ObjectEvent(bucket, change) for change in changes)
    sent: dict[str, list[ObjectHint]] = {}
    for batch in world.ports.queues.batches:
        sent.setdefault(batch.collection, []).extend(batch.hints)
    return sent


@pytest.fixture
def nested(world: Harness) -> Collection:
    return world.add("b/")


def test_every_collection_whose_folder_holds_the_key_is_told(world: Harness, nested: Collection) -> None:
    inner, strangers = world.add("b/c/"), world.add("b/", account="a stranger")
    told = passed_on(world, ObjectHint("b/c/1.jpg"))
    assert told.keys() == {world.collection.uuid, nested.uuid, inner.uuid, strangers.uuid}


def test_a_neighbouring_folder_is_not_told(world: Harness, nested: Collection) -> None:
    assert passed_on(world, ObjectHint("bb/1.jpg"), ObjectHint("b")).keys() == {world.collection.uuid}


def test_what_stands_for_a_folder_is_no_news(world: Harness, nested: Collection) -> None:
    assert passed_on(world, ObjectHint("b/"), ObjectHint("b/c/")) == {}


def test_a_bucket_that_nobody_has_connected_does_no_harm(world: Harness) -> None:
    assert passed_on(world, ObjectHint("a.jpg"), bucket="somebody-elses") == {}


def test_in_managed_storage_the_key_names_its_collection(world: Harness) -> None:
    managed, other = world.add_managed(), world.add_managed()
    change = ObjectHint(f"{managed.prefix}a.jpg")
    told = passed_on(world, change, ObjectHint("objects/x/y/a.jpg"), ObjectHint("uploads/x/y/z"), bucket=managed.bucket)
    assert (told, other.uuid in told) == ({managed.uuid: [change]}, False)


def test_many_changes_go_in_few_messages(world: Harness) -> None:
    changes = [ObjectHint(f"{number}.jpg") for number in range(2 * INDEX_BATCH_SIZE + 1)]
    assert passed_on(world, *changes) == {world.collection.uuid: changes}
    assert len(world.ports.queues.batches) == 3


@given(st.lists(CHANGES, min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_several_changes_of_one_object_become_one_that_is_as_late_as_the_latest(
    histories: tuple[list[ObjectHint], list[ObjectHint]],
) -> None:
    told, reordered = histories
    made = []
    for changes in (told, reordered):
        world = Harness()
        ((change,),) = passed_on(world, *changes).values()
        made.append(change)
    latest = None
    for each in told:
        latest = latest_sequencer(latest, each.sequencer)
    assert {change.sequencer for change in made} == {latest}
    assert {change.retry for change in made} == {any(change.retry for change in told)}
    says = {change.etag for change in told if change.sequencer == latest}
    assert {change.etag for change in made} <= says


def test_an_object_restored_from_an_archive_is_looked_at_again(world: Harness) -> None:
    world.put("a.jpg")
    world.bucket.archived.add("a.jpg")
    world.sync()
    world.bucket.archived.clear()
    world.post.send(
        "events",
        '{"source": "aws.s3", "detail-type": "Object Restore Completed",'
        f' "detail": {{"bucket": {{"name": "{BUCKET}"}}, "object": {{"key": "a.jpg"}}}}}}',
    )
    assert world.work() == []
    assert world.searchable() == {"a.jpg"}


def test_events_of_a_whole_life_in_any_order_end_at_what_the_bucket_has(world: Harness) -> None:
    world.put("a.jpg")
    for sequencer in ("03", "01", "0201", "02"):
        world.tell("a.jpg", sequencer)
    assert world.work() == []
    assert world.searchable() == {"a.jpg"}
    assert len(world.embedder.embedded) == 1
