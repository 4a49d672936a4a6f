"""The end of an upload: who finishes it, what its failure leaves behind, and when somebody looks again."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import EmbedderUnavailable, FileExists, NotFound, Unavailable, UnreadablePicture
from chalicelib.domain.files import FileState
from chalicelib.domain.uploads import EXPIRY_CHECK_SECONDS, UPLOAD_WINDOW, NewUpload, Upload, UploadState
from chalicelib.services.pipeline.upload_completion import RECHECK_SECONDS
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness

BODY = b"a picture"


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


def prepared(world: Harness, managed: Collection, *, only_new: bool = False, body: bytes | None = None) -> Upload:
    """An upload that waits for its bytes, or has them; the look that was asked for in advance is taken."""
    new = NewUpload("a.jpg", len(body or BODY), "image/jpeg")
    upload = world.app.uploads.prepare(world.caller, managed, new, only_new=only_new).upload
    world.ports.queues.uploads.clear()
    if body is not None:
        world.ports.sources.bucket(managed.bucket).put(upload.staged_key, body)
    return upload


def state(world: Harness, upload: Upload) -> tuple[UploadState, str | None]:
    known = world.ports.quota_ledger.upload(upload.ref)
    return known.state, known.reason


def listed_as(world: Harness, managed: Collection) -> FileState | None:
    record = world.record(f"{managed.prefix}a.jpg", managed)
    return record.state if record else None


def files_taken(world: Harness, managed: Collection) -> int:
    taken: int = world.ports.quota_ledger.usage(managed.account, "2026-03").managed_files
    return taken


def test_whoever_looks_first_finishes_it_and_the_others_have_nothing_to_do(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    for _ in range(3):
        world.app.upload_completion.poll(upload.ref)
    assert state(world, upload) == (UploadState.DONE, None)
    assert world.embedder.embedded == [BODY]
    assert list(world.ports.sources.bucket(managed.bucket).objects) == [f"{managed.prefix}a.jpg"]


def test_one_whose_bytes_have_not_come_is_looked_at_again_after_its_time(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed)
    world.app.upload_completion.poll(upload.ref)
    assert world.ports.queues.uploads == [(upload.ref, EXPIRY_CHECK_SECONDS)]
    assert timedelta(seconds=EXPIRY_CHECK_SECONDS) > UPLOAD_WINDOW
    assert listed_as(world, managed) is FileState.PENDING


def test_one_whose_time_is_over_gives_its_share_back_and_is_not_listed_any_more(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed)
    assert files_taken(world, managed) == 1
    world.clock.pass_by(UPLOAD_WINDOW + timedelta(seconds=1))
    world.app.upload_completion.poll(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.FAILED, "expired"), 0)
    assert listed_as(world, managed) is FileState.REMOVED
    with pytest.raises(NotFound):
        world.app.uploads.complete(managed, upload.id)


def test_bytes_that_came_in_time_are_taken_however_late_somebody_looks(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.clock.pass_by(timedelta(hours=5))
    world.app.upload_completion.poll(upload.ref)
    assert state(world, upload) == (UploadState.DONE, None)


def test_what_is_no_picture_is_listed_as_failed_with_its_reason_and_its_share_given_back(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed, body=UNREADABLE)
    world.app.upload_completion.poll(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.FAILED, "not_an_image"), 0)
    record = world.record(f"{managed.prefix}a.jpg", managed)
    assert record is not None and (record.state, record.reason) == (FileState.FAILED, "not_an_image")
    assert world.ports.sources.bucket(managed.bucket).objects == {}
    with pytest.raises(UnreadablePicture):
        world.app.uploads.complete(managed, upload.id)


def test_a_replacement_that_is_no_picture_leaves_the_file_as_it_was(world: Harness, managed: Collection) -> None:
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY, only_new=False)
    upload = prepared(world, managed, body=UNREADABLE)
    world.app.upload_completion.poll(upload.ref)
    assert world.ports.sources.bucket(managed.bucket).objects == {f"{managed.prefix}a.jpg": BODY}
    assert (listed_as(world, managed), files_taken(world, managed)) == (FileState.INDEXED, 1)


def test_one_that_wants_only_a_new_file_replaces_none_that_came_meanwhile(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, only_new=True, body=b"mine")
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY, only_new=False)
    with pytest.raises(FileExists):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.FAILED, "file_exists")
    assert world.ports.sources.bucket(managed.bucket).objects == {f"{managed.prefix}a.jpg": BODY}


def test_while_another_has_the_file_a_look_comes_back_in_a_minute_and_a_caller_waits(
    world: Harness, managed: Collection
) -> None:
    upload, now = prepared(world, managed, body=BODY), world.clock()
    claim = world.ports.quota_ledger.lock(upload.ref, upload.key, "another", now, now + timedelta(minutes=5))
    world.app.upload_completion.poll(upload.ref)
    assert world.ports.queues.uploads == [(upload.ref, RECHECK_SECONDS)]
    with pytest.raises(Unavailable):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.PENDING, None)
    world.ports.quota_ledger.unlock(claim)
    assert world.app.uploads.complete(managed, upload.id).file_name == "a.jpg"


@pytest.mark.parametrize("hiccup", [False, True])
def test_an_outage_leaves_it_to_the_next_look_and_loses_nothing(
    world: Harness, managed: Collection, hiccup: bool
) -> None:
    upload = prepared(world, managed, body=BODY)
    world.embedder.down, world.embedder.hiccups = not hiccup, {BODY}
    with pytest.raises(EmbedderUnavailable):
        world.app.upload_completion.poll(upload.ref)
    assert (state(world, upload), files_taken(world, managed)) == ((UploadState.PENDING, None), 1)
    world.embedder.down = False
    world.embedder.hiccups.clear()
    world.app.upload_completion.poll(upload.ref)
    assert listed_as(world, managed) is FileState.INDEXED


def test_a_message_about_an_upload_that_nobody_knows_clears_its_bytes_away(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    del world.ports.quota_ledger.uploads[upload.ref]
    world.app.upload_completion.poll(upload.ref)
    assert world.ports.sources.bucket(managed.bucket).objects == {}
