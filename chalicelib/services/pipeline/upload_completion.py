"""The end of an upload: its bytes opened, put in their place, searchable; or its share given back; and each once.

Whoever comes first, the caller's ``complete``, S3's event or a later look, claims the file, has the bytes opened, and
only if they are a picture do they take the place of what was there. A crash leaves the upload pending, and the look
after its expiry finishes it or gives its share back.
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

RECHECK_SECONDS = 60
WORKER_LOCK_TIME = timedelta(seconds=200)  # longer than a worker runs
LOCK_WAIT_SECONDS, LOCK_POLL_SECONDS = 15.0, 0.2  # seconds that a request waits for another one with the same file


class FileLocked(Exception):
    """Somebody else is at this file."""


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
        """For a caller who waits: another upload of the same name, or S3's event, may be at the file.

        Raises:
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: they are no picture.
            FileExists: there is a file of that name, and the caller wanted only a new one.
            NotFound: the upload has failed before, or is forgotten.
        """
        for _ in range(int(LOCK_WAIT_SECONDS / LOCK_POLL_SECONDS)):
            try:
                return self._attempt(upload)
            except FileLocked:
                self.wait(LOCK_POLL_SECONDS)
        if upload.folder == INLINE_STAGING:
            self.fail(upload, *ABANDONED)
        raise Unavailable("A file of that name is being processed. Try again in a moment.")

    def poll(self, ref: UploadRef) -> None:
        """Finish an upload whose bytes are there, or give its share back once its time is over.

        Raises:
            Unavailable: not possible now; nothing is lost, try again.
        """
        upload = self.quota_ledger.upload(ref)
        if upload is None or upload.state is not UploadState.PENDING:
            self.storage.remove(staged_key(PRESIGNED_STAGING, ref))
            if upload is not None and upload.state is UploadState.FAILED:
                self._unlist(upload)  # whoever ended it may have died before this
            return
        try:
            self._attempt(upload)
        except UploadIncomplete:
            if upload.expires_at < self.now():
                self.fail(upload, *EXPIRED)
            else:
                self.queues.send_upload(ref, delay=EXPIRY_CHECK_SECONDS)
        except FileLocked:
            self.queues.send_upload(ref, delay=RECHECK_SECONDS)
        except (UnreadablePicture, FileExists, NotFound):
            return  # the upload has ended, and its record says why

    def fail(self, upload: Upload, reason: str, detail: str) -> None:
        """End the upload, give its share back, and forget its bytes."""
        if not self.quota_ledger.refund(upload, reason, detail, self.now()):
            return
        self.storage.remove(upload.staged_key)
        self._unlist(replace(upload, reason=reason, detail=detail))

    def _attempt(self, upload: Upload) -> CompletedUpload:
        now = self.now()
        claim = self.quota_ledger.lock(upload.ref, upload.key, str(uuid.uuid4()), now, now + WORKER_LOCK_TIME)
        if claim is None:
            raise FileLocked
        settled = False
        try:
            known = self.quota_ledger.upload(upload.ref)
            if known is None:
                raise NotFound("There is no such upload.")
            if known.state is UploadState.FAILED:
                raise _failure_of(known)
            if known.state is UploadState.PENDING:
                known = self._put_in_place(known, claim)
                settled = True
        finally:
            if not settled:
                self.quota_ledger.unlock(claim)
        self.storage.remove(known.staged_key)
        assert known.mime_type is not None
        return CompletedUpload(known.file_name, known.mime_type)

    def _put_in_place(self, upload: Upload, claim: FileLock) -> Upload:
        try:
            made = self._open(upload, claim)
        except (UnreadablePicture, FileExists):
            raise
        except Exception:
            if upload.folder == INLINE_STAGING:  # the caller is told, and will send it again
                self.fail(upload, *ABANDONED)
            raise
        kind = mime_type(made.embedding.format)
        try:
            self.storage.move(upload.staged_key, upload.key, kind)
            batch = IndexBatch(upload.account, upload.collection, (ObjectHint(upload.key),))
            self.indexer.apply(batch, embedded={upload.key: made})
            self.quota_ledger.complete(upload, claim, kind, self.now())
        except Exception:
            # The file may be in its place: its share stays taken, and somebody comes back to it.
            self.queues.send_upload(upload.ref, delay=RECHECK_SECONDS)
            raise
        return replace(upload, state=UploadState.DONE, mime_type=kind)

    def _open(self, upload: Upload, claim: FileLock) -> EmbeddedImage:
        """What the embedder reads out of the bytes; the thumbnail is made on the way."""
        if upload.only_new and claim.charged is not None:
            self.fail(upload, *EXISTS)
            raise FileExists(EXISTS[1], field="file")
        place = new_thumbnail_key(file_uuid(upload.collection, upload.key))
        thumbnail = self.storage.thumbnail_upload_url(upload.collection, place, seconds=EMBEDDER_URL_SECONDS)
        source = self.storage.url(upload.staged_key, seconds=EMBEDDER_URL_SECONDS)
        (result,) = self.embedder.embed_objects([ObjectToEmbed(source, thumbnail)])
        if isinstance(result, ImageEmbedding):
            return EmbeddedImage(result, place)
        if result.code == "source_not_found":
            raise UploadIncomplete("The file has not arrived yet. Send it to the upload's URL, then complete it.")
        if not result.transient:
            self.fail(upload, result.code, result.message)
        raise unreadable_picture(result)

    def _unlist(self, upload: Upload) -> None:
        """Where the file of an upload that has failed is listed as pending, list it as failed, or not at all."""
        record = self.catalogue.get(upload.collection, upload.key)
        if record is not None and record.state is FileState.PENDING:
            ended = record.next_revision(self.now())
            reason, detail = upload.reason or "", upload.detail or ""
            gone = reason == EXPIRED[0]
            end = ended.as_removed(reason, detail) if gone else ended.as_failed("", reason, detail)
            try:
                self.catalogue.save(end, record)
            except StaleWrite:
                return  # somebody knows better what is there by now


def _failure_of(upload: Upload) -> Exception:
    if upload.reason == EXISTS[0]:
        return FileExists(EXISTS[1], field="file")
    if upload.reason == EXPIRED[0]:
        return NotFound("This upload has expired. Begin a new one.")
    if upload.reason == ABANDONED[0]:
        return NotFound("This upload has failed. Begin a new one.")
    return unreadable_picture(
        ReadFailure(upload.reason or "unknown", upload.detail or "no reason is known", transient=False)
    )
