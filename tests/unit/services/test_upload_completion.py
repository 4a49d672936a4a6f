"""An upload is completed exactly once, or fails and refunds its quota, however often and late completion is tried."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import (
    Conflict,
    Contention,
    ContinuationLimit,
    EmbedderUnavailable,
    FileExists,
    NotFound,
    StoreUnavailable,
    Unavailable,
    UnreadablePicture,
    UploadIncomplete,
)
from chalicelib.domain.files import FileState
from chalicelib.domain.messages import MAX_CONTINUATIONS
from chalicelib.domain.uploads import (
    EXPIRY_CHECK_SECONDS,
    UPLOAD_WINDOW,
    NameRule,
    NewUpload,
    Upload,
    UploadCheck,
    UploadState,
)
from chalicelib.services.pipeline.upload_completion import RETRY_DELAY_SECONDS
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness

BODY = b"a picture"


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


def prepared(
    world: Harness, managed: Collection, rule: NameRule = NameRule.NUMBER, *, body: bytes | None = None
) -> Upload:
    """An upload that waits for its bytes, or has them; the message that checks its expiry is taken off the queue."""
    new = NewUpload("a.jpg", len(body or BODY), "image/jpeg", rule)
    upload = world.app.uploads.prepare(world.caller, managed, new).upload
    world.ports.queues.uploads.clear()
    if body is not None:
        world.ports.sources.bucket(managed.bucket).put(upload.staged_key, body)
    return upload


def state(world: Harness, upload: Upload) -> tuple[UploadState, str | None]:
    current = world.ports.quota_ledger.upload(upload.ref)
    return current.state, current.reason


def listed_as(world: Harness, managed: Collection) -> FileState | None:
    record = world.record(f"{managed.prefix}a.jpg", managed)
    return record.state if record else None


def files_used(world: Harness, managed: Collection) -> int:
    files: int = world.ports.quota_ledger.usage(managed.account, "2026-03").managed_files
    return files


def objects(world: Harness, managed: Collection) -> dict[str, bytes]:
    stored: dict[str, bytes] = world.ports.sources.bucket(managed.bucket).objects
    return stored


def test_the_first_poll_completes_an_upload_and_later_polls_do_nothing(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    for _ in range(3):
        world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert state(world, upload) == (UploadState.DONE, None)
    assert world.embedder.embedded == [BODY]
    assert list(objects(world, managed)) == [f"{managed.prefix}a.jpg"]


def test_bytes_that_were_swapped_after_they_were_opened_never_reach_the_file(
    world: Harness, managed: Collection
) -> None:
    world.app.uploads.upload(world.caller, managed, "a.jpg", b"the stored picture")
    upload = prepared(world, managed, NameRule.REPLACE, body=BODY)
    bucket = world.ports.sources.bucket(managed.bucket)
    world.interleave("storage", "copy", lambda: bucket.put(upload.staged_key, UNREADABLE))
    with pytest.raises(Contention):
        world.app.uploads.complete(managed, upload.id)
    assert objects(world, managed)[upload.key] == b"the stored picture"
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert state(world, upload) == (UploadState.FAILED, "not_an_image")
    assert objects(world, managed) == {upload.key: b"the stored picture"}
    assert listed_as(world, managed) is FileState.INDEXED


@pytest.mark.parametrize("ended", ["done", "deleted", "failed"])
def test_bytes_that_are_sent_again_after_the_upload_has_ended_are_dropped(
    world: Harness, managed: Collection, ended: str
) -> None:
    upload = prepared(world, managed, body=UNREADABLE if ended == "failed" else BODY)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    if ended == "deleted":
        record = world.record(upload.key, managed)
        assert record is not None
        world.app.files.delete(managed.account, record.uuid)
    before = dict(objects(world, managed))
    world.ports.sources.bucket(managed.bucket).put(upload.staged_key, b"another picture")
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert objects(world, managed) == before
    assert b"another picture" not in world.embedder.embedded


def test_an_upload_whose_bytes_have_not_arrived_is_checked_again_after_its_expiry(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert world.ports.queues.uploads == [(UploadCheck(upload.ref, continuation=1), EXPIRY_CHECK_SECONDS)]
    assert timedelta(seconds=EXPIRY_CHECK_SECONDS) > UPLOAD_WINDOW
    assert listed_as(world, managed) is FileState.PENDING


def test_an_expired_upload_refunds_its_quota_and_is_not_listed_any_more(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed)
    assert files_used(world, managed) == 1
    world.clock.pass_by(UPLOAD_WINDOW + timedelta(seconds=1))
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.FAILED, "expired"), 0)
    assert listed_as(world, managed) is FileState.REMOVED
    with pytest.raises(NotFound):
        world.app.uploads.complete(managed, upload.id)


def test_an_upload_expires_while_its_file_is_locked_so_no_other_worker_is_storing_it(
    world: Harness, managed: Collection
) -> None:
    upload, locked = prepared(world, managed), []
    world.interleave("quota_ledger", "refund", lambda: locked.extend(world.ports.quota_ledger.locks))
    world.clock.pass_by(UPLOAD_WINDOW + timedelta(seconds=1))
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert locked == [(managed.account, managed.uuid, upload.key)]
    assert world.ports.quota_ledger.locks == {}


def test_an_upload_whose_bytes_arrived_in_time_is_completed_however_late_it_is_polled(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed, body=BODY)
    world.clock.pass_by(timedelta(hours=5))
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert state(world, upload) == (UploadState.DONE, None)


def test_an_unreadable_file_is_listed_as_failed_with_its_reason_and_refunds_its_quota(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed, body=UNREADABLE)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.FAILED, "not_an_image"), 0)
    record = world.record(f"{managed.prefix}a.jpg", managed)
    assert record is not None and (record.state, record.reason) == (FileState.FAILED, "not_an_image")
    assert objects(world, managed) == {}
    with pytest.raises(UnreadablePicture):
        world.app.uploads.complete(managed, upload.id)


def test_an_unreadable_replacement_leaves_the_stored_file_as_it_was(world: Harness, managed: Collection) -> None:
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY)
    upload = prepared(world, managed, NameRule.REPLACE, body=UNREADABLE)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert objects(world, managed) == {f"{managed.prefix}a.jpg": BODY}
    assert (listed_as(world, managed), files_used(world, managed)) == (FileState.INDEXED, 1)


def test_an_upload_of_a_new_file_fails_when_a_file_of_that_name_was_stored_meanwhile(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed, NameRule.REFUSE, body=b"mine")
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY)
    with pytest.raises(FileExists):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.FAILED, "file_exists")
    assert objects(world, managed) == {f"{managed.prefix}a.jpg": BODY}


def test_a_locked_file_is_polled_again_in_a_minute_and_makes_a_request_wait(
    world: Harness, managed: Collection
) -> None:
    upload, now = prepared(world, managed, body=BODY), world.clock()
    lock = world.ports.quota_ledger.lock(upload.ref, upload.key, "another", now, now + timedelta(minutes=5))
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert world.ports.queues.uploads == [(UploadCheck(upload.ref, continuation=1), RETRY_DELAY_SECONDS)]
    with pytest.raises(Unavailable):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.PENDING, None)
    world.ports.quota_ledger.unlock(lock)
    assert world.app.uploads.complete(managed, upload.id).file_name == "a.jpg"


@pytest.mark.parametrize("hiccup", [False, True])
def test_an_outage_of_the_embedder_leaves_the_upload_pending_for_the_next_poll(
    world: Harness, managed: Collection, hiccup: bool
) -> None:
    upload = prepared(world, managed, body=BODY)
    world.embedder.down, world.embedder.hiccups = not hiccup, {BODY}
    with pytest.raises(EmbedderUnavailable):
        world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.PENDING, None), 1)
    world.embedder.down = False
    world.embedder.hiccups.clear()
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert listed_as(world, managed) is FileState.INDEXED


def test_a_file_that_stays_locked_is_not_polled_for_ever(world: Harness, managed: Collection) -> None:
    upload, now = prepared(world, managed, body=BODY), world.clock()
    world.ports.quota_ledger.lock(upload.ref, upload.key, "another", now, now + timedelta(days=30))
    world.app.upload_completion.poll(UploadCheck(upload.ref, MAX_CONTINUATIONS - 1))
    ((last, _),) = world.ports.queues.uploads
    world.ports.queues.uploads.clear()
    with pytest.raises(ContinuationLimit):
        world.app.upload_completion.poll(last)
    assert world.ports.queues.uploads == []


def test_requests_that_fail_while_the_index_is_down_send_no_message_beside_the_uploads_own(
    world: Harness, managed: Collection
) -> None:
    upload = prepared(world, managed, body=BODY)
    world.vectors.down = True
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            world.app.uploads.complete(managed, upload.id)
    assert world.ports.queues.uploads == []
    world.vectors.down = False
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.DONE, None), 1)


def test_a_poll_that_fails_sends_no_further_message(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.vectors.down = True
    with pytest.raises(StoreUnavailable):
        world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert world.ports.queues.uploads == [], "this one is delivered again"
    world.vectors.down = False
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.DONE, None), 1)


def test_an_upload_whose_file_was_stored_when_its_request_failed_is_completed_by_the_next_poll(
    world: Harness, managed: Collection
) -> None:
    world.vectors.down = True
    with pytest.raises(StoreUnavailable):
        world.app.uploads.upload(world.caller, managed, "a.jpg", BODY)
    ((check, delay),) = world.ports.queues.uploads
    assert delay == EXPIRY_CHECK_SECONDS
    world.vectors.down = False
    world.app.upload_completion.poll(check)
    assert (listed_as(world, managed), files_used(world, managed)) == (FileState.INDEXED, 1)
    assert objects(world, managed) == {f"{managed.prefix}a.jpg": BODY}
    assert world.embedder.embedded == [BODY, BODY], "the stored file is read, not the staged one"


def test_a_cancelled_upload_refunds_its_quota_and_leaves_nothing_behind(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    for _ in range(2):
        world.app.uploads.cancel(managed, upload.id)
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.FAILED, "cancelled"), 0)
    assert objects(world, managed) == {}
    assert listed_as(world, managed) is FileState.REMOVED
    with pytest.raises(NotFound):
        world.app.uploads.complete(managed, upload.id)
    world.ports.sources.bucket(managed.bucket).put(upload.staged_key, BODY)  # by the form, which S3 still takes
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert objects(world, managed) == {}


def test_an_upload_whose_file_is_stored_is_completed_when_it_is_cancelled(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.vectors.down = True
    with pytest.raises(StoreUnavailable):
        world.app.uploads.complete(managed, upload.id)
    world.vectors.down = False
    with pytest.raises(Conflict):
        world.app.uploads.cancel(managed, upload.id)
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.DONE, None), 1)
    assert listed_as(world, managed) is FileState.INDEXED


def test_a_complete_or_locked_upload_cannot_be_cancelled(world: Harness, managed: Collection) -> None:
    upload, now = prepared(world, managed, body=BODY), world.clock()
    lock = world.ports.quota_ledger.lock(upload.ref, upload.key, "another", now, now + timedelta(minutes=5))
    with pytest.raises(Unavailable):
        world.app.uploads.cancel(managed, upload.id)
    world.ports.quota_ledger.unlock(lock)
    world.app.uploads.complete(managed, upload.id)
    with pytest.raises(Conflict):
        world.app.uploads.cancel(managed, upload.id)
    assert objects(world, managed) == {upload.key: BODY}


def test_an_upload_in_one_request_fails_at_the_next_poll_if_its_file_was_not_stored(
    world: Harness, managed: Collection
) -> None:
    def fail() -> None:
        raise ConnectionError

    world.interleave("storage", "copy", fail)
    with pytest.raises(ConnectionError):
        world.app.uploads.upload(world.caller, managed, "a.jpg", BODY)
    ((check, _),) = world.ports.queues.uploads
    assert files_used(world, managed) == 1
    world.app.upload_completion.poll(check)
    upload = world.ports.quota_ledger.upload(check.upload)
    assert (state(world, upload), files_used(world, managed)) == ((UploadState.FAILED, "given_up"), 0)
    assert objects(world, managed) == {}


def test_an_upload_whose_stored_file_may_not_be_read_stays_pending(world: Harness, managed: Collection) -> None:
    world.app.uploads.upload(world.caller, managed, "a.jpg", BODY)
    upload = prepared(world, managed, NameRule.REPLACE, body=b"another")
    denied = world.ports.sources.bucket(managed.bucket).denied
    denied.add(upload.key)
    with pytest.raises(Unavailable):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.PENDING, None)
    assert objects(world, managed)[upload.key] == b"another"
    denied.clear()
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert state(world, upload) == (UploadState.DONE, None)
    assert objects(world, managed) == {upload.key: b"another"}


def test_a_poll_of_an_upload_whose_collection_is_deleted_ends(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.app.deletion.begin(managed)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert world.ports.queues.uploads == []


def test_a_staged_file_that_expires_while_it_is_embedded_has_not_arrived(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    world.interleave("storage", "copy", lambda: world.ports.storage.delete(upload.area, upload.staged_key))
    with pytest.raises(UploadIncomplete):
        world.app.uploads.complete(managed, upload.id)
    assert state(world, upload) == (UploadState.PENDING, None)


def test_a_message_about_an_unknown_upload_removes_its_staged_file(world: Harness, managed: Collection) -> None:
    upload = prepared(world, managed, body=BODY)
    del world.ports.quota_ledger.uploads[upload.ref]
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert objects(world, managed) == {}
