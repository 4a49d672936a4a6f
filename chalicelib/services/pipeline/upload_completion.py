"""Completes an upload exactly once: embeds the staged file, stores and indexes it, or refunds its quota.

The caller's request, S3's event and the check after the upload's expiry may all try to complete the same upload. Each
locks the file first; the others wait or come back later. The staged file replaces the stored one only after the
embedder could read it, and the stored object carries the id of the upload that stored it.

The rule (docs/decisions/0016): an upload fails only while another upload's file, or none, is stored under its key. If
its own file is stored there, it is completed. Both are decided under the lock. So each state that a crash can leave
has one end:

- Only staged: a presigned upload is completed. An upload in one request fails: its caller got an error.
- Stored, and perhaps indexed: the upload is completed with the stored file, for the staged one may have expired. If the
  stored file cannot be read, it is deleted, which also releases the quota of a file that it replaced; then the upload
  fails.
- Completed or failed, and still staged: the staged file is deleted, by the next check or by the bucket's lifecycle.

An error leaves the upload pending with its quota reserved, and it is tried again: by S3's event, which is delivered
again after a failure, and by the one message that every upload has from before its reservation until its end. Nothing
else sends one, so an outage does not multiply them. An upload in one request also fails at an error, unless its file is
stored.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.embeddings import (
    SOURCE_NOT_FOUND,
    EmbeddedImage,
    ImageEmbedding,
    ReadFailure,
    unreadable_picture,
)
from chalicelib.domain.errors import (
    Conflict,
    Contention,
    FileExists,
    NotFound,
    StaleWrite,
    UnreadablePicture,
    UploadIncomplete,
)
from chalicelib.domain.files import FileRecord, FileState, file_uuid
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.messages import IndexBatch, ObjectHint, next_continuation
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.uploads import (
    ABANDONED,
    CANCELLED,
    EXISTS,
    EXPIRED,
    EXPIRY_CHECK_SECONDS,
    INLINE_STAGING,
    LOCKED,
    PRESIGNED_STAGING,
    CompletedUpload,
    NameRule,
    Upload,
    UploadCheck,
    UploadFailure,
    UploadState,
    staged_key,
)
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.pipeline.name_resolution import NameResolver, Occupant, Place
from chalicelib.services.pipeline.staged_files import StagedFiles
from chalicelib.services.pipeline.upload_errors import (
    error_of_abandoned,
    error_of_cancelled,
    error_of_existing,
    error_of_incomplete,
    error_of_locked,
)
from chalicelib.services.ports import Catalogue, Clock, Embedder, ManagedStorage, Queues, QuotaLedger

RETRY_DELAY_SECONDS = 60  # until a locked upload is tried again
# That a request waits for a file that is locked, or for a picture of the Web and then the file; what remains of its 29
# seconds is enough for the embedder (``adapters.factory.embedder_client``).
LOCK_WAIT_SECONDS = 8.0
LOCK_POLL_SECONDS = 0.2
RECORD_WRITE_ATTEMPTS = 5  # for a record that workers write at the same time


class _Aim(StrEnum):
    """Why a worker locks an upload's file: for a request, for a message, or to cancel the upload."""

    COMPLETE = "complete"
    POLL = "poll"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Why the staged file cannot be stored: the error for the caller, and the reason if the upload is to fail."""

    error: Exception
    failure: UploadFailure | None


@dataclass(frozen=True, slots=True)
class UploadCompletion:
    catalogue: Catalogue
    quota_ledger: QuotaLedger
    storage: ManagedStorage
    embedder: Embedder
    indexer: Indexer
    queues: Queues
    now: Clock
    wait: Callable[[float], None] = time.sleep

    def complete(self, upload: Upload, patience: float = LOCK_WAIT_SECONDS) -> CompletedUpload:
        """Complete an upload for a request, which waits while the file is locked.

        Args:
            patience: seconds that it waits.

        Raises:
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: the bytes are not a picture.
            FileExists: there is a file of that name, and the caller allowed only a new one.
            NotFound: the upload has failed before, or its record has expired.
            Unavailable: the file stayed locked, or something did not respond; try again.
        """
        completed = self._end(upload, _Aim.COMPLETE, patience)
        if completed is not None:
            return completed
        if upload.folder == INLINE_STAGING:
            self.fail(upload, ABANDONED)  # without a lock: no worker polls it before it expires
        raise error_of_locked()

    def cancel(self, upload: Upload) -> None:
        """End an upload for a request that does not want it any more, unless its file is stored.

        Raises:
            Conflict: it is complete.
            Unavailable: the file stayed locked, or something did not respond; try again.
        """
        try:
            completed = self._end(upload, _Aim.CANCEL, LOCK_WAIT_SECONDS)
        except (FileExists, NotFound, UnreadablePicture):
            return  # it has failed, now or before
        if completed is None:
            raise error_of_locked()
        raise Conflict("The upload is complete. Delete its file instead.")

    def poll(self, check: UploadCheck) -> None:
        """Complete an upload whose bytes have arrived, fail one that has expired, or check a pending one again later.

        Raises:
            Unavailable: something did not respond; nothing is lost, try again.
            ContinuationLimit: it was checked too often.
        """
        ref = check.upload
        upload = self.quota_ledger.upload(ref)
        if upload is None or upload.state is not UploadState.PENDING:
            self.storage.delete(ref.area, upload.staged_key if upload else staged_key(PRESIGNED_STAGING, ref))
            if upload is not None and (upload.state is UploadState.FAILED or upload.target != upload.key):
                self._unlist(upload)  # the worker that ended the upload may have crashed before this
            return
        try:
            if self._end_unless_locked(upload, _Aim.POLL) is None:
                self._check_again(check, RETRY_DELAY_SECONDS)
        except UploadIncomplete:
            self._check_again(check, EXPIRY_CHECK_SECONDS)
        except (UnreadablePicture, FileExists, NotFound):
            return  # the upload has failed, and its record has the reason; or its collection is deleted

    def fail(self, upload: Upload, failure: UploadFailure) -> None:
        """End the upload as failed: refund its quota and delete its staged file; does nothing if it has ended.

        To be called while its file is not stored, under the file's lock or before another worker knows of the upload.
        """
        if not self.quota_ledger.refund(upload, failure.reason, failure.detail, self.now()):
            return
        self.storage.delete(upload.area, upload.staged_key)
        self._unlist(replace(upload, reason=failure.reason, detail=failure.detail))

    def _fail_inline(self, upload: Upload, aim: _Aim) -> None:
        """Refund the quota of an upload in one request at once after an error before its file was stored."""
        if upload.folder == INLINE_STAGING and aim is _Aim.COMPLETE:
            self.fail(upload, ABANDONED)

    def _check_again(self, check: UploadCheck, delay: int) -> None:
        """Send the message of this check again, in its place."""
        again = replace(check, continuation=next_continuation(check.continuation))
        self.queues.send_upload_check(again, delay=delay)

    def _end(self, upload: Upload, aim: _Aim, patience: float) -> CompletedUpload | None:
        """End the upload for a request, which waits while the file is locked; None if it stayed locked."""
        until = self.now() + timedelta(seconds=patience)
        while (completed := self._end_unless_locked(upload, aim)) is None:
            if self.now() >= until:
                return None
            self.wait(LOCK_POLL_SECONDS)
            upload = self.quota_ledger.upload(upload.ref) or upload  # another worker may have moved it
        return completed

    def renew(self, record: FileRecord, metadata: Metadata | None) -> bool:
        """Date a file anew that was uploaded again, so that an earlier request to delete many files passes it over.

        Args:
            metadata: that replaces the file's; None leaves that as it is.

        Returns:
            False if another worker has written the record meanwhile.
        """
        # Before the record is saved: a worker then brings the vector store to the record, whenever this process ends.
        self.queues.send_changes([IndexBatch(record.account, record.collection, (ObjectHint(record.key),))])
        try:
            revision = record.next_revision(self.now())
            self.catalogue.save(revision if metadata is None else replace(revision, metadata=metadata), record)
        except StaleWrite:
            return False
        return True

    @property
    def names(self) -> NameResolver:
        return NameResolver(self.catalogue, self.quota_ledger, self.storage, self.now)

    @property
    def staged_files(self) -> StagedFiles:
        return StagedFiles(self.catalogue, self.quota_ledger, self.storage, self.embedder, self.indexer, self.now)

    def _end_unless_locked(self, upload: Upload, aim: _Aim) -> CompletedUpload | None:
        """Lock the file and end the upload; returns None if it must be tried again later."""
        try:
            place = self.names.lock(upload, self._staged_md5(upload, aim))
        except Exception:
            self._fail_inline(upload, aim)
            raise
        if place is None:
            return None
        unlocked = False
        try:
            current = self.quota_ledger.upload(upload.ref)
            if current is None:
                raise NotFound("There is no such upload.")
            if current.state is UploadState.FAILED:
                raise self._error_of_failed(current)
            if current.state is UploadState.PENDING:
                if current.target != upload.target:
                    return None  # another worker has moved it meanwhile
                done = self._end_locked(current, place, aim)
                unlocked = True  # by the ledger, in the transaction that completed the upload or released the file
                if done is None:
                    return None
                current = done
        finally:
            if not unlocked:
                self.quota_ledger.unlock(place.lock)
        self.storage.delete(current.area, current.staged_key)
        if current.target != current.key:
            self._unlist(current)
        assert current.file is not None and current.mime_type is not None
        return CompletedUpload(current.file, current.path, current.mime_type, current.replaced)

    def _staged_md5(self, upload: Upload, aim: _Aim) -> str | None:
        """The MD5 of the staged bytes; None if they have not arrived, or are not to be stored."""
        if aim is _Aim.CANCEL or (upload.folder == INLINE_STAGING and aim is _Aim.POLL):
            return None
        if upload.md5 is not None:
            return upload.md5
        staged = self.storage.stored(upload.area, upload.staged_key)
        return staged.md5 if staged is not None else None

    def _end_locked(self, upload: Upload, place: Place, aim: _Aim) -> Upload | None:
        """The upload as done; None if the stored file could not be read and was deleted."""
        lock = place.lock
        if place.occupant is Occupant.SAME and upload.rule is not NameRule.REFUSE:
            try:
                duplicate = self._end_as_duplicate(upload, place)
            except Exception:
                self._fail_inline(upload, aim)
                raise
            if duplicate is not None:
                return duplicate
        staged = self._read_staged(upload, place, aim)
        if isinstance(staged, EmbeddedImage):
            return self.staged_files.store(upload, lock, staged)
        if staged.failure is None:
            raise staged.error
        stored = self.storage.stored(upload.area, lock.key)
        if stored is not None and stored.upload == upload.id:
            return self.staged_files.store(upload, lock, None)
        if stored is None and lock.charged is not None:
            self.staged_files.delete_stored(lock)  # a worker died after it had deleted the file
            return None
        self.fail(upload, staged.failure)
        raise staged.error

    def _end_as_duplicate(self, upload: Upload, place: Place) -> Upload | None:
        """The upload as done by the file that is stored; None if that is not indexed."""
        for _ in range(RECORD_WRITE_ATTEMPTS):
            record = self.catalogue.get(upload.collection, place.lock.key)
            if record is None or record.state is not FileState.INDEXED or record.embedding is None:
                return None
            if self.renew(record, upload.metadata):
                break
        else:
            raise Contention(LOCKED)
        done = replace(
            upload,
            state=UploadState.DONE,
            moved_to=place.lock.key,
            mime_type=mime_type(record.embedding.format),
            is_duplicate=True,
        )
        self.quota_ledger.complete_duplicate(done, place.lock, self.now())
        return done

    def _read_staged(self, upload: Upload, place: Place, aim: _Aim) -> EmbeddedImage | _Obstacle:
        """Embed the staged file, unless the upload may not be completed with it."""
        if aim is _Aim.CANCEL:
            return _Obstacle(error_of_cancelled(), CANCELLED)
        is_inline = upload.folder == INLINE_STAGING
        at_an_error = ABANDONED if is_inline else None
        if is_inline and aim is _Aim.POLL:
            return _Obstacle(error_of_abandoned(), ABANDONED)  # its request got an error, and may have been repeated
        if upload.rule is NameRule.REFUSE and place.occupant is not Occupant.NOTHING:
            return _Obstacle(error_of_existing(file_uuid(upload.collection, place.lock.key), place.md5), EXISTS)
        try:
            result, thumbnail = self.staged_files.embed(upload, place.lock.key)
        except Exception as error:
            return _Obstacle(error, at_an_error)
        if isinstance(result, ImageEmbedding):
            if result.md5 != place.staged_md5:
                return _Obstacle(Contention("The file was sent again while it was read. Try again in a moment."), None)
            return EmbeddedImage(result, thumbnail)
        if result.code == SOURCE_NOT_FOUND:
            expired = aim is _Aim.POLL and upload.expires_at < self.now()
            return _Obstacle(error_of_incomplete(), EXPIRED if expired else None)
        failure = at_an_error if result.transient else UploadFailure(result.code, result.message)
        return _Obstacle(unreadable_picture(result), failure)

    def _unlist(self, upload: Upload) -> None:
        """End the pending record of an upload that has failed, or is stored elsewhere: as removed, or as failed."""
        record = self.catalogue.get(upload.collection, upload.key)
        if record is None or record.state is not FileState.PENDING:
            return
        revision = record.next_revision(self.now())
        reason, detail = upload.reason or "", upload.detail or ""
        is_dropped = reason in ("", EXPIRED.reason, CANCELLED.reason)
        ended = revision.as_removed(reason, detail) if is_dropped else revision.as_failed("", reason, detail)
        try:
            self.catalogue.save(ended, record)
        except StaleWrite:
            return  # another worker has written what is there now

    def _error_of_failed(self, upload: Upload) -> Exception:
        """The error that tells a caller why the upload has failed."""
        if upload.reason == EXISTS.reason:
            record = self.catalogue.get(upload.collection, upload.key)
            md5 = record.embedding.md5 if record is not None and record.embedding is not None else None
            return error_of_existing(file_uuid(upload.collection, upload.key), md5)
        if upload.reason == EXPIRED.reason:
            return NotFound("This upload has expired. Begin a new one.")
        if upload.reason == ABANDONED.reason:
            return error_of_abandoned()
        if upload.reason == CANCELLED.reason:
            return error_of_cancelled()
        return unreadable_picture(
            ReadFailure(upload.reason or "unknown", upload.detail or "no reason is recorded", transient=False)
        )
