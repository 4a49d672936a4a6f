"""Uploads to managed collections: reserves quota, then accepts the file under a staging key.

A client sends the file with its request, or to S3 with a presigned form. ``services.pipeline.upload_completion`` does
the rest.
"""

import hashlib
import uuid
from dataclasses import dataclass

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, check_takes_uploads, parse_uuid
from chalicelib.domain.errors import FileExists, NotFound, QuotaExceeded
from chalicelib.domain.file_images import unused_images
from chalicelib.domain.files import FileRecord, FileState, PendingWrite
from chalicelib.domain.image_files import check_inline_size, mime_type
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import (
    ABANDONED,
    EXISTS,
    EXPIRY_CHECK_SECONDS,
    INLINE_STAGING,
    PRESIGNED_STAGING,
    UPLOAD_WINDOW,
    CompletedUpload,
    ManagedArea,
    NameRule,
    NewUpload,
    Upload,
    UploadCheck,
    UploadForm,
    UploadPage,
    UploadRef,
    UploadState,
    month_of,
    next_month,
    staged_key,
)
from chalicelib.services.pipeline.upload_completion import LOCK_WAIT_SECONDS, UploadCompletion
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, Queues, QuotaLedger

LARGER_UPLOAD = "Send one of up to 20 MiB in two steps: POST /api/collections/{uuid}/uploads/ prepares the upload."


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    """An upload that waits for its bytes, and the form with which the client sends them."""

    upload: Upload
    form: UploadForm


@dataclass(frozen=True, slots=True)
class UploadService:
    catalogue: Catalogue
    quota_ledger: QuotaLedger
    storage: ManagedStorage
    queues: Queues
    completion: UploadCompletion
    now: Clock

    def upload(
        self,
        caller: Caller,
        collection: Collection,
        path: str,
        body: bytes,
        rule: NameRule = NameRule.NUMBER,
        metadata: Metadata | None = None,
    ) -> CompletedUpload:
        """Store a picture and index it; a failure leaves every file unchanged.

        Where the same picture has the path, or a number of it, that file is the result, and nothing is charged.

        Args:
            path: as ``parse_path`` or ``parse_file_name`` returns it.
            rule: what to do where another picture has the path.
            metadata: of the file, in place of what it has; None leaves that as it is.

        Raises:
            InvalidRequest: the collection is not managed.
            UnreadablePicture: the bytes are not a picture.
            PayloadTooLarge: they exceed what the API takes in one request.
            FileExists: a file has this path, and the rule is ``REFUSE``.
            QuotaExceeded: the plan allows no more.
        """
        check_takes_uploads(collection)
        check_inline_size(body, LARGER_UPLOAD)
        return self.store(caller, collection, path, body, rule, metadata)

    def store(
        self,
        caller: Caller,
        collection: Collection,
        path: str,
        body: bytes,
        rule: NameRule = NameRule.NUMBER,
        metadata: Metadata | None = None,
        patience: float = LOCK_WAIT_SECONDS,
    ) -> CompletedUpload:
        """As ``upload``, for bytes of whatever origin, up to ``UPLOAD_LIMIT``.

        Args:
            patience: seconds that the request waits while the file is locked.
        """
        area, key = ManagedArea(collection.account, collection.uuid), collection.prefix + path
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        present = self.completion.names.find(area, key, md5, rule)
        if present is not None and present.embedding is not None:
            if rule is NameRule.REFUSE:
                raise FileExists(EXISTS.detail, field="file", uuid=present.uuid, md5=present.embedding.md5)
            if self.completion.renew(present, metadata):  # otherwise it is found, or not, under its lock
                return CompletedUpload(present.uuid, area.path(present.key), mime_type(present.embedding.format))
        upload = self._reserve(caller.plan, collection, key, len(body), INLINE_STAGING, rule, md5, metadata)
        try:
            self.storage.put(upload.area, upload.staged_key, body, "application/octet-stream")
        except Exception:
            self.completion.fail(upload, ABANDONED)
            raise
        return self.completion.complete(upload, patience)

    def prepare(self, caller: Caller, collection: Collection, new: NewUpload) -> PreparedUpload:
        """Start an upload whose bytes the client sends to S3 within ten minutes.

        Raises:
            InvalidRequest: the collection is not managed.
            FileExists: a file has this path, and the rule is ``REFUSE``.
            QuotaExceeded: the plan allows no more.
        """
        check_takes_uploads(collection)
        key = collection.prefix + new.path
        record = self.catalogue.get(collection.uuid, key)
        if new.rule is NameRule.REFUSE and record is not None and record.state is FileState.INDEXED:
            assert record.embedding is not None
            raise FileExists(EXISTS.detail, field="path", uuid=record.uuid, md5=record.embedding.md5)
        upload = self._reserve(
            caller.plan, collection, key, new.size, PRESIGNED_STAGING, new.rule, metadata=new.metadata
        )
        self._list_as_pending(upload, record)
        seconds = int(UPLOAD_WINDOW.total_seconds())
        form = self.storage.presigned_form(
            upload.area, upload.staged_key, size=new.size, content_type=new.mime_type, seconds=seconds
        )
        return PreparedUpload(upload, form)

    def destination(self, collection: Collection) -> str:
        """The URL to which clients send the forms of uploads."""
        ref = UploadRef(collection.account, collection.uuid, str(uuid.UUID(int=0)))
        key = staged_key(PRESIGNED_STAGING, ref)
        return self.storage.presigned_form(ref.area, key, size=1, content_type="image/jpeg", seconds=1).url

    def complete(self, collection: Collection, upload_id: str) -> CompletedUpload:
        """Complete an upload whose bytes were sent; a repeated call returns the same result for a day.

        Raises:
            NotFound: there is no such upload, or it has expired.
            UploadIncomplete: the bytes have not arrived.
            UnreadablePicture: they are not a picture.
            FileExists: a file has this name by now, and the upload was for a new file only.
        """
        return self.completion.complete(self.get(collection, upload_id))

    def get(self, collection: Collection, upload_id: str) -> Upload:
        """A prepared upload that is under way, or has ended within a day.

        Raises:
            NotFound: there is no such upload.
        """
        upload = self.quota_ledger.upload(UploadRef(collection.account, collection.uuid, parse_uuid(upload_id)))
        if upload is None or upload.folder != PRESIGNED_STAGING:  # one in a single request is completed by that request
            raise NotFound("There is no such upload.")
        return upload

    def page(self, collection: Collection, *, after: str | None, limit: int) -> UploadPage:
        """The collection's prepared uploads that are under way, in the order of their ids."""
        return self.quota_ledger.pending_uploads(
            collection.account, collection.uuid, PRESIGNED_STAGING, after=after, limit=limit
        )

    def cancel(self, collection: Collection, upload_id: str) -> None:
        """End a prepared upload, refund its quota and delete what was sent; does nothing if it has failed.

        Raises:
            NotFound: there is no such upload.
            Conflict: it is complete.
            Unavailable: its file stayed locked; try again.
        """
        upload = self.get(collection, upload_id)
        if upload.state is not UploadState.FAILED:
            self.completion.cancel(upload)

    def _reserve(
        self,
        plan: Plan,
        collection: Collection,
        key: str,
        size: int,
        folder: str,
        rule: NameRule,
        md5: str | None = None,
        metadata: Metadata | None = None,
    ) -> Upload:
        now = self.now()
        upload = Upload(
            id=str(uuid.uuid4()),
            account=collection.account,
            collection=collection.uuid,
            key=key,
            size=size,
            folder=folder,
            month=month_of(now),
            created_at=now,
            expires_at=now + UPLOAD_WINDOW,
            rule=rule,
            md5=md5,
            metadata=metadata,
        )
        self._check_quota(upload.account, plan, size)
        # Before the reservation: whenever this process crashes, a worker finds the upload and ends it. No request has
        # to search for uploads that were left pending.
        self.queues.send_upload_check(UploadCheck(upload.ref), delay=EXPIRY_CHECK_SECONDS)
        if not self.quota_ledger.reserve(upload, plan):
            self._check_quota(upload.account, plan, size)
            raise QuotaExceeded("Other uploads have just used up what the plan allows. Try again in a moment.")
        return upload

    def check_room(self, caller: Caller, size: int) -> None:
        """Check, before there is a collection for it, that a new file of this size in bytes could be uploaded.

        Raises:
            QuotaExceeded: the plan allows no more.
        """
        self._check_quota(caller.account, caller.plan, size)

    def check_quota(self, caller: Caller, collection: Collection, path: str) -> None:
        """Check, before a picture is fetched for this path, that one could be stored.

        A file that has the path may be the same picture, which takes no quota: that is seen when it is fetched.

        Raises:
            QuotaExceeded: the plan allows no more.
        """
        record = self.catalogue.get(collection.uuid, collection.prefix + path)
        if record is None or record.state is not FileState.INDEXED:
            self._check_quota(collection.account, caller.plan, None)

    def _check_quota(self, account: str, plan: Plan, size: int | None) -> None:
        """Raises QuotaExceeded where one read shows it, so that a refused upload writes and sends nothing.

        Args:
            size: in bytes; None if it is not known yet: then one byte must be free.
        """
        now = self.now()
        usage = self.quota_ledger.usage(account, month_of(now))
        if usage.uploads >= plan.uploads_a_month:
            raise QuotaExceeded(
                f"The plan allows {plan.uploads_a_month:,} uploads a month, and they are used up.",
                resets_at=next_month(now) if plan.uploads_a_month else None,
            )
        if usage.files >= plan.files:
            raise QuotaExceeded(f"The plan allows {plan.files:,} files, and there are as many. Delete some.")
        for limit_name, used, allowed in (
            ("managed storage", usage.managed_bytes, plan.managed_bytes),
            ("the plan", usage.bytes, plan.bytes),
        ):
            if used + (1 if size is None else size) > allowed:
                begin = "Of" if size is None else f"The file has {size:,} bytes; of"
                raise QuotaExceeded(
                    f"{begin} {allowed:,} bytes of {limit_name}, "
                    f"{max(0, allowed - used):,} are free. Delete some files."
                )

    def _list_as_pending(self, upload: Upload, record: FileRecord | None) -> None:
        """Save a pending record for the upload, unless the catalogue lists a file of its name."""
        if record is not None and record.state is not FileState.REMOVED:
            return
        now = self.now()
        blank = FileRecord(upload.account, upload.collection, upload.key, FileState.PENDING, "", upload.size, 0, now)
        write = PendingWrite((record or blank).next_revision(now).as_pending(), record)
        # Where it is refused, another writer has seen a newer state of the file.
        if not self.catalogue.save_all([write]):
            self.catalogue.delete_images(unused_images([write], set()))
