"""Event routing: S3's events reach every collection that holds their objects, in few messages."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import Collection
from chalicelib.domain.messages import INDEX_BATCH_SIZE, ObjectHint
from chalicelib.domain.s3_events import ObjectEvent
from chalicelib.domain.sequencers import latest_sequencer
from tests.factories import a_collection_on_a_server
from tests.unit.services.harness import BUCKET, Harness

HINTS = st.builds(
    ObjectHint,
    st.just("a.jpg"),
    st.sampled_from(["01", "0101", "02", "F", None]),
    st.booleans(),
    st.sampled_from(["one", "two"]),
    st.just(3),
)
REORDERED_HINTS = st.lists(HINTS, min_size=1, max_size=6).flatmap(
    lambda hints: st.tuples(st.just(hints), st.permutations(hints))
)


def routed(world: Harness, *hints: ObjectHint, bucket: str = BUCKET) -> dict[str, list[ObjectHint]]:
    """The hints that are sent to the index workers, by collection."""
    world.app.event_router.route(ObjectEvent(bucket, hint) for hint in hints)
    sent: dict[str, list[ObjectHint]] = {}
    for batch in world.ports.queues.changes:
        sent.setdefault(batch.collection, []).extend(batch.hints)
    return sent


@pytest.fixture
def nested(world: Harness) -> Collection:
    return world.add("b/")


def test_an_event_reaches_every_collection_whose_folder_holds_the_key(world: Harness, nested: Collection) -> None:
    inner, of_another_account = world.add("b/c/"), world.add("b/", account="another account")
    sent = routed(world, ObjectHint("b/c/1.jpg"))
    assert sent.keys() == {world.collection.uuid, nested.uuid, inner.uuid, of_another_account.uuid}


def test_an_event_does_not_reach_a_neighbouring_folder(world: Harness, nested: Collection) -> None:
    assert routed(world, ObjectHint("bb/1.jpg"), ObjectHint("b")).keys() == {world.collection.uuid}


def test_an_event_never_reaches_a_bucket_of_the_same_name_on_another_server(world: Harness) -> None:
    """Its owner would be told the keys of somebody else's bucket."""
    world.ports.collections.add(a_collection_on_a_server(bucket=BUCKET, prefix=""))
    assert routed(world, ObjectHint("b/c/1.jpg")).keys() == {world.collection.uuid}


def test_an_event_of_a_folder_object_is_ignored(world: Harness, nested: Collection) -> None:
    assert routed(world, ObjectHint("b/"), ObjectHint("b/c/")) == {}


def test_an_event_reaches_only_the_collections_whose_patterns_select_the_key(world: Harness) -> None:
    drafts, all_of_it = world.add("drafts/"), world.collection
    world.change(all_of_it, exclude=("drafts/",))
    assert routed(world, ObjectHint("drafts/a.jpg")).keys() == {drafts.uuid}


@pytest.mark.parametrize("key", ["a.mp4", "a/@eaDir/a.jpg", "._a.jpg"])
def test_an_event_of_what_cannot_be_a_picture_is_ignored(world: Harness, key: str) -> None:
    assert routed(world, ObjectHint(key)) == {}


def test_in_managed_storage_every_name_is_selected(world: Harness) -> None:
    managed = world.add_managed()
    sent = routed(world, ObjectHint(f"{managed.prefix}owl.mp4"), bucket=world.ports.storage.bucket)
    assert sent.keys() == {managed.uuid}


def test_an_event_of_an_unknown_bucket_is_ignored(world: Harness) -> None:
    assert routed(world, ObjectHint("a.jpg"), bucket="an-unknown-bucket") == {}


def test_in_managed_storage_the_key_names_its_collection(world: Harness) -> None:
    managed, other = world.add_managed(), world.add_managed()
    hint = ObjectHint(f"{managed.prefix}a.jpg")
    sent = routed(world, hint, ObjectHint("objects/x/y/a.jpg"), ObjectHint("uploads/x/y/z"), bucket=managed.bucket)
    assert (sent, other.uuid in sent) == ({managed.uuid: [hint]}, False)


def test_many_events_are_sent_in_few_messages(world: Harness) -> None:
    hints = [ObjectHint(f"{number}.jpg") for number in range(2 * INDEX_BATCH_SIZE + 1)]
    assert routed(world, *hints) == {world.collection.uuid: hints}
    assert len(world.ports.queues.changes) == 3


@given(REORDERED_HINTS)
def test_several_events_of_one_object_are_merged_into_one_hint_with_the_latest_sequencer(
    orders: tuple[list[ObjectHint], list[ObjectHint]],
) -> None:
    merged = []
    for hints in orders:
        ((hint,),) = routed(Harness(), *hints).values()
        merged.append(hint)
    hints = orders[0]
    sequencers = [hint.sequencer for hint in hints]
    # One without a sequencer is of unknown age: the merged hint must not be taken for stale by another's.
    latest = None if None in sequencers else reduce(latest_sequencer, sequencers)
    assert {hint.sequencer for hint in merged} == {latest}
    assert {hint.retry for hint in merged} == {any(hint.retry for hint in hints)}
    latest_etags = {hint.etag for hint in hints if latest is None or hint.sequencer == latest}
    assert {hint.etag for hint in merged} <= latest_etags


def test_an_object_that_is_restored_from_an_archive_is_indexed(world: Harness) -> None:
    world.put("a.jpg")
    world.bucket.archived.add("a.jpg")
    world.sync()
    world.bucket.archived.clear()
    world.sqs.send(
        "events",
        '{"source": "aws.s3", "detail-type": "Object Restore Completed",'
        f' "detail": {{"bucket": {{"name": "{BUCKET}"}}, "object": {{"key": "a.jpg"}}}}}}',
    )
    assert world.work() == []
    assert world.searchable() == {"a.jpg"}


def test_events_in_any_order_leave_the_index_equal_to_the_bucket(world: Harness) -> None:
    world.put("a.jpg")
    for sequencer in ("03", "01", "0201", "02"):
        world.notify("a.jpg", sequencer)
    assert world.work() == []
    assert world.searchable() == {"a.jpg"}
    assert len(world.embedder.embedded) == 1
