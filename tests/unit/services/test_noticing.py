"""S3's news: which collections it concerns, and many pieces of it made into few messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.changes import BATCH_SIZE, Change
from chalicelib.domain.collections import Collection
from chalicelib.domain.files import newest
from chalicelib.domain.news import BucketChange
from tests.unit.services.world import BUCKET, World

CHANGES = st.builds(
    Change,
    st.just("a.jpg"),
    st.sampled_from(["01", "0101", "02", "F", None]),
    st.booleans(),
    st.sampled_from(["one", "two"]),
    st.just(3),
)


def passed_on(world: World, *changes: Change, bucket: str = BUCKET) -> dict[str, list[Change]]:
    """What goes to the index workers, by collection."""
    world.app.notices.pass_on(BucketChange(bucket, change) for change in changes)
    sent: dict[str, list[Change]] = {}
    for batch in world.ports.queues.batches:
        sent.setdefault(batch.collection, []).extend(batch.changes)
    return sent


@pytest.fixture
def nested(world: World) -> Collection:
    return world.add("b/")


def test_every_collection_whose_folder_holds_the_key_is_told(world: World, nested: Collection) -> None:
    inner, strangers = world.add("b/c/"), world.add("b/", account="a stranger")
    told = passed_on(world, Change("b/c/1.jpg"))
    assert told.keys() == {world.collection.uuid, nested.uuid, inner.uuid, strangers.uuid}


def test_a_neighbouring_folder_is_not_told(world: World, nested: Collection) -> None:
    assert passed_on(world, Change("bb/1.jpg"), Change("b")).keys() == {world.collection.uuid}


def test_what_stands_for_a_folder_is_no_news(world: World, nested: Collection) -> None:
    assert passed_on(world, Change("b/"), Change("b/c/")) == {}


def test_a_bucket_that_nobody_has_connected_does_no_harm(world: World) -> None:
    assert passed_on(world, Change("a.jpg"), bucket="somebody-elses") == {}


def test_in_managed_storage_the_key_names_its_collection(world: World) -> None:
    managed, other = world.add_managed(), world.add_managed()
    change = Change(f"{managed.prefix}a.jpg")
    told = passed_on(world, change, Change("objects/x/y/a.jpg"), Change("uploads/x/y/z"), bucket=managed.bucket)
    assert (told, other.uuid in told) == ({managed.uuid: [change]}, False)


def test_many_changes_go_in_few_messages(world: World) -> None:
    changes = [Change(f"{number}.jpg") for number in range(2 * BATCH_SIZE + 1)]
    assert passed_on(world, *changes) == {world.collection.uuid: changes}
    assert len(world.ports.queues.batches) == 3


@given(st.lists(CHANGES, min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_several_changes_of_one_object_become_one_that_is_as_late_as_the_latest(
    histories: tuple[list[Change], list[Change]],
) -> None:
    told, reordered = histories
    made = []
    for changes in (told, reordered):
        world = World()
        ((change,),) = passed_on(world, *changes).values()
        made.append(change)
    latest = None
    for each in told:
        latest = newest(latest, each.sequencer)
    assert {change.sequencer for change in made} == {latest}
    assert {change.retry for change in made} == {any(change.retry for change in told)}
    says = {change.etag for change in told if change.sequencer == latest}
    assert {change.etag for change in made} <= says


def test_an_object_restored_from_an_archive_is_looked_at_again(world: World) -> None:
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


def test_events_of_a_whole_life_in_any_order_end_at_what_the_bucket_has(world: World) -> None:
    world.put("a.jpg")
    for sequencer in ("03", "01", "0201", "02"):
        world.tell("a.jpg", sequencer)
    assert world.work() == []
    assert world.searchable() == {"a.jpg"}
    assert len(world.embedder.embedded) == 1
