"""Files: lists, shows, downloads, retries and deletes them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.collections import KEY_LIMIT, Collection, CollectionType, parse_uuid
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import (
    InvalidRequest,
    NotDownloadable,
    NotFound,
    NotRetriable,
    SourceUnavailable,
    StaleWrite,
    Unavailable,
)
from chalicelib.domain.files import FilePage, FileRecord, FileState, has_dot_segment
from chalicelib.domain.image_files import mime_type, name_to_save, stored_name
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.uploads import LOCKED, FileLock, UploadRef
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.ports import Catalogue, Clock, Collections, ManagedStorage, Queues, QuotaLedger, Sources

DOWNLOAD_URL_SECONDS = 300  # validity of a presigned URL that a person follows at once
CHANGED_IN_BUCKET = (
    "Change files of your own bucket in the bucket: their metadata is S3's user metadata of the objects, their paths "
    "are the keys, and the next sync or event brings changes here."
)
NOT_MANAGED = "Delete files of your own bucket in the bucket; the next sync removes them from the index."
RECORD_WRITE_ATTEMPTS = 5  # for a record that workers write at the same time
RETRY_DELAY = 2  # seconds for which a worker leaves a file to the request that marks it as pending
REQUEST_LOCK_TIME = timedelta(seconds=60)  # longer than a request lasts


@dataclass(frozen=True, slots=True)
class Download:
    """A URL that serves an original until it expires."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FileService:
    """Raises NotFound for another account's file exactly as for one that does not exist."""

    collections: Collections
    catalogue: Catalogue
    sources: Sources
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    indexer: Indexer
    queues: Queues
    now: Clock

    def page(
        self,
        collection: Collection,
        state: FileState | None,
        *,
        after: str | None,
        limit: int,
        reason: str | None = None,
    ) -> FilePage:
        """The collection's files in the order of their keys; of one state, or of all if ``state`` is None.

        Args:
            reason: only failed files with this reason; ``state`` is then ``FAILED``.
        """
        return self.catalogue.page(collection.uuid, state, after=after, limit=limit, reason=reason)

    def page_of_path(
        self, collection: Collection, path: str, state: FileState | None, *, reason: str | None = None
    ) -> FilePage:
        """The file with this path within the collection, if it is in this state and has failed for this reason."""
        key = collection.prefix + (stored_name(path) if collection.type is CollectionType.MANAGED else path)
        record = self.catalogue.get(collection.uuid, key) if len(key.encode()) <= KEY_LIMIT else None
        is_listed = (
            record is not None
            and (record.state is state if state else record.state is not FileState.REMOVED)
            and reason in (None, record.reason)
        )
        return FilePage([record] if record is not None and is_listed else [], None)

    def get(self, account: str, file_id: str) -> FileRecord:
        record = self._record(account, file_id)
        if record.moved_to is not None:
            raise NotFound(f"The file was moved: it is {record.moved_to} now.")
        if record.state is FileState.REMOVED:
            raise NotFound("There is no such file.")
        return record

    def get_also_moved(self, account: str, file_id: str) -> FileRecord:
        """A file, or the tombstone of one that was moved, or whose move may have failed before it was complete."""
        record = self._record(account, file_id)
        # The embedding is cleared last, in the write that sets ``moved_to``.
        is_managed = self._collection_of(record).type is CollectionType.MANAGED
        has_left = record.state is FileState.REMOVED and record.embedding is not None and is_managed
        return record if record.moved_to is not None or has_left else self.get(account, file_id)

    def get_indexed(self, account: str, file_id: str) -> FileRecord:
        """A file that searches can find; raises NotFound for one in another state."""
        record = self._record(account, file_id)
        if record.state is not FileState.INDEXED:
            raise NotFound("There is no such file.")
        return record

    def get_of_any_account(self, file_id: str) -> FileRecord:
        """An indexed file for a link to it, whose signature says that it was made for the file's account."""
        record = self.catalogue.find(parse_uuid(file_id))
        if record is None or record.state is not FileState.INDEXED:
            raise NotFound("There is no such file.")
        self._collection_of(record)
        return record

    def known_of(
        self, account: str, files: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[FileRecord | None, Collection | None]]:
        """The record and the collection of each file of the account, by collection and key; None for what is gone."""
        records = self.catalogue.get_each(files)
        collections = {uuid: self.collections.get(account, uuid) for uuid in {collection for collection, _ in files}}
        return {file: (records.get(file), collections[file[0]]) for file in files}

    def download(self, record: FileRecord, *, inline: bool) -> Download:
        """A URL that serves the original of an indexed file for five minutes.

        Args:
            inline: a browser shows the picture instead of saving it.

        Raises:
            NotDownloadable: no URL serves it, for a reason that S3 would only tell as XML.
            SourceUnavailable: the bucket cannot be read now.
        """
        collection = self._collection_of(record)
        if has_dot_segment(record.key):
            raise NotDownloadable(
                "The key has a part '.' or '..', which browsers and HTTP clients remove from URLs. Get the file with a "
                f"client of S3's, such as 'aws s3api get-object --bucket {collection.bucket} --key …'."
            )
        source = self.sources.of(collection)
        current = source.head_objects([record.key])[record.key]
        if isinstance(current, ReadFailure):
            raise (SourceUnavailable if current.transient else NotDownloadable)(current.message)
        if current is None:
            raise NotFound("The file's object is gone from the bucket.")
        assert record.embedding is not None
        picture_format = record.embedding.format
        url = source.presigned_get(
            record.key,
            seconds=DOWNLOAD_URL_SECONDS,
            file_name=name_to_save(record.key.rpartition("/")[2], picture_format),
            show_as=mime_type(picture_format) if inline else None,
        )
        return Download(url, self.now() + timedelta(seconds=DOWNLOAD_URL_SECONDS))

    def retry(self, account: str, file_id: str) -> FileRecord:
        """Mark a failed file as pending and have it indexed again.

        Raises:
            NotRetriable: the file has not failed.
        """
        record = self.get(account, file_id)
        if record.state is not FileState.FAILED:
            raise NotRetriable(f"Only a failed file can be tried again; this one is {record.state}.")
        pending = record.next_revision(self.now()).as_pending()
        # Before the record is saved: where this process ends in between, the file is tried again all the same.
        hint = ObjectHint(record.key, retry=True)
        self.queues.send_changes([IndexBatch(account, record.collection, (hint,))], delay=RETRY_DELAY)
        try:
            self.catalogue.save(pending, record)
        except StaleWrite:
            raise NotRetriable("The file is being processed already.") from None
        return pending

    def delete(self, account: str, file_id: str) -> None:
        """Delete a file of a managed collection for good, with its embedding and thumbnail.

        Raises:
            InvalidRequest: the collection is on a customer's bucket.
            Unavailable: another request is changing the file.
        """
        self.delete_record(self._record(account, file_id))

    def delete_record(self, record: FileRecord, *, asked_at: datetime | None = None) -> None:
        """Delete the file of a record; raises as ``delete``.

        Args:
            asked_at: when the deletion was asked for; a file that was uploaded or changed later stays.
        """
        account, collection = record.account, self._collection_of(record)
        if collection.type is not CollectionType.MANAGED:
            raise InvalidRequest(NOT_MANAGED)
        now, ref = self.now(), UploadRef(account, collection.uuid, "")
        lock = self.quota_ledger.lock(ref, record.key, str(uuid.uuid4()), now, now + REQUEST_LOCK_TIME)
        if lock is None:
            raise Unavailable(LOCKED)
        deleted = False
        try:
            tombstone = self._remove(lock, asked_at)
            if tombstone is None:
                return
            self.storage.delete(ref.area, record.key)
            self.indexer.apply(IndexBatch(account, collection.uuid, (ObjectHint(record.key),)))
            if tombstone.thumbnail is not None:
                self.storage.delete_thumbnail(collection.uuid, tombstone.thumbnail)
            self.clear_tombstone(collection, record.key)
            self.quota_ledger.refund_file(lock)
            deleted = True
        finally:
            if not deleted:
                self.quota_ledger.unlock(lock)

    def _remove(self, lock: FileLock, asked_at: datetime | None) -> FileRecord | None:
        """Save the tombstone of a locked file; None if the file was uploaded or changed after ``asked_at``.

        To be called before the object is deleted: an upload of the same picture dates the record anew without a lock
        (``UploadCompletion.renew``). It does that before this, and is seen here, or it is refused.

        Raises:
            NotFound: there is no such file.
            Unavailable: other workers kept writing the record.
        """
        for _ in range(RECORD_WRITE_ATTEMPTS):
            record = self.catalogue.get(lock.collection, lock.key)
            if record is None or record.moved_to is not None:
                raise NotFound("There is no such file.")
            if record.state is FileState.REMOVED:
                # A deletion that was interrupted leaves the record removed and the quota charged: finish it.
                if lock.charged is None:
                    raise NotFound("There is no such file.")
                return record
            if asked_at is not None and (record.state is FileState.PENDING or record.updated_at > asked_at):
                return None
            tombstone = record.next_revision(self.now()).as_removed()
            try:
                self.catalogue.save(tombstone, record)
            except StaleWrite:
                continue
            return tombstone
        raise Unavailable(LOCKED)

    def clear_tombstone(self, collection: Collection, key: str, moved_to: str | None = None) -> None:
        """Leave nothing of the picture in its tombstone; ``moved_to`` is the uuid that a moved file has since.

        Raises:
            Unavailable: other workers kept writing the record, or an object of this key is there again.
        """
        for _ in range(RECORD_WRITE_ATTEMPTS):
            record = self.catalogue.get(collection.uuid, key)
            if record is None:
                return
            if record.state is not FileState.REMOVED:
                break
            # Read before the write, which makes stale whatever another worker would do with one of them.
            images = self.catalogue.images_of([record.uuid])
            try:
                self.catalogue.save(record.next_revision(self.now()).as_deleted(moved_to), record)
            except StaleWrite:
                continue
            self.catalogue.delete_images(images)
            return
        raise Unavailable(LOCKED)

    def _record(self, account: str, file_id: str) -> FileRecord:
        record = self.catalogue.find(parse_uuid(file_id))
        if record is None or record.account != account:
            raise NotFound("There is no such file.")
        self._collection_of(record)
        return record

    def _collection_of(self, record: FileRecord) -> Collection:
        collection = self.collections.get(record.account, record.collection)
        if collection is None:  # clearing the catalogue of a deleted collection takes a while
            raise NotFound("There is no such file.")
        return collection
