"""Moves of managed files: everything follows, nothing is embedded, and a death at any point leaves one file."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Conflict, FileExists, InvalidRequest, NotFound, Unavailable
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.files import FileRecord, FileState, file_uuid
from chalicelib.domain.uploads import NameRule
from chalicelib.services.file_moves import SETTLEMENT_SECONDS
from tests.unit.services.harness import Harness, WorkerKilled, die

PICTURE = b"a picture"
# The calls of a move that write, in their order; a death may come before each of them.
WRITES = [
    ("queues", "send_file_move", 1),
    ("storage", "copy", 1),
    ("storage", "copy_thumbnails", 1),
    ("catalogue", "save_all", 1),
    ("quota_ledger", "move_charge", 1),
    ("catalogue", "save", 1),
    ("storage", "delete", 1),
    ("catalogue", "save_all", 2),
    ("storage", "delete_thumbnail", 1),
    ("catalogue", "save", 2),
    ("quota_ledger", "unlock", 1),
]


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


def upload(world: Harness, collection: Collection, path: str, body: bytes = PICTURE) -> str:
    return world.app.uploads.upload(world.caller, collection, path, body).uuid


def move(world: Harness, uuid: str, path: str, **metadata: object) -> FileRecord:
    change = FileChange(has_metadata=bool(metadata), metadata=metadata, path=path)
    return world.app.file_changes.change(world.caller.account, uuid, change)


def check_paths(world: Harness, collection: Collection, *expected: str) -> None:
    """The collection has exactly these files, in the catalogue, the storage, the vector store and the quota."""
    records = {r.key: r for (owner, _), r in world.ports.catalogue.records.items() if owner == collection.uuid}
    present = sorted(key for key, record in records.items() if record.state is not FileState.REMOVED)
    assert present == sorted(collection.prefix + path for path in expected)
    objects = world.ports.sources.bucket(collection.bucket).objects
    assert present == sorted(key for key in objects if key.startswith("objects/"))
    assert world.searchable(collection) == set(present)
    counts, charged = world.ports.quota_ledger.counts[collection.account], world.ports.quota_ledger.charged
    assert {key: size for (_, _, key), size in charged.items()} == {key: len(objects[key]) for key in present}
    assert (counts.files, counts.bytes) == (len(present), sum(charged.values()))
    thumbnails = {key for owner, key in world.ports.storage.thumbnails if owner == collection.uuid}
    assert {records[key].thumbnail for key in present} <= thumbnails
    stats = world.current(collection)
    assert (stats.total_files, stats.total_size) == (len(present), sum(charged.values()))


def after_the_locks(world: Harness) -> None:
    world.clock.pass_by(timedelta(seconds=SETTLEMENT_SECONDS))
    assert world.work() == []


def test_a_moved_file_keeps_its_picture_metadata_and_embedding_and_nothing_is_embedded(
    world: Harness, managed: Collection
) -> None:
    old = upload(world, managed, "a.jpg")
    before = move(world, old, "a.jpg", product_id="A1")
    embedded = len(world.embedder.embedded)
    moved = move(world, old, "2024/b.jpg")
    assert moved.uuid == file_uuid(managed.uuid, f"{managed.prefix}2024/b.jpg") != old
    assert (moved.metadata, moved.embedding, moved.etag) == (before.metadata, before.embedding, before.etag)
    assert moved.thumbnail is not None and moved.thumbnail != before.thumbnail
    assert world.ports.storage.thumbnail(managed.uuid, moved.thumbnail) == b"thumbnail of " + PICTURE
    check_paths(world, managed, "2024/b.jpg")
    after_the_locks(world)
    check_paths(world, managed, "2024/b.jpg")
    assert len(world.embedder.embedded) == embedded
    with pytest.raises(NotFound, match=moved.uuid):
        world.app.files.get(managed.account, old)


def test_a_move_repeated_after_a_lost_response_returns_the_same_file(world: Harness, managed: Collection) -> None:
    old = upload(world, managed, "a.jpg")
    moved = move(world, old, "b.jpg", product_id="A1")
    assert move(world, old, "b.jpg", product_id="A1").uuid == moved.uuid
    with pytest.raises(NotFound):
        move(world, old, "c.jpg")
    check_paths(world, managed, "b.jpg")


def test_a_move_to_where_the_file_is_changes_nothing(world: Harness, managed: Collection) -> None:
    uuid = upload(world, managed, "a.jpg")
    world.work()
    before = world.everything()
    assert move(world, uuid, "a.jpg").uuid == uuid
    assert world.everything() == before


def test_no_move_overwrites_another_file_or_one_that_is_being_uploaded(world: Harness, managed: Collection) -> None:
    uuid = upload(world, managed, "a.jpg")
    upload(world, managed, "b.jpg", b"another picture")
    with pytest.raises(FileExists) as refused:
        move(world, uuid, "b.jpg")
    assert refused.value.field == "path"
    check_paths(world, managed, "a.jpg", "b.jpg")
    after_the_locks(world)
    check_paths(world, managed, "a.jpg", "b.jpg")


def test_a_name_that_is_free_again_takes_a_new_file_which_late_messages_leave_alone(
    world: Harness, managed: Collection
) -> None:
    old = upload(world, managed, "a.jpg")
    moved = move(world, old, "b.jpg")
    assert upload(world, managed, "a.jpg", b"another picture") == old
    assert world.app.files.get(managed.account, old).etag != moved.etag
    after_the_locks(world)
    check_paths(world, managed, "a.jpg", "b.jpg")
    back = move(world, moved.uuid, "c.jpg")
    assert move(world, back.uuid, "b.jpg").uuid == moved.uuid
    after_the_locks(world)
    check_paths(world, managed, "a.jpg", "b.jpg")


@pytest.mark.parametrize("locked", ["a.jpg", "b.jpg"])
def test_a_name_that_another_request_has_locked_is_not_moved(world: Harness, managed: Collection, locked: str) -> None:
    uuid = upload(world, managed, "a.jpg")
    file = (managed.account, managed.uuid, managed.prefix + locked)
    world.ports.quota_ledger.locks[file] = ("another", world.clock() + timedelta(seconds=60))
    with pytest.raises(Unavailable):
        move(world, uuid, "b.jpg")
    after_the_locks(world)
    check_paths(world, managed, "a.jpg")
    move(world, uuid, "b.jpg")
    check_paths(world, managed, "b.jpg")


def test_only_an_indexed_file_of_managed_storage_is_moved(world: Harness, managed: Collection) -> None:
    world.put("theirs.jpg")
    world.sync()
    with pytest.raises(InvalidRequest, match="in the bucket"):
        move(world, file_uuid(world.collection.uuid, "theirs.jpg"), "b.jpg")
    uuid = upload(world, managed, "a.jpg")
    record = world.ports.catalogue.records[managed.uuid, f"{managed.prefix}a.jpg"]
    world.ports.catalogue.save(record.next_revision(world.clock()).as_pending(), record)
    with pytest.raises(Conflict, match="pending"):
        move(world, uuid, "b.jpg")
    with pytest.raises(NotFound):
        world.app.file_moves.move("a stranger", uuid, "b.jpg")


@pytest.mark.parametrize(("port", "method", "call"), WRITES)
def test_a_request_that_dies_within_a_move_leaves_one_whole_file(
    world: Harness, managed: Collection, port: str, method: str, call: int
) -> None:
    uuid = upload(world, managed, "a.jpg")
    upload(world, managed, "stays.jpg", b"another picture")
    _die_at(world, port, method, call)
    with pytest.raises(WorkerKilled):
        move(world, uuid, "b.jpg")
    after_the_locks(world)
    moved_on = (port, method) not in WRITES_BEFORE_THE_CHARGE or call > 1
    check_paths(world, managed, "b.jpg" if moved_on else "a.jpg", "stays.jpg")


@pytest.mark.parametrize(("port", "method", "call"), WRITES)
@pytest.mark.parametrize("metadata", [{}, {"product_id": "A1"}])
def test_a_move_that_died_is_ended_by_the_request_that_repeats_it(
    world: Harness, managed: Collection, port: str, method: str, call: int, metadata: dict[str, object]
) -> None:
    uuid = upload(world, managed, "a.jpg")
    move(world, uuid, "a.jpg", **metadata)
    _die_at(world, port, method, call)
    with pytest.raises(WorkerKilled):
        move(world, uuid, "b.jpg", **metadata)
    _live_on(world)
    world.clock.pass_by(timedelta(seconds=61))
    moved = move(world, uuid, "b.jpg", **metadata)
    assert (moved.uuid, moved.metadata) == (file_uuid(managed.uuid, f"{managed.prefix}b.jpg"), metadata)
    check_paths(world, managed, "b.jpg")
    after_the_locks(world)
    check_paths(world, managed, "b.jpg")
    with pytest.raises(NotFound, match=moved.uuid):
        world.app.files.get(managed.account, uuid)


def test_a_move_that_failed_after_the_file_was_moved_is_ended_by_no_request_to_another_place(
    world: Harness, managed: Collection
) -> None:
    uuid = upload(world, managed, "a.jpg")
    upload(world, managed, "another.jpg", b"another picture")
    _die_at(world, "storage", "delete", 1)
    with pytest.raises(WorkerKilled):
        move(world, uuid, "b.jpg")
    _live_on(world)
    world.clock.pass_by(timedelta(seconds=61))
    for elsewhere in ("c.jpg", "another.jpg", "a.jpg"):
        with pytest.raises(NotFound):
            move(world, uuid, elsewhere)
    after_the_locks(world)
    check_paths(world, managed, "another.jpg", "b.jpg")


CALLS_WITH_THE_SOURCE = WRITES[1:6]


@pytest.mark.parametrize(("port", "method", "call"), CALLS_WITH_THE_SOURCE)
def test_metadata_that_is_changed_while_the_file_is_moved_moves_with_it(
    world: Harness, managed: Collection, port: str, method: str, call: int
) -> None:
    uuid = upload(world, managed, "a.jpg")
    world.work()

    def change_metadata() -> None:
        world.clock.pass_by(timedelta(seconds=1))
        world.app.file_changes.change(managed.account, uuid, FileChange(True, {"product_id": "A1"}, None))

    world.interleave(port, method, change_metadata)
    moved = move(world, uuid, "b.jpg")
    assert moved.metadata == {"product_id": "A1"}
    after_the_locks(world)
    assert world.app.files.get(managed.account, moved.uuid).metadata == {"product_id": "A1"}
    check_paths(world, managed, "b.jpg")


def test_metadata_that_is_changed_after_a_move_died_moves_with_the_file_unless_it_has_newer_there(
    world: Harness, managed: Collection
) -> None:
    changes: list[tuple[str, dict[str, str]]] = [("b.jpg", {}), ("c.jpg", {"product_id": "B2"})]
    for target, changed_there in changes:
        uuid = upload(world, managed, "a.jpg", target.encode())
        _die_at(world, "catalogue", "save", 1)
        with pytest.raises(WorkerKilled):
            move(world, uuid, target)
        _live_on(world)
        moved = file_uuid(managed.uuid, managed.prefix + target)
        for changed, metadata in ((uuid, {"product_id": "A1"}), (moved, changed_there)):
            world.clock.pass_by(timedelta(seconds=1))
            world.app.file_changes.change(managed.account, changed, FileChange(True, metadata, None))
        after_the_locks(world)
        expected = {"product_id": "A1"} | changed_there
        assert world.app.files.get(managed.account, moved).metadata == expected
    check_paths(world, managed, "b.jpg", "c.jpg")


def test_what_a_dead_move_has_left_is_cleared_though_another_picture_has_taken_the_place_of_its_file(
    world: Harness, managed: Collection
) -> None:
    uuid = upload(world, managed, "a.jpg")
    _die_at(world, "storage", "delete", 1)
    with pytest.raises(WorkerKilled):
        move(world, uuid, "b.jpg")
    _live_on(world)
    world.clock.pass_by(timedelta(seconds=61))
    world.app.uploads.upload(world.caller, managed, "b.jpg", b"another picture", NameRule.REPLACE)
    after_the_locks(world)
    check_paths(world, managed, "b.jpg")


@given(writes=st.lists(st.sampled_from(WRITES), max_size=3), repeat=st.booleans())
def test_however_often_a_move_dies_and_is_repeated_one_whole_file_is_left(
    writes: list[tuple[str, str, int]], repeat: bool
) -> None:
    world = Harness()
    managed = world.add_managed()
    uuid = upload(world, managed, "a.jpg")
    for write in writes:
        _die_at(world, *write)
        try:
            move(world, uuid, "b.jpg")
        except (WorkerKilled, Unavailable, NotFound):
            world.clock.pass_by(timedelta(seconds=61))
    _live_on(world)
    after_the_locks(world)
    left = [
        path
        for path in ("a.jpg", "b.jpg")
        if (managed.account, managed.uuid, managed.prefix + path) in world.ports.quota_ledger.charged
    ]
    assert len(left) == 1
    check_paths(world, managed, *left)
    if repeat:
        move(world, uuid, "b.jpg")
        after_the_locks(world)
        check_paths(world, managed, "b.jpg")


WRITES_BEFORE_THE_CHARGE = {(port, method) for port, method, call in WRITES[:5] if call == 1}


def _die_at(world: Harness, port: str, method: str, call: int) -> None:
    """Let the process end just before the so-manieth call of a method from now on."""
    left = call

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            die()

    world.interleave(port, method, count, times=call)


def _live_on(world: Harness) -> None:
    """No process ends from now on."""
    world.interleave("queues", "delay", lambda: None, times=0)
