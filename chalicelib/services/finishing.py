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

from chalicelib.domain.changes import Change, IndexBatch
from chalicelib.domain.errors import (
    FileExists,
    NotFound,
    StaleWrite,
    Unavailable,
    UnreadablePicture,
    UploadIncomplete,
)
from chalicelib.domain.files import FileState, Picture, failed, file_uuid, following, new_thumbnail, removed
from chalicelib.domain.pictures import mime_type
from chalicelib.domain.uploads import INLINE, PRESIGNED, Claim, Upload, UploadRef, UploadState, staged_key
from chalicelib.services.embedding import URL_SECONDS, Made
from chalicelib.services.indexing import Indexing
from chalicelib.services.ports import (
    Allowances,
    Catalogue,
    Clock,
    Embedder,
    Failure,
    ManagedStorage,
    ObjectToEmbed,
    Queues,
)
from chalicelib.services.searching import refusal

LOOK_AFTER = 900  # seconds, the most that SQS delays a message; an upload is open for less
LOOK_AGAIN = 60
CLAIM = timedelta(seconds=200)  # longer than a worker runs
PATIENCE, PAUSE = 15.0, 0.2  # seconds that a request waits for another one with the same file
EXPIRED = ("expired", "The file was not sent in time.")
EXISTS = ("file_exists", "There is a file of that name already.")
GIVEN_UP = ("given_up", "The upload failed on our side.")


@dataclass(frozen=True, slots=True)
class Uploaded:
    file_name: str
    mime_type: str


class Busy(Exception):
    """Somebody else is at this file."""


@dataclass(frozen=True, slots=True)
class Finishing:
    catalogue: Catalogue
    allowances: Allowances
    storage: ManagedStorage
    embedder: Embedder
    indexing: Indexing
    queues: Queues
    now: Clock
    wait: Callable[[float], None] = time.sleep

    def finish(self, upload: Upload) -> Uploaded:
        """For a caller who waits: another upload of the same name, or S3's event, may be at the file.

        Raises:
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: they are no picture.
            FileExists: there is a file of that name, and the caller wanted only a new one.
            NotFound: the upload has failed before, or is forgotten.
        """
        for _ in range(int(PATIENCE / PAUSE)):
            try:
                return self._attempt(upload)
            except Busy:
                self.wait(PAUSE)
        if upload.folder == INLINE:
            self.fail(upload, *GIVEN_UP)
        raise Unavailable("A file of that name is being processed. Try again in a moment.")

    def look(self, ref: UploadRef) -> None:
        """Finish an upload whose bytes are there, or give its share back once its time is over.

        Raises:
            Unavailable: not possible now; nothing is lost, try again.
        """
        upload = self.allowances.upload(ref)
        if upload is None or upload.state is not UploadState.PENDING:
            self.storage.remove(staged_key(PRESIGNED, ref))
            if upload is not None and upload.state is UploadState.FAILED:
                self._unlist(upload)  # whoever ended it may have died before this
            return
        try:
            self._attempt(upload)
        except UploadIncomplete:
            if upload.expires_at < self.now():
                self.fail(upload, *EXPIRED)
            else:
                self.queues.send_upload(ref, delay=LOOK_AFTER)
        except Busy:
            self.queues.send_upload(ref, delay=LOOK_AGAIN)
        except (UnreadablePicture, FileExists, NotFound):
            return  # the upload has ended, and its record says why

    def fail(self, upload: Upload, reason: str, detail: str) -> None:
        """End the upload, give its share back, and forget its bytes."""
        if not self.allowances.give_back(upload, reason, detail, self.now()):
            return
        self.storage.remove(upload.staged_key)
        self._unlist(replace(upload, reason=reason, detail=detail))

    def _attempt(self, upload: Upload) -> Uploaded:
        now = self.now()
        claim = self.allowances.claim(upload.ref, upload.key, str(uuid.uuid4()), now, now + CLAIM)
        if claim is None:
            raise Busy
        settled = False
        try:
            known = self.allowances.upload(upload.ref)
            if known is None:
                raise NotFound("There is no such upload.")
            if known.state is UploadState.FAILED:
                raise _why_it_failed(known)
            if known.state is UploadState.PENDING:
                known = self._put_in_place(known, claim)
                settled = True
        finally:
            if not settled:
                self.allowances.release(claim)
        self.storage.remove(known.staged_key)
        assert known.mime_type is not None
        return Uploaded(known.file_name, known.mime_type)

    def _put_in_place(self, upload: Upload, claim: Claim) -> Upload:
        try:
            made = self._open(upload, claim)
        except (UnreadablePicture, FileExists):
            raise
        except Exception:
            if upload.folder == INLINE:  # the caller is told, and will send it again
                self.fail(upload, *GIVEN_UP)
            raise
        kind = mime_type(made.picture.format)
        try:
            self.storage.move(upload.staged_key, upload.key, kind)
            batch = IndexBatch(upload.account, upload.collection, (Change(upload.key),))
            self.indexing.apply(batch, opened={upload.key: made})
            self.allowances.settle(upload, claim, kind, self.now())
        except Exception:
            # The file may be in its place: its share stays taken, and somebody comes back to it.
            self.queues.send_upload(upload.ref, delay=LOOK_AGAIN)
            raise
        return replace(upload, state=UploadState.DONE, mime_type=kind)

    def _open(self, upload: Upload, claim: Claim) -> Made:
        """What the embedder reads out of the bytes; the thumbnail is made on the way."""
        if upload.only_new and claim.charged is not None:
            self.fail(upload, *EXISTS)
            raise FileExists(EXISTS[1], field="file")
        place = new_thumbnail(file_uuid(upload.collection, upload.key))
        thumbnail = self.storage.thumbnail_upload_url(upload.collection, place, seconds=URL_SECONDS)
        source = self.storage.url(upload.staged_key, seconds=URL_SECONDS)
        (result,) = self.embedder.embed_objects([ObjectToEmbed(source, thumbnail)])
        if isinstance(result, Picture):
            return Made(result, place)
        if result.code == "source_not_found":
            raise UploadIncomplete("The file has not arrived yet. Send it to the upload's URL, then complete it.")
        if not result.transient:
            self.fail(upload, result.code, result.message)
        raise refusal(result)

    def _unlist(self, upload: Upload) -> None:
        """Where the file of an upload that has failed is listed as pending, list it as failed, or not at all."""
        record = self.catalogue.get(upload.collection, upload.key)
        if record is not None and record.state is FileState.PENDING:
            ended = following(record, self.now())
            reason, detail = upload.reason or "", upload.detail or ""
            gone = reason == EXPIRED[0]
            end = removed(ended, reason, detail) if gone else failed(ended, "", reason, detail)
            try:
                self.catalogue.save(end, record)
            except StaleWrite:
                return  # somebody knows better what is there by now


def _why_it_failed(upload: Upload) -> Exception:
    if upload.reason == EXISTS[0]:
        return FileExists(EXISTS[1], field="file")
    if upload.reason == EXPIRED[0]:
        return NotFound("This upload has expired. Begin a new one.")
    if upload.reason == GIVEN_UP[0]:
        return NotFound("This upload has failed. Begin a new one.")
    return refusal(Failure(upload.reason or "unknown", upload.detail or "no reason is known", transient=False))
