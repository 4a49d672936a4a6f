"""Deletions of many files: by name and by folder, at once and by workers, interrupted and repeated."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_deletions import EXAMPLES, KEYS_PER_MESSAGE, DeletionOutcome
from chalicelib.domain.files import FileState, file_uuid
from chalicelib.services import file_deletion
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness, WorkerKilled, die, no_time, plenty

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


def upload(world: Harness, collection: Collection, *names: str) -> list[str]:
    """Upload pictures; returns their uuids."""
    for name in names:
        world.app.uploads.upload(world.caller, collection, name, f"picture {name}".encode(), only_new=False)
    world.work()
    return [file_uuid(collection.uuid, collection.prefix + name) for name in names]


def delete(world: Harness, *uuids: str, dry_run: bool = False, account: str | None = None) -> dict[str, str]:
    """The outcomes by uuid."""
    owner = account or world.caller.account
    report = world.app.file_deletion.delete_named(owner, uuids, plenty, dry_run=dry_run)
    return {file.uuid: file.outcome.value for file in report.files}


def names(world: Harness, collection: Collection) -> list[str]:
    """The names of the files that are left, as the catalogue, the storage and the store have them alike."""
    left = [r.key for (c, _), r in world.ports.catalogue.records.items() if c == collection.uuid]
    left = [key for key in left if world.ports.catalogue.records[collection.uuid, key].state is not FileState.REMOVED]
    stored = world.ports.sources.bucket(collection.bucket).objects
    assert sorted(left) == sorted(key for key in stored if key.startswith(collection.prefix))
    assert set(left) == world.searchable(collection)
    counts = world.ports.quota_ledger.counts[collection.account]
    assert counts.files == len(left)
    assert counts.bytes == sum(len(stored[key]) for key in left)
    return sorted(map(collection.path_of, left))


def test_each_named_file_is_answered_in_the_order_of_the_request(world: Harness, managed: Collection) -> None:
    a, b, c = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    world.put("theirs.jpg")
    world.sync()
    theirs = file_uuid(world.collection.uuid, "theirs.jpg")
    report = world.app.file_deletion.delete_named(world.caller.account, [MISSING, c, theirs, a], plenty, dry_run=False)
    assert [(file.uuid, file.outcome, file.path) for file in report.files] == [
        (MISSING, DeletionOutcome.NOT_FOUND, None),
        (c, DeletionOutcome.DELETED, "c.jpg"),
        (theirs, DeletionOutcome.REFUSED, "theirs.jpg"),
        (a, DeletionOutcome.DELETED, "a.jpg"),
    ]
    assert (report.count, report.complete) == (2, True)
    assert names(world, managed) == ["b.jpg"] and world.searchable() == {"theirs.jpg"}
    assert delete(world, a, b) == {a: "not_found", b: "deleted"}
    assert names(world, managed) == []


def test_a_dry_run_deletes_nothing(world: Harness, managed: Collection) -> None:
    a, b = upload(world, managed, "a.jpg", "b.jpg")
    delete(world, b)
    before = world.everything()
    assert delete(world, a, b, MISSING, dry_run=True) == {a: "matched", b: "not_found", MISSING: "not_found"}
    assert world.app.file_deletion.delete_matching(managed, "", dry_run=True).count == 1
    assert world.everything() == before


def test_anothers_files_are_not_found(world: Harness, managed: Collection) -> None:
    (a,) = upload(world, managed, "a.jpg")
    for dry_run in (True, False):
        assert delete(world, a, account="a stranger", dry_run=dry_run) == {a: "not_found"}
    assert names(world, managed) == ["a.jpg"]


def test_what_the_request_has_no_time_for_is_deleted_by_a_worker(world: Harness, managed: Collection) -> None:
    uuids = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    report = world.app.file_deletion.delete_named(world.caller.account, uuids, no_time, dry_run=False)
    assert [file.outcome for file in report.files] == [DeletionOutcome.PENDING] * 3
    assert names(world, managed) == ["a.jpg", "b.jpg", "c.jpg"]
    assert world.work() == []
    assert names(world, managed) == []


def test_a_file_that_another_request_has_locked_is_deleted_by_a_worker(world: Harness, managed: Collection) -> None:
    a, b = upload(world, managed, "a.jpg", "b.jpg")
    ledger, now = world.ports.quota_ledger, world.clock()
    file = (managed.account, managed.uuid, f"{managed.prefix}a.jpg")
    ledger.locks[file] = ("another", now + timedelta(seconds=60))
    assert delete(world, a, b) == {a: "pending", b: "deleted"}
    assert len(world.work()) == 1, "the message comes back while the lock is held"
    del ledger.locks[file]
    assert world.work() == []
    assert names(world, managed) == []


def test_a_worker_that_has_no_time_left_goes_on_with_the_next_delivery(world: Harness, managed: Collection) -> None:
    uuids = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    world.app.file_deletion.delete_named(world.caller.account, uuids, no_time, dry_run=False)
    world.sqs.collect()
    (message,) = world.sqs.waiting
    assert not world.deliver(message, Context(late_after=1))
    assert len(names(world, managed)) == 2
    assert world.deliver(message)
    assert names(world, managed) == []


@pytest.mark.parametrize(
    ("port", "method"),
    [
        ("storage", "delete"),
        ("catalogue", "save_all"),
        ("storage", "delete_thumbnail"),
        ("catalogue", "save"),
        ("quota_ledger", "refund_file"),
    ],
)
def test_a_worker_that_dies_within_a_deletion_leaves_it_to_the_next(
    world: Harness, managed: Collection, port: str, method: str
) -> None:
    uuids = upload(world, managed, "a.jpg", "b.jpg")
    world.app.file_deletion.delete_named(world.caller.account, uuids, no_time, dry_run=False)
    world.interleave(port, method, die)
    with pytest.raises(WorkerKilled):
        world.work()
    world.clock.pass_by(timedelta(minutes=5))
    assert world.work() == []
    assert names(world, managed) == []


def test_a_folder_is_deleted_by_workers_and_its_neighbours_stay(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "KEYS_PER_MESSAGE", 5)
    inside = [f"{number:02}.jpg" for number in range(EXAMPLES + 2)]
    upload(world, managed, *inside, "x.jpg")
    report = world.app.file_deletion.delete_matching(managed, "", dry_run=True)
    assert (report.count, report.complete) == (len(inside) + 1, True)
    assert [file.path for file in report.files] == inside[:EXAMPLES]
    assert {file.outcome for file in report.files} == {DeletionOutcome.MATCHED}
    one = world.app.file_deletion.delete_matching(managed, "x.jpg", dry_run=False)
    assert [(file.path, file.outcome) for file in one.files] == [("x.jpg", DeletionOutcome.PENDING)]
    assert world.work() == []
    assert names(world, managed) == inside
    assert world.app.file_deletion.delete_matching(managed, "x.jpg", dry_run=False).count == 0
    assert world.app.file_deletion.delete_matching(managed, "0", dry_run=False).count == 0, "a name is no prefix"
    assert world.app.file_deletion.delete_matching(managed, "", dry_run=False).count == len(inside)
    assert world.work() == []
    assert names(world, managed) == []


def test_a_large_folder_is_deleted_by_the_same_request_repeated(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "MATCHED_MAX", 2)
    upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    counts = []
    for _ in range(3):
        report = world.app.file_deletion.delete_matching(managed, "", dry_run=False)
        counts.append((report.count, report.complete))
        assert world.work() == []
    assert counts == [(2, False), (1, True), (0, True)]
    assert names(world, managed) == []


def test_what_was_uploaded_after_the_request_stays(world: Harness, managed: Collection) -> None:
    upload(world, managed, "a.jpg", "b.jpg")
    world.app.file_deletion.delete_matching(managed, "", dry_run=False)
    world.sqs.collect()
    (message,) = world.sqs.waiting
    world.clock.pass_by(timedelta(seconds=1))
    world.app.uploads.upload(world.caller, managed, "b.jpg", b"another picture", only_new=False)
    world.app.uploads.upload(world.caller, managed, "c.jpg", b"a third", only_new=False)
    assert world.deliver(message)
    assert names(world, managed) == ["b.jpg", "c.jpg"]
    assert world.deliver(message), "a message that comes twice changes nothing"
    assert names(world, managed) == ["b.jpg", "c.jpg"]


def test_a_connected_bucket_is_never_deleted_from(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    with pytest.raises(InvalidRequest, match="in the bucket"):
        world.app.file_deletion.delete_matching(world.current(), "", dry_run=False)
    assert world.searchable() == {"a.jpg"} and "a.jpg" in world.bucket.objects


def test_the_keys_of_a_message_fit_into_it() -> None:
    assert KEYS_PER_MESSAGE * 1024 * 2 < 256 * 1024, "JSON writes a quote or a backslash of a key as two bytes"
