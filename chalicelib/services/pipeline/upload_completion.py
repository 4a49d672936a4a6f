"""Completes an upload exactly once: embeds the staged file, moves it to its key and indexes it, or refunds its quota.

The caller's request, S3's event and the check after the upload's expiry may all try to complete the same upload. Each
locks the file first; the others wait or come back later. The staged file replaces the stored one only after the
embedder could read it. A crash leaves the upload pending, and the check after its expiry completes or fails it.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.embeddings import (
    EMBEDDER_URL_SECONDS,
    EmbeddedImage,
    ImageEmbedding,
    ObjectToEmbed,
    ReadFailure,
    unreadable_picture,
)
from chalicelib.domain.errors import (
    FileExists,
    NotFound,
    StaleWrite,
    Unavailable,
    UnreadablePicture,
    UploadIncomplete,
)
from chalicelib.domain.files import FileState, file_uuid, new_thumbnail_key
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.uploads import (
    ABANDONED,
    EXISTS,
    EXPIRED,
    EXPIRY_CHECK_SECONDS,
    INLINE_STAGING,
    PRESIGNED_STAGING,
    CompletedUpload,
    FileLock,
    Upload,
    UploadRef,
    UploadState,
    staged_key,
)
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.ports import Catalogue, Clock, Embedder, ManagedStorage, Queues, QuotaLedger

RETRY_DELAY_SECONDS = 60  # until a locked or half-completed upload is tried again
WORKER_LOCK_TIME = timedelta(seconds=200)  # longer than a worker runs
LOCK_WAIT_SECONDS = 15.0  # that a request waits for a file that is locked
LOCK_POLL_SECONDS = 0.2


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

    def complete(self, upload: Upload) -> CompletedUpload:
        """Complete an upload for a request, which waits while the file is locked.

        Raises:
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: the bytes are not a picture.
            FileExists: there is a file of that name, and the caller allowed only a new one.
            NotFound: the upload has failed before, or its record has expired.
            Unavailable: the file stayed locked, or something did not respond; try again.
        """
        for _ in range(int(LOCK_WAIT_SECONDS / LOCK_POLL_SECONDS)):
            completed = self._complete_unless_locked(upload)
            if completed is not None:
                return completed
            self.wait(LOCK_POLL_SECONDS)
        if upload.folder == INLINE_STAGING:
            self.fail(upload, *ABANDONED)
        raise Unavailable("A file of that name is being processed. Try again in a moment.")

    def poll(self, ref: UploadRef) -> None:
        """Complete an upload whose bytes have arrived, fail one that has expired, or check a pending one again later.

        Raises:
            Unavailable: something did not respond; nothing is lost, try again.
        """
        upload = self.quota_ledger.upload(ref)
        if upload is None or upload.state is not UploadState.PENDING:
            self.storage.delete(ref.area, staged_key(PRESIGNED_STAGING, ref))
            if upload is not None and upload.state is UploadState.FAILED:
                self._unlist(upload)  # the worker that failed the upload may have crashed before this
            return
        try:
            if self._complete_unless_locked(upload) is None:
                self.queues.send_upload(ref, delay=RETRY_DELAY_SECONDS)
        except UploadIncomplete:
            if upload.expires_at < self.now():
                self.fail(upload, *EXPIRED)
            else:
                self.queues.send_upload(ref, delay=EXPIRY_CHECK_SECONDS)
        except (UnreadablePicture, FileExists, NotFound):
            return  # the upload has failed, and its record has the reason

    def fail(self, upload: Upload, reason: str, detail: str) -> None:
        """End the upload as failed: refund its quota and remove its staged file."""
        if not self.quota_ledger.refund(upload, reason, detail, self.now()):
            return
        self.storage.delete(upload.area, upload.staged_key)
        self._unlist(replace(upload, reason=reason, detail=detail))

    def _complete_unless_locked(self, upload: Upload) -> CompletedUpload | None:
        """Lock the file and complete the upload; returns None when the file is locked by another worker."""
        now = self.now()
        lock = self.quota_ledger.lock(upload.ref, upload.key, str(uuid.uuid4()), now, now + WORKER_LOCK_TIME)
        if lock is None:
            return None
        unlocked = False
        try:
            current = self.quota_ledger.upload(upload.ref)
            if current is None:
                raise NotFound("There is no such upload.")
            if current.state is UploadState.FAILED:
                raise _error_of_failed(current)
            if current.state is UploadState.PENDING:
                current = self._complete_locked(current, lock)
                unlocked = True  # by the ledger, in the transaction that completed the upload
        finally:
            if not unlocked:
                self.quota_ledger.unlock(lock)
        self.storage.delete(current.area, current.staged_key)
        assert current.mime_type is not None
        return CompletedUpload(current.file_name, current.mime_type)

    def _complete_locked(self, upload: Upload, lock: FileLock) -> Upload:
        try:
            embedded = self._embed_staged(upload, lock)
        except (UnreadablePicture, FileExists):
            raise
        except Exception:
            if upload.folder == INLINE_STAGING:  # the caller gets an error and sends the file again
                self.fail(upload, *ABANDONED)
            raise
        content_type = mime_type(embedded.embedding.format)
        try:
            md5 = embedded.embedding.md5  # of the bytes that the embedder opened
            self.storage.copy(upload.area, upload.staged_key, upload.key, content_type, md5=md5)
            batch = IndexBatch(upload.account, upload.collection, (ObjectHint(upload.key),))
            self.indexer.apply(batch, embedded={upload.key: embedded})
            self.quota_ledger.complete(upload, lock, content_type, self.now())
        except Exception:
            # The file may have been moved already: its quota stays reserved, and the upload is tried again.
            self.queues.send_upload(upload.ref, delay=RETRY_DELAY_SECONDS)
            raise
        return replace(upload, state=UploadState.DONE, mime_type=content_type)

    def _embed_staged(self, upload: Upload, lock: FileLock) -> EmbeddedImage:
        """Embed the staged file and store its thumbnail; fails the upload when the file cannot be accepted."""
        if upload.only_new and lock.charged is not None:
            self.fail(upload, *EXISTS)
            raise FileExists(EXISTS[1], field="file")
        thumbnail = new_thumbnail_key(file_uuid(upload.collection, upload.key))
        thumbnail_url = self.storage.thumbnail_upload_url(upload.collection, thumbnail, seconds=EMBEDDER_URL_SECONDS)
        source_url = self.storage.presigned_get(upload.area, upload.staged_key, seconds=EMBEDDER_URL_SECONDS)
        (result,) = self.embedder.embed_objects([ObjectToEmbed(source_url, thumbnail_url)])
        if isinstance(result, ImageEmbedding):
            return EmbeddedImage(result, thumbnail)
        if result.code == "source_not_found":
            raise UploadIncomplete("The file has not arrived yet. Send it to the upload's URL, then complete it.")
        if not result.transient:
            self.fail(upload, result.code, result.message)
        raise unreadable_picture(result)

    def _unlist(self, upload: Upload) -> None:
        """End the pending record of a failed upload: as removed when the upload has expired, otherwise as failed."""
        record = self.catalogue.get(upload.collection, upload.key)
        if record is None or record.state is not FileState.PENDING:
            return
        revision = record.next_revision(self.now())
        reason, detail = upload.reason or "", upload.detail or ""
        ended = revision.as_removed(reason, detail) if reason == EXPIRED[0] else revision.as_failed("", reason, detail)
        try:
            self.catalogue.save(ended, record)
        except StaleWrite:
            return  # another worker has written what is there now


def _error_of_failed(upload: Upload) -> Exception:
    """The error that tells a caller why the upload has failed."""
    if upload.reason == EXISTS[0]:
        return FileExists(EXISTS[1], field="file")
    if upload.reason == EXPIRED[0]:
        return NotFound("This upload has expired. Begin a new one.")
    if upload.reason == ABANDONED[0]:
        return NotFound("This upload has failed. Begin a new one.")
    return unreadable_picture(
        ReadFailure(upload.reason or "unknown", upload.detail or "no reason is recorded", transient=False)
    )
