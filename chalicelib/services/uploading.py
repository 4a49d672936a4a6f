"""Uploads into managed collections: counted, opened, put in their place, searchable; and each of it once.

The bytes arrive beside their place: sent along with the request, or by a presigned POST. Whoever comes first, the
caller's ``complete``, S3's event or a later look, claims the file, has the bytes opened, and only if they are a picture
do they take the place of what was there. A crash leaves the upload pending, and the look after its expiry finishes it
or gives its share back.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.changes import Change, IndexBatch
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import (
    AllowanceUsedUp,
    FileExists,
    InvalidRequest,
    NotFound,
    StaleWrite,
    Unavailable,
    UnreadablePicture,
    UploadIncomplete,
)
from chalicelib.domain.files import FileRecord, FileState, Picture, failed, file_uuid, pending, removed
from chalicelib.domain.pictures import checked_file_name, mime_type
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import (
    INLINE,
    OPEN_FOR,
    PRESIGNED,
    Claim,
    Upload,
    UploadRef,
    UploadState,
    checked_mime_type,
    checked_size,
    month_of,
    staged_key,
)
from chalicelib.domain.wishes import check_fields
from chalicelib.services.authenticating import Caller
from chalicelib.services.embedding import URL_SECONDS
from chalicelib.services.indexing import Indexing
from chalicelib.services.ports import (
    Allowances,
    Catalogue,
    Clock,
    Collections,
    Embedder,
    Failure,
    ManagedStorage,
    ObjectToEmbed,
    Queues,
    UploadForm,
)
from chalicelib.services.searching import check_size, refusal

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """An upload that waits for its bytes, and the form to send them with."""

    upload: Upload
    form: UploadForm
    mime_type: str


class Busy(Exception):
    """Somebody else is at this file."""


@dataclass(frozen=True, slots=True)
class Uploads:
    collections: Collections
    catalogue: Catalogue
    allowances: Allowances
    storage: ManagedStorage
    embedder: Embedder
    indexing: Indexing
    queues: Queues
    now: Clock
    wait: Callable[[float], None] = time.sleep

    def upload(
        self, caller: Caller, collection: Collection, file_name: str | None, body: bytes, *, only_new: bool
    ) -> Uploaded:
        """Store a picture and index it. A file of that name is replaced; if this fails, it stays as it was.

        Raises:
            InvalidRequest: the collection is not managed, or the name will not do.
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
            FileExists: there is a file of that name, and the caller wants only a new one.
            AllowanceUsedUp: the plan allows no more.
        """
        _check_managed(collection)
        name = checked_file_name(file_name)
        check_size(body)
        upload = self._reserve(caller.plan, collection, name, len(body), INLINE, only_new=only_new)
        try:
            self.storage.put(upload.staged_key, body, "application/octet-stream")
        except Exception:
            self._fail(upload, *GIVEN_UP)
            raise
        return self._finish_patiently(upload)

    def prepare(self, caller: Caller, collection: Collection, wish: "dict[str, object]", *, only_new: bool) -> Prepared:
        """An upload whose bytes the caller sends to S3 themselves, within ten minutes.

        Raises:
            InvalidRequest, PayloadTooLarge, UnsupportedMediaType: a field will not do; the error names it.
            FileExists: there is a file of that name, and the caller wants only a new one.
            AllowanceUsedUp: the plan allows no more.
        """
        _check_managed(collection)
        check_fields(wish, ("file", "size", "mime_type"))
        file = wish.get("file")
        name = checked_file_name(file if isinstance(file, str) else None)
        size, kind = checked_size(wish.get("size")), checked_mime_type(wish.get("mime_type"))
        record = self.catalogue.get(collection.uuid, collection.prefix + name)
        if only_new and record is not None and record.state is FileState.INDEXED:
            raise FileExists(EXISTS[1], field="file")
        upload = self._reserve(caller.plan, collection, name, size, PRESIGNED, only_new=only_new)
        try:
            # First of all: whatever happens from here on, somebody will look.
            self.queues.send_upload(upload.ref, delay=LOOK_AFTER)
        except Exception:
            self._fail(upload, *GIVEN_UP)
            raise
        self._announce(upload, record)
        seconds = int(OPEN_FOR.total_seconds())
        form = self.storage.form(upload.staged_key, size=size, content_type=kind, seconds=seconds)
        return Prepared(upload, form, kind)

    def complete(self, collection: Collection, upload_id: str) -> Uploaded:
        """Finish an upload whose bytes were sent; the same answer however often it is asked for, for a day.

        Raises:
            NotFound: there is no such upload, or it has expired.
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: they are no picture.
            FileExists: there is a file of that name by now, and the caller wanted only a new one.
        """
        upload = self.allowances.upload(UploadRef(collection.account, collection.uuid, upload_id))
        if upload is None:
            raise NotFound("There is no such upload.")
        return self._finish_patiently(upload)

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
            self._finish(upload)
        except UploadIncomplete:
            if upload.expires_at < self.now():
                self._fail(upload, *EXPIRED)
            else:
                self.queues.send_upload(ref, delay=LOOK_AFTER)
        except Busy:
            self.queues.send_upload(ref, delay=LOOK_AGAIN)
        except (UnreadablePicture, FileExists, NotFound):
            return  # the upload has ended, and its record says why

    def sweep(self, account: str) -> None:
        """Have uploads looked at that a crash has left behind."""
        for upload in self.allowances.expired(account, self.now()):
            self.queues.send_upload(upload.ref)

    def _reserve(
        self, plan: Plan, collection: Collection, name: str, size: int, folder: str, *, only_new: bool
    ) -> Upload:
        now = self.now()
        upload = Upload(
            id=str(uuid.uuid4()),
            account=collection.account,
            collection=collection.uuid,
            key=collection.prefix + name,
            size=size,
            folder=folder,
            month=month_of(now),
            created_at=now,
            expires_at=now + OPEN_FOR,
            only_new=only_new,
        )
        others = [c for c in self.collections.of_account(collection.account) if c.type is not CollectionType.MANAGED]
        files = plan.files - sum(c.total_files for c in others)
        room = min(plan.managed_bytes, plan.bytes - sum(c.total_size for c in others))
        if not self.allowances.reserve(upload, files=files, size=room, uploads=plan.uploads_a_month):
            self.sweep(collection.account)
            raise self._used_up(upload, plan, files, room)
        return upload

    def _used_up(self, upload: Upload, plan: Plan, files: int, room: int) -> AllowanceUsedUp:
        usage = self.allowances.usage(upload.account, upload.month)
        if usage.uploads >= plan.uploads_a_month:
            return AllowanceUsedUp(f"The plan allows {plan.uploads_a_month:,} uploads a month, and they are used up.")
        if usage.managed_files >= files:
            return AllowanceUsedUp(f"The plan allows {plan.files:,} files, and there are as many. Delete some.")
        if usage.managed_bytes + upload.size > room:
            return AllowanceUsedUp(
                f"The file has {upload.size:,} bytes; of {plan.managed_bytes:,} bytes of managed storage, "
                f"{max(0, room - usage.managed_bytes):,} are free. Delete some files."
            )
        return AllowanceUsedUp("Other uploads have taken what the plan allows. Try again in a moment.")

    def _finish_patiently(self, upload: Upload) -> Uploaded:
        """For a caller who waits: another upload of the same name, or S3's event, may be at the file."""
        for _ in range(int(PATIENCE / PAUSE)):
            try:
                return self._finish(upload)
            except Busy:
                self.wait(PAUSE)
        if upload.folder == INLINE:
            self._fail(upload, *GIVEN_UP)
        raise Unavailable("A file of that name is being processed. Try again in a moment.")

    def _finish(self, upload: Upload) -> Uploaded:
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
            picture = self._open(upload, claim)
        except (UnreadablePicture, FileExists):
            raise
        except Exception:
            if upload.folder == INLINE:  # the caller is told, and will send it again
                self._fail(upload, *GIVEN_UP)
            raise
        kind = mime_type(picture.format)
        try:
            self.storage.move(upload.staged_key, upload.key, kind)
            batch = IndexBatch(upload.account, upload.collection, (Change(upload.key),))
            self.indexing.apply(batch, opened={upload.key: picture})
            self.allowances.settle(upload, claim, kind, self.now())
        except Exception:
            # The file may be in its place: its share stays taken, and somebody comes back to it.
            self.queues.send_upload(upload.ref, delay=LOOK_AGAIN)
            raise
        return replace(upload, state=UploadState.DONE, mime_type=kind)

    def _open(self, upload: Upload, claim: Claim) -> Picture:
        """What the embedder reads out of the bytes; the thumbnail is made on the way."""
        if upload.only_new and claim.charged is not None:
            self._fail(upload, *EXISTS)
            raise FileExists(EXISTS[1], field="file")
        thumbnail = self.storage.thumbnail_upload_url(
            upload.collection, file_uuid(upload.collection, upload.key), seconds=URL_SECONDS
        )
        source = self.storage.url(upload.staged_key, seconds=URL_SECONDS)
        (result,) = self.embedder.embed_objects([ObjectToEmbed(source, thumbnail)])
        if isinstance(result, Picture):
            return result
        if result.code == "source_not_found":
            raise UploadIncomplete("The file has not arrived yet. Send it to the upload's URL, then complete it.")
        if not result.transient:
            self._fail(upload, result.code, result.message)
        raise refusal(result)

    def _fail(self, upload: Upload, reason: str, detail: str) -> None:
        """End the upload, give its share back, and forget its bytes."""
        if not self.allowances.give_back(upload, reason, detail, self.now()):
            return
        self.storage.remove(upload.staged_key)
        self._unlist(replace(upload, reason=reason, detail=detail))

    def _unlist(self, upload: Upload) -> None:
        """Where the file of an upload that has failed is listed as pending, list it as failed, or not at all."""
        record = self.catalogue.get(upload.collection, upload.key)
        if record is not None and record.state is FileState.PENDING:
            ended, reason, detail = _next(record, self.now), upload.reason or "", upload.detail or ""
            gone = reason == EXPIRED[0]
            self._save(removed(ended, reason, detail) if gone else failed(ended, "", reason, detail), record)

    def _announce(self, upload: Upload, record: FileRecord | None) -> None:
        """List the file as pending, where there is none of its name yet."""
        if record is not None and record.state is not FileState.REMOVED:
            return
        blank = FileRecord(
            upload.account, upload.collection, upload.key, FileState.PENDING, "", upload.size, 0, self.now()
        )
        self._save(pending(_next(record or blank, self.now)), record)

    def _save(self, record: FileRecord, previous: FileRecord | None) -> None:
        try:
            self.catalogue.save(record, previous)
        except StaleWrite:
            return  # somebody knows better what is there by now


def _next(record: FileRecord, now: Clock) -> FileRecord:
    return replace(record, version=record.version + 1, updated_at=now())


def _check_managed(collection: Collection) -> None:
    if collection.type is not CollectionType.MANAGED:
        raise InvalidRequest("Only managed collections take uploads. Put the file into the bucket, and sync.")


def _why_it_failed(upload: Upload) -> Exception:
    if upload.reason == EXISTS[0]:
        return FileExists(EXISTS[1], field="file")
    if upload.reason == EXPIRED[0]:
        return NotFound("This upload has expired. Begin a new one.")
    if upload.reason == GIVEN_UP[0]:
        return NotFound("This upload has failed. Begin a new one.")
    return refusal(Failure(upload.reason or "unknown", upload.detail or "no reason is known", transient=False))
