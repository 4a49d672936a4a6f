"""Uploads into managed collections: counted before their bytes arrive, which is beside their place.

They are sent along with the request, or by a presigned POST; what happens then is in chalicelib.services.pipeline.upload_completion.
"""

import uuid
from dataclasses import dataclass

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import FileExists, InvalidRequest, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.image_files import check_inline_size, checked_file_name
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import (
    ABANDONED,
    EXISTS,
    EXPIRY_CHECK_SECONDS,
    INLINE_STAGING,
    PRESIGNED_STAGING,
    UPLOAD_WINDOW,
    CompletedUpload,
    Upload,
    UploadForm,
    UploadRef,
    checked_mime_type,
    checked_size,
    month_of,
)
from chalicelib.domain.wishes import check_fields
from chalicelib.services.authentication import Caller
from chalicelib.services.pipeline.upload_completion import UploadCompletion
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, Queues, QuotaLedger


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    """An upload that waits for its bytes, and the form to send them with."""

    upload: Upload
    form: UploadForm
    mime_type: str


@dataclass(frozen=True, slots=True)
class UploadService:
    catalogue: Catalogue
    quota_ledger: QuotaLedger
    storage: ManagedStorage
    queues: Queues
    completion: UploadCompletion
    now: Clock

    def upload(
        self, caller: Caller, collection: Collection, file_name: str | None, body: bytes, *, only_new: bool
    ) -> CompletedUpload:
        """Store a picture and index it. A file of that name is replaced; if this fails, it stays as it was.

        Raises:
            InvalidRequest: the collection is not managed, or the name will not do.
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
            FileExists: there is a file of that name, and the caller wants only a new one.
            QuotaExceeded: the plan allows no more.
        """
        _check_managed(collection)
        name = checked_file_name(file_name)
        check_inline_size(body)
        upload = self._reserve(caller.plan, collection, name, len(body), INLINE_STAGING, only_new=only_new)
        try:
            self.storage.put(upload.staged_key, body, "application/octet-stream")
        except Exception:
            self.completion.fail(upload, *ABANDONED)
            raise
        return self.completion.complete(upload)

    def prepare(
        self, caller: Caller, collection: Collection, wish: "dict[str, object]", *, only_new: bool
    ) -> PreparedUpload:
        """An upload whose bytes the caller sends to S3 themselves, within ten minutes.

        Raises:
            InvalidRequest, PayloadTooLarge, UnsupportedMediaType: a field will not do; the error names it.
            FileExists: there is a file of that name, and the caller wants only a new one.
            QuotaExceeded: the plan allows no more.
        """
        _check_managed(collection)
        check_fields(wish, ("file", "size", "mime_type"))
        file = wish.get("file")
        name = checked_file_name(file if isinstance(file, str) else None)
        size, kind = checked_size(wish.get("size")), checked_mime_type(wish.get("mime_type"))
        record = self.catalogue.get(collection.uuid, collection.prefix + name)
        if only_new and record is not None and record.state is FileState.INDEXED:
            raise FileExists(EXISTS[1], field="file")
        upload = self._reserve(caller.plan, collection, name, size, PRESIGNED_STAGING, only_new=only_new)
        try:
            # First of all: whatever happens from here on, somebody will look.
            self.queues.send_upload(upload.ref, delay=EXPIRY_CHECK_SECONDS)
        except Exception:
            self.completion.fail(upload, *ABANDONED)
            raise
        self._announce(upload, record)
        seconds = int(UPLOAD_WINDOW.total_seconds())
        form = self.storage.presigned_form(upload.staged_key, size=size, content_type=kind, seconds=seconds)
        return PreparedUpload(upload, form, kind)

    def complete(self, collection: Collection, upload_id: str) -> CompletedUpload:
        """Finish an upload whose bytes were sent; the same answer however often it is asked for, for a day.

        Raises:
            NotFound: there is no such upload, or it has expired.
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: they are no picture.
            FileExists: there is a file of that name by now, and the caller wanted only a new one.
        """
        upload = self.quota_ledger.upload(UploadRef(collection.account, collection.uuid, upload_id))
        if upload is None:
            raise NotFound("There is no such upload.")
        return self.completion.complete(upload)

    def sweep(self, account: str) -> None:
        """Have uploads looked at that a crash has left behind."""
        for upload in self.quota_ledger.expired(account, self.now()):
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
            expires_at=now + UPLOAD_WINDOW,
            only_new=only_new,
        )
        if not self.quota_ledger.reserve(upload, plan):
            self.sweep(collection.account)
            raise self._used_up(upload, plan)
        return upload

    def _used_up(self, upload: Upload, plan: Plan) -> QuotaExceeded:
        usage = self.quota_ledger.usage(upload.account, upload.month)
        if usage.uploads >= plan.uploads_a_month:
            return QuotaExceeded(f"The plan allows {plan.uploads_a_month:,} uploads a month, and they are used up.")
        if usage.files >= plan.files:
            return QuotaExceeded(f"The plan allows {plan.files:,} files, and there are as many. Delete some.")
        for kind, used, allowed in (
            ("managed storage", usage.managed_bytes, plan.managed_bytes),
            ("the plan", usage.bytes, plan.bytes),
        ):
            if used + upload.size > allowed:
                return QuotaExceeded(
                    f"The file has {upload.size:,} bytes; of {allowed:,} bytes of {kind}, "
                    f"{max(0, allowed - used):,} are free. Delete some files."
                )
        return QuotaExceeded("Other uploads have taken what the plan allows. Try again in a moment.")

    def _announce(self, upload: Upload, record: FileRecord | None) -> None:
        """List the file as pending, where there is none of its name yet."""
        if record is not None and record.state is not FileState.REMOVED:
            return
        now = self.now()
        blank = FileRecord(upload.account, upload.collection, upload.key, FileState.PENDING, "", upload.size, 0, now)
        try:
            self.catalogue.save((record or blank).next_revision(now).as_pending(), record)
        except StaleWrite:
            return  # somebody knows better what is there by now


def _check_managed(collection: Collection) -> None:
    if collection.type is not CollectionType.MANAGED:
        raise InvalidRequest("Only managed collections take uploads. Put the file into the bucket, and sync.")
