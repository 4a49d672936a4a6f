"""The sync worker: which batches it sends, when it sends removals, when it asks before, and how a sync ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.messages import MAX_CONTINUATIONS, SyncStep
from chalicelib.domain.syncs import Progress
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness

MANY = [f"{number:02}.jpg" for number in range(20)]


def test_a_bucket_that_may_not_be_listed_fails_the_sync_with_the_reason_and_removes_nothing(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    world.bucket.unlisted = True
    state = world.sync()
    assert (state.status, world.sqs.waiting) == (SyncStatus.FAILED, [])
    assert "may not be listed" in str(state.reason)
    assert world.searchable() == {"a.jpg"}
    world.bucket.unlisted = False
    assert world.sync().status is SyncStatus.COMPLETED


@pytest.mark.parametrize("objects", [0, 1, 2])
def test_a_listing_that_breaks_off_removes_nothing_and_is_retried(objects: int) -> None:
    world = Harness(chunk_keys=1, min_saved_differences=1)
    world.put("a.jpg", "c.jpg")
    world.sync()
    world.bucket.delete("a.jpg")
    world.put("b.jpg", "d.jpg")
    world.bucket.breaks_off = objects
    world.start()
    (message,) = world.work()
    assert message.queue == "sync"
    assert world.searchable() >= {"a.jpg", "c.jpg"}
    assert world.state().status is SyncStatus.IN_PROGRESS
    assert "SourceUnavailable" in world.reasons()[0]
    world.bucket.breaks_off = None
    assert world.work() == []
    assert (world.state().status, world.searchable()) == (SyncStatus.COMPLETED, {"b.jpg", "c.jpg", "d.jpg"})


def test_a_sync_that_runs_in_a_circle_fails_with_the_reason_and_a_metric(capsys: pytest.CaptureFixture[str]) -> None:
    world = Harness(chunk_keys=1, min_saved_differences=1)
    world.put(*MANY)
    sync = world.start()
    world.sqs.waiting.clear()
    step = SyncStep(world.collection.account, world.collection.uuid, sync, continuation=MAX_CONTINUATIONS)
    world.ports.queues.send_sync(step)
    world.sqs.collect()
    (message,) = world.sqs.waiting
    assert not world.deliver(message, Context(late_after=0))
    assert world.state().status is SyncStatus.FAILED
    assert "continued 5,000 times" in str(world.state().reason)
    assert '"ContinuationLimits":[1.0]' in capsys.readouterr().out
    assert world.deliver(message), "its redelivery has nothing left to do"


def test_a_scan_is_retried_after_an_outage_of_the_embedder(world: Harness) -> None:
    world.put("a.jpg")
    world.embedder.down = True
    world.start()
    assert [message.queue for message in world.work()] == ["sync"]
    assert world.state().progress == Progress()
    world.embedder.down = False
    world.work()
    assert world.state().status is SyncStatus.COMPLETED


def test_removals_are_sent_only_when_every_key_range_has_been_scanned(world: Harness) -> None:
    world.put("a.jpg", "z.jpg")
    world.sync()
    world.ports.syncs.save_splits(world.collection.uuid, ["m"])
    world.bucket.delete("a.jpg")
    world.start()
    first, second = world.sqs.waiting
    world.deliver(first)
    assert (world.state().progress.to_remove, world.sqs.waiting) == (1, [second])
    world.work()
    assert (world.state().status, world.searchable()) == (SyncStatus.COMPLETED, {"z.jpg"})


def test_a_sync_that_would_remove_most_of_a_collection_asks_first_and_removes_nothing(world: Harness) -> None:
    world.put(*MANY)
    world.sync()
    for key in MANY[:11]:
        world.bucket.delete(key)
    state = world.sync()
    assert (state.status, state.last_sync is not None) == (SyncStatus.NEEDS_CONFIRMATION, True)
    assert "11 of 20 pictures are gone" in str(state.reason)
    assert "confirm_removals" in str(state.reason)
    assert world.searchable() == set(MANY)
    assert world.sync().status is SyncStatus.NEEDS_CONFIRMATION, "another sync asks again"


def test_new_objects_are_indexed_although_the_sync_asks_about_removals(world: Harness) -> None:
    world.put(*MANY)
    world.sync()
    for key in MANY[:15]:
        world.bucket.delete(key)
    world.put("new.jpg")
    state = world.sync()
    assert (state.status, state.progress.tally.done) == (SyncStatus.NEEDS_CONFIRMATION, 1)
    assert "new.jpg" in world.searchable()


def test_a_confirmed_sync_removes_the_files_of_all_removed_objects(world: Harness) -> None:
    world.put(*MANY)
    world.sync()
    for key in MANY[1:]:
        world.bucket.delete(key)
    assert world.sync().status is SyncStatus.NEEDS_CONFIRMATION
    state = world.sync(confirm_removals=True)
    assert (state.status, state.progress.tally.removed) == (SyncStatus.COMPLETED, 19)
    assert world.searchable() == {MANY[0]}


@pytest.mark.parametrize(("files", "removed"), [(20, 10), (19, 19)])
def test_half_of_a_collection_or_all_of_a_small_one_is_removed_without_asking(
    world: Harness, files: int, removed: int
) -> None:
    world.put(*MANY[:files])
    world.sync()
    for key in MANY[:removed]:
        world.bucket.delete(key)
    assert world.sync().status is SyncStatus.COMPLETED
    assert len(world.searchable()) == files - removed


def test_objects_that_were_never_indexed_do_not_count_as_removals(world: Harness) -> None:
    world.put(*MANY)
    for number in range(30):
        world.put(f"words-{number}", body=b"not a picture")
    world.sync()
    for key in [key for key in world.bucket.objects if key.startswith("words")]:
        world.bucket.delete(key)
    state = world.sync()
    assert (state.status, state.progress.to_do, state.progress.to_remove) == (SyncStatus.COMPLETED, 30, 0)


def test_an_unchanged_bucket_causes_no_batch_and_no_write_of_a_record(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.sync()
    records = dict(world.ports.catalogue.records)
    world.start()
    world.work("sync")
    assert (world.sqs.waiting, world.state().status) == ([], SyncStatus.COMPLETED)
    assert (world.state().progress.listed, world.state().progress.to_do) == (2, 0)
    assert world.ports.catalogue.records == records


def test_folder_objects_and_keys_outside_the_prefix_are_not_indexed() -> None:
    world = Harness()
    nested = world.add("b/")
    world.put("b/", "b/folder/", body=b"")
    world.put("a.jpg", "b/a.jpg", "bb.jpg")
    assert world.sync(nested).progress.listed == 1
    assert world.searchable(nested) == {"b/a.jpg"}


@given(st.lists(st.integers(0, 3), min_size=12, max_size=12), st.integers(1, 3), st.integers(1, 5))
def test_each_object_is_sent_once_wherever_the_time_of_workers_runs_out(
    clock_checks: list[int], chunk_keys: int, min_saved_differences: int
) -> None:
    world = Harness(chunk_keys=chunk_keys, min_saved_differences=min_saved_differences)
    world.put(*MANY[:9])
    world.start()
    late_after = iter(clock_checks)
    while waiting := [message for message in world.sqs.waiting if message.queue == "sync"]:
        assert world.deliver(waiting[0], Context(late_after=next(late_after, 1_000)))
    world.work()
    state = world.state()
    assert (state.status, state.progress.listed, state.progress.to_do) == (SyncStatus.COMPLETED, 9, 9)
    assert (state.progress.tally.done, len(world.embedder.embedded)) == (9, 9)


def test_a_late_message_of_an_earlier_continuation_is_ignored() -> None:
    world = Harness(chunk_keys=1)
    world.put("a.jpg", "b.jpg")
    world.start()
    (first,) = world.sqs.waiting
    world.deliver(first, Context(late_after=0))
    world.work("sync")
    before = world.everything()
    world.sqs.waiting.append(first)
    assert world.deliver(first)
    assert world.everything() == before


def test_a_batch_that_was_stored_and_not_sent_is_sent_by_the_next_worker_and_counts_once(world: Harness) -> None:
    world.put("a.jpg")
    world.start()
    (message,) = world.sqs.waiting
    world.ports.queues.down = True
    assert not world.deliver(message)
    assert (world.state().progress.to_do, world.sqs.waiting) == (1, [message])
    world.ports.queues.down = False
    world.work()
    assert world.state().status is SyncStatus.COMPLETED
    assert (world.state().progress.to_do, world.state().progress.tally.done) == (1, 1)


def test_a_batch_that_is_delivered_twice_counts_once(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.start()
    world.work("sync")
    (batch,) = world.sqs.waiting
    for _ in range(3):
        assert world.deliver(batch)
    assert world.state().progress.tally.done == 2
    assert (world.state().outstanding, world.state().status) == (0, SyncStatus.COMPLETED)


def test_a_sync_completes_with_its_last_batch() -> None:
    world = Harness(chunk_keys=1, min_saved_differences=1)
    world.put("a.jpg", "b.jpg", "c.jpg")
    world.start()
    world.work("sync")
    while world.sqs.waiting:
        assert world.state().status is SyncStatus.IN_PROGRESS
        world.deliver(world.sqs.waiting[-1])
    assert world.state().status is SyncStatus.COMPLETED


def test_a_message_for_a_sync_of_a_deleted_collection_is_dropped(world: Harness) -> None:
    world.start()
    world.ports.registry.begin_deletion(world.collection, world.clock())
    assert world.work() == []


def test_a_message_for_another_sync_than_the_running_one_is_dropped(world: Harness) -> None:
    step = SyncStep(world.collection.account, world.collection.uuid, "another")
    world.sqs.send("sync", step.to_json())
    assert world.work() == []
    assert world.sqs.waiting == []
