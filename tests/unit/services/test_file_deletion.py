"""Deletions of many files: by name and by folder, at once and by workers, interrupted and repeated."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from itertools import count as numbers

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import InvalidRequest, NotFound, Unavailable
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.file_deletions import EXAMPLES, KEYS_PER_MESSAGE, DeletionOutcome, DeletionReport
from chalicelib.domain.files import FileState, file_uuid
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter, PathMatches, PathPattern
from chalicelib.domain.uploads import NameRule
from chalicelib.domain.vectors import record_facts
from chalicelib.services import file_deletion
from chalicelib.services.file_group_deletion import FILES_TOGETHER
from tests.factories import a_record
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness, WorkerKilled, die, no_time, plenty

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


def upload(world: Harness, collection: Collection, *names: str) -> list[str]:
    """Upload pictures; returns their uuids."""
    for name in names:
        world.app.uploads.upload(world.caller, collection, name, f"picture {name}".encode())
    world.work()
    return [file_uuid(collection.uuid, collection.prefix + name) for name in names]


def delete(world: Harness, *uuids: str, dry_run: bool = False, account: str | None = None) -> dict[str, str]:
    """The outcomes by uuid."""
    owner = account or world.caller.account
    report = world.app.file_deletion.delete_named(owner, uuids, plenty, dry_run=dry_run)
    return {file.uuid: file.outcome.value for file in report.files}


def matching(
    world: Harness, collection: Collection, path: str, *, after: str | None = None, dry_run: bool = False
) -> DeletionReport:
    admitted = parse_filter({"path": path})
    return world.app.file_deletion.delete_matching(collection, admitted, after, plenty, dry_run=dry_run)


def names(world: Harness, collection: Collection) -> list[str]:
    """The names of the files that are left, as the catalogue, the storage and the store have them alike."""
    left = [r.key for (c, _), r in world.ports.catalogue.records.items() if c == collection.uuid]
    left = [key for key in left if world.ports.catalogue.records[collection.uuid, key].state is not FileState.REMOVED]
    stored = world.ports.sources.bucket(collection.bucket).objects
    assert sorted(left) == sorted(key for key in stored if key.startswith(collection.prefix))
    assert set(left) == world.searchable(collection)
    uuids = {r.uuid for r in world.ports.catalogue.records.values() if r.collection != collection.uuid or r.key in left}
    assert {image.file for image in world.ports.catalogue.images} <= uuids
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
    assert (report.count, report.after) == (2, None)
    assert names(world, managed) == ["b.jpg"] and world.searchable() == {"theirs.jpg"}
    assert delete(world, a, b) == {a: "not_found", b: "deleted"}
    assert names(world, managed) == []


def test_a_dry_run_deletes_nothing(world: Harness, managed: Collection) -> None:
    a, b = upload(world, managed, "a.jpg", "b.jpg")
    delete(world, b)
    before = world.everything()
    assert delete(world, a, b, MISSING, dry_run=True) == {a: "matched", b: "not_found", MISSING: "not_found"}
    assert matching(world, managed, "*", dry_run=True).count == 1
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


def test_a_worker_that_has_no_time_left_goes_on_with_the_next_delivery(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "FILES_TOGETHER", 1)
    uuids = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    world.app.file_deletion.delete_named(world.caller.account, uuids, no_time, dry_run=False)
    world.sqs.collect()
    (message,) = world.sqs.waiting
    assert not world.deliver(message, Context(late_after=1))
    assert len(names(world, managed)) == 2
    assert world.deliver(message)
    assert names(world, managed) == []


@pytest.mark.parametrize(
    ("port", "method", "time"),
    [
        ("quota_ledger", "lock", 2),
        ("catalogue", "save_all", 1),
        ("storage", "delete_all", 1),
        ("catalogue", "save_all", 2),
        ("storage", "delete_thumbnails", 1),
        ("catalogue", "save_all", 3),
        ("quota_ledger", "refund_files", 1),
    ],
)
def test_a_worker_that_dies_within_a_deletion_leaves_it_to_the_next(
    world: Harness, managed: Collection, port: str, method: str, time: int
) -> None:
    uuids = upload(world, managed, "a.jpg", "b.jpg")
    world.app.file_deletion.delete_named(world.caller.account, uuids, no_time, dry_run=False)
    calls = numbers(1)
    world.interleave(port, method, lambda: die() if next(calls) == time else None, times=time)
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
    report = matching(world, managed, "*", dry_run=True)
    assert (report.count, report.after) == (len(inside) + 1, None)
    assert [file.path for file in report.files] == inside[:EXAMPLES]
    assert {file.outcome for file in report.files} == {DeletionOutcome.MATCHED}
    one = matching(world, managed, "x.jpg")
    assert [(file.path, file.outcome) for file in one.files] == [("x.jpg", DeletionOutcome.PENDING)]
    assert world.work() == []
    assert names(world, managed) == inside
    assert matching(world, managed, "x.jpg").count == 0
    assert matching(world, managed, "0").count == 0, "a name is no prefix"
    assert matching(world, managed, "*").count == len(inside)
    assert world.work() == []
    assert names(world, managed) == []


def test_what_is_too_much_for_one_request_is_deleted_by_those_that_go_on_behind_it(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "MATCHED_MAX", 2)
    upload(world, managed, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    counts, after = [], None
    while True:
        report = matching(world, managed, "*", after=after)
        counts.append(report.count)
        if (after := report.after) is None:
            break
    assert counts == [2, 2, 1]
    assert world.work() == []
    assert names(world, managed) == []


def test_a_request_without_time_left_says_where_to_go_on(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "PAGE_LIMIT", 2)
    upload(world, managed, *(f"{number}.jpg" for number in range(5)))
    found, after = [], None
    while True:
        admitted = parse_filter({"path": "*"})
        report = world.app.file_deletion.delete_matching(managed, admitted, after, no_time, dry_run=True)
        found += [file.path for file in report.files]
        if (after := report.after) is None:
            break
    assert found == [f"{number}.jpg" for number in range(5)]


def test_a_filter_deletes_what_it_admits_and_nothing_else(world: Harness, managed: Collection) -> None:
    upload(world, managed, "2024/a.jpg", "2024/b.jpg", "2024.jpg", "2025/c.jpg")
    uuid = file_uuid(managed.uuid, f"{managed.prefix}2024/b.jpg")
    patch = FileChange(has_metadata=True, metadata={"product_id": "A1", "price": 12})
    world.app.file_changes.change(managed.account, uuid, patch)
    world.work()
    world.clock.pass_by(timedelta(seconds=1))
    for admitted, count in (
        ({"path": "2024/", "metadata": {"product_id": "B2"}}, 0),
        ({"path": "2024/", "metadata": {"product_id": "A1"}, "format": "jpeg", "width": {"gte": 640}}, 1),
        ({"path": "202*", "size": {"gt": 10_000}}, 0),
        ({"path": ["2024/", "2025/"], "metadata": {"product_id": {"exists": False}}}, 2),
    ):
        for dry_run in (True, False):
            report = world.app.file_deletion.delete_matching(
                managed, parse_filter(admitted), None, plenty, dry_run=dry_run
            )
            assert report.count == count, admitted
        assert world.work() == []
    assert names(world, managed) == ["2024.jpg"]


@given(
    paths=st.sets(st.text("aZ~é\U0001f600/.0", min_size=1, max_size=6), max_size=8),
    pattern=st.text("aZ~é\U0001f600/.0*", min_size=1, max_size=4),
)
def test_a_path_is_looked_for_where_it_can_be_and_found_wherever_it_is(paths: set[str], pattern: str) -> None:
    admitted = Filter((PathMatches((PathPattern.of(pattern),)),))
    world = Harness()
    managed = world.add_managed()
    records = {path: a_record(managed, managed.prefix + path) for path in paths}
    for record in records.values():
        world.ports.catalogue.records[managed.uuid, record.key] = record
    expected = {path for path, record in records.items() if admitted.admits(record_facts(record, managed))}
    report = world.app.file_deletion.delete_matching(managed, admitted, None, plenty, dry_run=True)
    assert {file.path for file in report.files} == expected


def test_what_was_uploaded_after_the_request_stays(world: Harness, managed: Collection) -> None:
    upload(world, managed, "a.jpg", "b.jpg", "same.jpg")
    matching(world, managed, "*")
    world.sqs.collect()
    (message,) = world.sqs.waiting
    world.clock.pass_by(timedelta(seconds=1))
    world.app.uploads.upload(world.caller, managed, "same.jpg", b"picture same.jpg")
    world.app.uploads.upload(world.caller, managed, "b.jpg", b"another picture", NameRule.REPLACE)
    world.app.uploads.upload(world.caller, managed, "c.jpg", b"a third")
    assert world.deliver(message)
    assert names(world, managed) == ["b.jpg", "c.jpg", "same.jpg"]
    assert world.deliver(message), "a message that comes twice changes nothing"
    assert names(world, managed) == ["b.jpg", "c.jpg", "same.jpg"]


@pytest.mark.parametrize(
    ("port", "method", "is_answered"),
    [
        ("quota_ledger", "lock", True),
        ("catalogue", "save_all", False),
        ("storage", "delete_all", False),
        ("storage", "delete_thumbnails", False),
    ],
)
def test_the_same_picture_uploaded_at_any_moment_of_a_deletion_stays_if_the_upload_was_answered(
    world: Harness, managed: Collection, port: str, method: str, is_answered: bool
) -> None:
    upload(world, managed, "a.jpg")
    matching(world, managed, "*")
    world.sqs.collect()
    (message,) = world.sqs.waiting
    world.clock.pass_by(timedelta(seconds=1))
    answered: list[bool] = []

    def upload_again() -> None:
        with contextlib.suppress(Unavailable):
            world.app.uploads.upload(world.caller, managed, "a.jpg", b"picture a.jpg")
            answered.append(True)

    world.interleave(port, method, upload_again)
    assert world.deliver(message)
    world.work()
    assert any(answered) is is_answered
    assert names(world, managed) == (["a.jpg"] if answered else [])


@pytest.mark.parametrize(("port", "method"), [("catalogue", "save_all"), ("storage", "delete_all")])
def test_an_upload_that_has_found_its_file_before_the_deletion_keeps_it_or_is_refused(
    world: Harness, managed: Collection, port: str, method: str
) -> None:
    upload(world, managed, "a.jpg")
    matching(world, managed, "*")
    world.sqs.collect()
    (message,) = world.sqs.waiting
    world.clock.pass_by(timedelta(seconds=1))
    found = world.record(f"{managed.prefix}a.jpg", managed)
    assert found is not None
    renewed: list[bool] = []
    world.interleave(port, method, lambda: renewed.append(world.app.uploads.completion.renew(found, None)))
    assert world.deliver(message)
    world.work()
    assert renewed == [method == "save_all"]
    assert names(world, managed) == (["a.jpg"] if renewed[0] else [])


def test_a_file_that_is_moved_while_others_are_deleted_lives_on_and_is_not_reported_as_deleted(
    world: Harness, managed: Collection
) -> None:
    a, b = upload(world, managed, "a.jpg", "b.jpg")
    to_c = FileChange(has_metadata=False, metadata=None, path="c.jpg")
    world.interleave("quota_ledger", "lock", lambda: world.app.file_changes.change(managed.account, b, to_c))
    assert delete(world, b, a) == {b: "not_found", a: "deleted"}
    assert names(world, managed) == ["c.jpg"]
    assert world.app.file_changes.change(managed.account, b, to_c).key == f"{managed.prefix}c.jpg"


def test_a_file_that_is_replaced_just_before_it_is_deleted_leaves_no_thumbnail(
    world: Harness, managed: Collection
) -> None:
    (a,) = upload(world, managed, "a.jpg")
    world.interleave(
        "quota_ledger",
        "lock",
        lambda: world.app.uploads.upload(world.caller, managed, "a.jpg", b"another picture", NameRule.REPLACE),
    )
    assert delete(world, a) == {a: "deleted"}
    assert world.ports.storage.thumbnails == {}


def test_what_was_replaced_while_the_request_read_the_list_stays(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "PAGE_LIMIT", 1)
    upload(world, managed, "a.jpg", "b.jpg")
    pages = 0

    def replace_before_the_second_page() -> None:
        nonlocal pages
        pages += 1
        world.clock.pass_by(timedelta(seconds=1))
        if pages == 2:
            world.app.uploads.upload(world.caller, managed, "a.jpg", b"another picture", NameRule.REPLACE)
            world.clock.pass_by(timedelta(seconds=1))

    world.interleave("catalogue", "page", replace_before_the_second_page, times=2)
    assert matching(world, managed, "*").count == 2
    assert world.work() == []
    assert names(world, managed) == ["a.jpg"]


def test_a_pending_file_that_was_replaced_while_its_request_was_handled_stays(
    world: Harness, managed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_deletion, "FILES_TOGETHER", 1)
    a, b = upload(world, managed, "a.jpg", "b.jpg")

    def replace_b() -> None:
        world.clock.pass_by(timedelta(seconds=1))
        world.app.uploads.upload(world.caller, managed, "b.jpg", b"another picture", NameRule.REPLACE)
        world.clock.pass_by(timedelta(seconds=1))

    world.interleave("quota_ledger", "lock", replace_b)
    seconds = iter([100.0, 0.0])
    report = world.app.file_deletion.delete_named(managed.account, [a, b], lambda: next(seconds), dry_run=False)
    assert [file.outcome for file in report.files] == [DeletionOutcome.DELETED, DeletionOutcome.PENDING]
    assert world.work() == []
    assert names(world, managed) == ["b.jpg"]


@pytest.mark.parametrize(
    ("port", "method", "calls"),
    [
        ("catalogue", "save_all", 3),
        ("storage", "delete_all", 1),
        ("storage", "delete_thumbnails", 1),
        ("quota_ledger", "refund_files", 1),
    ],
)
def test_many_files_are_deleted_with_a_few_writes(
    world: Harness, managed: Collection, port: str, method: str, calls: int
) -> None:
    uuids = upload(world, managed, *(f"{number}.jpg" for number in range(2 * FILES_TOGETHER)))
    writes: list[None] = []
    world.interleave(port, method, lambda: writes.append(None), times=100)
    assert set(delete(world, *uuids).values()) == {"deleted"}
    assert len(writes) == 2 * calls
    assert names(world, managed) == []


def test_a_lock_that_is_lost_among_others_costs_its_own_file_alone(world: Harness, managed: Collection) -> None:
    a, b, c = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    file = (managed.account, managed.uuid, f"{managed.prefix}b.jpg")
    taken = ("another", world.clock() + timedelta(seconds=60))
    world.interleave("quota_ledger", "refund_files", lambda: world.ports.quota_ledger.locks.update({file: taken}))
    assert delete(world, a, b, c) == {a: "deleted", b: "pending", c: "deleted"}
    del world.ports.quota_ledger.locks[file]
    assert world.work() == []
    assert names(world, managed) == []


def fail_at_call(number: int) -> Callable[[], None]:
    """What fails at the call of this number, and passes before and after."""
    calls = numbers(1)

    def fail() -> None:
        if next(calls) == number:
            raise Unavailable("The database is busy.")

    return fail


def test_a_file_that_cannot_be_locked_is_deleted_later_and_the_others_now(world: Harness, managed: Collection) -> None:
    a, b, c = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    world.interleave("quota_ledger", "lock", fail_at_call(2), times=100)
    assert delete(world, a, b, c) == {a: "deleted", b: "pending", c: "deleted"}
    assert world.ports.quota_ledger.locks == {}
    assert world.work() == []
    assert names(world, managed) == []


def test_an_unlock_that_fails_leaves_no_other_file_locked(world: Harness, managed: Collection) -> None:
    uuids = upload(world, managed, "a.jpg", "b.jpg", "c.jpg")
    world.interleave("quota_ledger", "unlock", fail_at_call(1), times=100)
    for uuid in uuids:
        record = world.ports.catalogue.find(uuid)
        assert record is not None
        del world.ports.catalogue.records[managed.uuid, record.key]
    records = [a_record(managed, f"{managed.prefix}{name}.jpg") for name in "abc"]
    errors = world.app.file_deletion.group_deletion.delete(managed, records)
    assert {type(error) for error in errors.values()} == {NotFound}
    assert len(world.ports.quota_ledger.locks) == 1


@given(fates=st.lists(st.sampled_from(["stays", "is replaced", "is moved", "is gone"]), min_size=1, max_size=8))
def test_each_file_of_a_group_has_its_own_fate(fates: list[str]) -> None:
    world = Harness()
    managed = world.add_managed()
    files = [f"{number}.jpg" for number in range(len(fates))]
    uuids = upload(world, managed, *files)

    def change_them() -> None:
        for name, uuid, fate in zip(files, uuids, fates, strict=True):
            if fate == "is replaced":
                world.app.uploads.upload(world.caller, managed, name, b"another", NameRule.REPLACE)
            elif fate == "is moved":
                change = FileChange(has_metadata=False, metadata=None, path=f"moved/{name}")
                world.app.file_changes.change(managed.account, uuid, change)
            elif fate == "is gone":
                world.app.files.delete(managed.account, uuid)

    world.interleave("quota_ledger", "lock", change_them)
    outcomes = delete(world, *uuids)
    world.work()
    expected = {"stays": "deleted", "is replaced": "deleted", "is moved": "not_found", "is gone": "not_found"}
    assert outcomes == {uuid: expected[fate] for uuid, fate in zip(uuids, fates, strict=True)}
    assert names(world, managed) == [f"moved/{n}" for n, fate in zip(files, fates, strict=True) if fate == "is moved"]


def test_a_connected_bucket_is_never_deleted_from(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    with pytest.raises(InvalidRequest, match="in the bucket"):
        matching(world, world.current(), "*")
    assert world.searchable() == {"a.jpg"} and "a.jpg" in world.bucket.objects


def test_the_keys_of_a_message_fit_into_it() -> None:
    assert KEYS_PER_MESSAGE * 1024 * 2 < 256 * 1024, "JSON writes a quote or a backslash of a key as two bytes"
