"""Which messages of a delivery are applied together."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.changes import Change, change_groups
from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch, ObjectHint, merged_hints

HINTS = st.lists(st.sampled_from("abcdefgh").map(ObjectHint), min_size=1, max_size=INDEX_BATCH_SIZE)
BATCHES = st.builds(
    lambda owner, hints, sync, postponed: IndexBatch(
        *owner, tuple(hints), sync, sync and "sent.000.000000001", postponed
    ),
    st.sampled_from([("one", "a"), ("one", "b"), ("two", "a")]),
    HINTS,
    st.sampled_from([None, None, None, "a sync"]),
    st.integers(0, 2),
)
CHANGES = st.builds(
    lambda batch, received: Change(batch, received > 1, received), BATCHES, st.sampled_from([1, 1, 1, 2, 3])
)
DELIVERIES = st.lists(CHANGES, max_size=10).map(lambda changes: {f"m{n}": c for n, c in enumerate(changes)})


@given(DELIVERIES)
def test_every_message_is_in_one_group_and_is_what_it_was(changes: dict[str, Change]) -> None:
    groups = change_groups(changes)
    assert sum(map(len, groups)) == len(changes)
    assert {message_id: change for group in groups for message_id, change in group.items()} == changes


@given(DELIVERIES)
def test_a_group_is_of_one_collection_and_has_no_more_objects_than_a_message_may_have(
    changes: dict[str, Change],
) -> None:
    for group in change_groups(changes):
        assert len({(change.batch.account, change.batch.collection) for change in group.values()}) == 1
        assert len(group) == 1 or sum(len(change.batch.hints) for change in group.values()) <= INDEX_BATCH_SIZE


@given(DELIVERIES)
def test_a_message_that_was_delivered_before_or_that_a_sync_counts_is_alone(changes: dict[str, Change]) -> None:
    for group in change_groups(changes):
        if any(change.redelivered or change.batch.sync for change in group.values()):
            assert len(group) == 1


@given(DELIVERIES)
def test_the_least_delivered_come_first_then_the_most_postponed_then_small_groups(changes: dict[str, Change]) -> None:
    places = []
    for group in change_groups(changes):
        received = max(change.received for change in group.values())
        postponed = max(change.batch.postponed for change in group.values())
        size = sum(len(change.batch.hints) for change in group.values())
        places.append((received, -postponed, size) if received == 1 else (received, 0, 0))
    assert places == sorted(places)


@given(st.sets(st.uuids().map(str), min_size=2, max_size=10), st.sampled_from([2, 4, 6]))
def test_in_one_of_two_deliveries_each_message_comes_before_the_one_that_ends_the_worker(
    ids: set[str], received: int
) -> None:
    def order(count: int) -> list[str]:
        batch = IndexBatch("one", "a", (ObjectHint("a.jpg"),))
        return [each for group in change_groups({each: Change(batch, True, count) for each in ids}) for each in group]

    assert order(received) == order(received + 1)[::-1]


def test_ten_events_of_one_collection_are_one_group() -> None:
    changes = {f"m{n}": Change(IndexBatch("one", "a", (ObjectHint(f"{n}.jpg"),))) for n in range(10)}
    assert change_groups(changes) == [changes]


@given(st.lists(st.builds(ObjectHint, st.sampled_from("abc"), st.sampled_from([None, "01", "02"]), st.booleans())))
def test_merged_hints_have_each_key_once_and_keep_what_any_of_them_asks_for(hints: list[ObjectHint]) -> None:
    merged = merged_hints(hints)
    assert [hint.key for hint in merged] == list(dict.fromkeys(hint.key for hint in hints))
    for hint in merged:
        of_key = [each for each in hints if each.key == hint.key]
        assert hint.retry == any(each.retry for each in of_key)
        assert (hint.sequencer is None) == any(each.sequencer is None for each in of_key)
