"""The end of an upload: who finishes it, what its failure leaves behind, and when somebody looks again."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import EmbedderUnavailable, FileExists, NotFound, Unavailable, UnreadablePicture
from chalicelib.domain.files import FileState
from chalicelib.domain.uploads import OPEN_FOR, Upload, UploadState
from chalicelib.services.finishing import LOOK_AFTER, LOOK_AGAIN
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.world import World

BODY = b"a picture"


@pytest.fixture
def managed(world: World) -> Collection:
    return world.add_managed()


def prepared(world: World, managed: Collection, *, only_new: bool = False, body: bytes | None = None) -> Upload:
    """An upload that waits for its bytes, or has them; the look that was asked for in advance is taken."""
    wish: dict[str, object] = {"file": "a.jpg", "size": len(body or BODY), "mime_type": "image/jpeg"}
    upload = world.app.uploads.prepare(world.caller, managed, wish, only_new=only_new).upload
    world.ports.queues.uploads.clear()
    if body is not None:
        world.ports.sources.bucket(managed.bucket).put(upload.staged_key, body)
    return upload


def state(world: World, upload: Upload) -> tuple[UploadState, str | None]:
    known = world.ports.allowances.upload(upload.ref)
    return known.state, known.reason


def listed_as(world: World, managed: Collection) -> FileState | None:
    record = world.record(f"{managed.prefix}a.jpg", managed)
    return record.state if record else None


def files_taken(world: World, managed: Collection) -> int:
    taken: int = world.ports.allowances.usage(managed.account, "2026-03").managed_files
    return taken


def test_whoever_looks_first_finishes_it_and_the_others_have_nothing_to_do(world: World, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    for _ in range(3):
        world.app.finishing.look(upload.ref)
    assert state(world, upload) == (UploadState.DONE, None)
    assert world.embedder.embedded == [BODY]
    assert list(world.ports.sources.bucket(managed.bucket).objects) == [f"{managed.prefix}a.jpg"]


def test_one_whose_bytes_have_not_come_is_looked_at_again_after_its_time(world: World, managed: Collection) -> None:
    upload = prepared(world, managed)
    world.app.finishing.look(upload.ref)
    assert world.ports.queues.uploads == [(upload.ref, LOOK_AFTER)]
    assert timedelta(seconds=LOOK_AFTER) > OPEN_FOR
    assert listed_as(world, managed) is FileState.PENDING


def test_one_whose_time_is_over_gives_its_share_back_and_is_not_listed_any_more(
    world: World, managed: Collection
) -> None:
    upload = prepared(world, managed)
    assert files_taken(world, managed) == 1
    world.clock.pass_by(OPEN_FOR + timedelta(seconds=1))
    world.app.finishing.look(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.FAILED, "expired"), 0)
    assert listed_as(world, managed) is FileState.REMOVED
    with pytest.raises(NotFound):
        world.app.uploads.complete(managed, upload.id)


def test_bytes_that_came_in_time_are_taken_however_late_somebody_looks(world: World, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.clock.pass_by(timedelta(hours=5))
    world.app.finishing.look(upload.ref)
    assert state(world, upload) == (UploadState.DONE, None)


def test_what_is_no_picture_is_listed_as_failed_with_its_reason_and_its_share_given_back(
    world: World, managed: Collection
) -> None:
    upload = prepared(world, managed, body=UNREADABLE)
    world.app.finishing.look(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.FAILED, "not_an_image"), 0)
    record = world.record(f"{managed.prefix}a.jpg", managed)
    assert record is not None and (record.state, record.reason) == (FileState.FAILED, "not_an_image")
    assert world.ports.sources.bucket(managed.bucket).objects == {}
    with pytest.raises(UnreadablePicture):
        world.app.uploads.complete(managed, upload.id)


def test_a_replacement_that_is_no_picture_leaves_the_file_as_it_was(world: World, managed: Collection) -> None:
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY, only_new=False)
    upload = prepared(world, managed, body=UNREADABLE)
    world.app.finishing.look(upload.ref)
    assert world.ports.sources.bucket(managed.bucket).objects == {f"{managed.prefix}a.jpg": BODY}
    assert (listed_as(world, managed), files_taken(world, managed)) == (FileState.INDEXED, 1)


def test_one_that_wants_only_a_new_file_replaces_none_that_came_meanwhile(world: World, managed: Collection) -> None:
    upload = prepared(world, managed, only_new=True, body=b"mine")
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY, only_new=False)
    with pytest.raises(FileExists):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.FAILED, "file_exists")
    assert world.ports.sources.bucket(managed.bucket).objects == {f"{managed.prefix}a.jpg": BODY}


def test_while_another_has_the_file_a_look_comes_back_in_a_minute_and_a_caller_waits(
    world: World, managed: Collection
) -> None:
    upload, now = prepared(world, managed, body=BODY), world.clock()
    claim = world.ports.allowances.claim(upload.ref, upload.key, "another", now, now + timedelta(minutes=5))
    world.app.finishing.look(upload.ref)
    assert world.ports.queues.uploads == [(upload.ref, LOOK_AGAIN)]
    with pytest.raises(Unavailable):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.PENDING, None)
    world.ports.allowances.release(claim)
    assert world.app.uploads.complete(managed, upload.id).file_name == "a.jpg"


@pytest.mark.parametrize("hiccup", [False, True])
def test_an_outage_leaves_it_to_the_next_look_and_loses_nothing(
    world: World, managed: Collection, hiccup: bool
) -> None:
    upload = prepared(world, managed, body=BODY)
    world.embedder.down, world.embedder.hiccups = not hiccup, {BODY}
    with pytest.raises(EmbedderUnavailable):
        world.app.finishing.look(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.PENDING, None), 1)
    world.embedder.down = False
    world.embedder.hiccups.clear()
    world.app.finishing.look(upload.ref)
    assert listed_as(world, managed) is FileState.INDEXED


def test_a_message_about_an_upload_that_nobody_knows_clears_its_bytes_away(world: World, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    del world.ports.allowances.uploads[upload.ref]
    world.app.finishing.look(upload.ref)
    assert world.ports.sources.bucket(managed.bucket).objects == {}
