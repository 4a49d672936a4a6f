"""Deletes some files of one managed collection together: a request for all of them where one for each would do.

The steps are those of ``FileService.delete_record``, in its order, so a death in between leaves what one there leaves.
"""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.files import FileRecord, FileState, PendingWrite
from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch, ObjectHint
from chalicelib.domain.uploads import LOCKED, FileLock, UploadRef
from chalicelib.services.files import REQUEST_LOCK_TIME, FileService
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, QuotaLedger

FILES_TOGETHER = INDEX_BATCH_SIZE  # few enough to be deleted long before their locks expire

Errors = dict[str, NotFound | Unavailable | None]


@dataclass(frozen=True, slots=True)
class FileGroupDeletion:
    files: FileService
    catalogue: Catalogue
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    indexer: Indexer
    now: Clock

    def delete(
        self, collection: Collection, records: Sequence[FileRecord], *, asked_at: datetime | None = None
    ) -> Errors:
        """Delete the files of a managed collection for good; returns why each was not deleted, by key.

        The error is None of a file that is gone, or stays because it was uploaded or changed later than ``asked_at``.

        Args:
            records: of the files, ``FILES_TOGETHER`` at most.
        """
        errors: Errors = {}
        locks = self._lock(collection, records, errors)
        refunded: set[str] = set()
        overtaken: set[str] = set()
        try:
            tombstones, overtaken = self._remove(collection, locks, errors, asked_at)
            if tombstones:
                gone = self._clear(collection, tombstones, errors)
                refunded |= self._refund([locks[key] for key in gone], errors)
        except (NotFound, Unavailable) as error:
            errors |= dict.fromkeys(locks.keys() - errors.keys() - overtaken, error)
        finally:
            for key in locks.keys() - refunded:
                with suppress(Unavailable):  # this lock expires; those of the others are released now
                    self.quota_ledger.unlock(locks[key])
        for record in records:
            if record.key in overtaken:
                errors[record.key] = self._delete_alone(record, asked_at)
        return errors

    def _lock(self, collection: Collection, records: Sequence[FileRecord], errors: Errors) -> dict[str, FileLock]:
        """Lock the files; returns the locks by key. One that cannot be locked leaves the others theirs."""
        now, ref = self.now(), UploadRef(collection.account, collection.uuid, "")
        locks: dict[str, FileLock] = {}
        for record in records:
            try:
                lock = self.quota_ledger.lock(ref, record.key, str(uuid.uuid4()), now, now + REQUEST_LOCK_TIME)
            except Unavailable as error:
                errors[record.key] = error
                continue
            if lock is None:
                errors[record.key] = Unavailable(LOCKED)
            else:
                locks[record.key] = lock
        return locks

    def _remove(
        self, collection: Collection, locks: Mapping[str, FileLock], errors: Errors, asked_at: datetime | None
    ) -> tuple[list[FileRecord], set[str]]:
        """Save the tombstones of locked files, as ``FileService`` does of one, before any object is deleted.

        Returns:
            The tombstones, and the keys of records that another worker has written meanwhile.
        """
        found = self.catalogue.get_many(collection.uuid, list(locks))
        tombstones: list[FileRecord] = []
        writes: list[PendingWrite] = []
        for key, lock in locks.items():
            record = found.get(key)
            is_removed = record is not None and record.state is FileState.REMOVED
            if record is None or record.moved_to is not None or (is_removed and lock.charged is None):
                errors[key] = NotFound("There is no such file.")
            elif is_removed:  # an interrupted deletion has left its quota charged
                tombstones.append(record)
            elif asked_at is not None and (record.state is FileState.PENDING or record.updated_at > asked_at):
                errors[key] = None
            else:
                writes.append(PendingWrite(record.next_revision(self.now()).as_removed(), record))
        stale = self.catalogue.save_all(writes) if writes else set()
        tombstones += [write.record for write in writes if write.key not in stale]
        return tombstones, stale

    def _clear(self, collection: Collection, tombstones: Sequence[FileRecord], errors: Errors) -> list[str]:
        """Delete the objects, index entries and thumbnails of tombstones, and what these keep of the pictures.

        Returns:
            The keys of those of which nothing is left.
        """
        keys = [tombstone.key for tombstone in tombstones]
        area = UploadRef(collection.account, collection.uuid, "").area
        self.storage.delete_all(area, keys)
        self.indexer.apply(IndexBatch(collection.account, collection.uuid, tuple(map(ObjectHint, keys))))
        thumbnails = [tombstone.thumbnail for tombstone in tombstones if tombstone.thumbnail is not None]
        if thumbnails:
            self.storage.delete_thumbnails(collection.uuid, thumbnails)
        found = self.catalogue.get_many(collection.uuid, keys)
        removed = [record for record in found.values() if record.state is FileState.REMOVED]
        # Read before the write, which makes stale whatever another worker would do with one of them.
        images = self.catalogue.images_of([record.uuid for record in removed])
        writes = [PendingWrite(record.next_revision(self.now()).as_deleted(None), record) for record in removed]
        stale = self.catalogue.save_all(writes) if writes else set()
        emptied = {write.record.uuid: write.key for write in writes if write.key not in stale}
        self.catalogue.delete_images([image for image in images if image.file in emptied])
        gone = [key for key in keys if key not in found or key in emptied.values()]
        for key in keys:
            if key not in gone:
                try:
                    self.files.clear_tombstone(collection, key)
                    gone.append(key)
                except Unavailable as error:
                    errors[key] = error
        return gone

    def _refund(self, locks: Sequence[FileLock], errors: Errors) -> set[str]:
        """Release the quota of deleted files and their locks; returns their keys."""
        try:
            self.quota_ledger.refund_files(locks)
        except Unavailable:  # a lock is lost, and not those of the others
            for lock in locks:
                try:
                    self.quota_ledger.refund_files([lock])
                    errors[lock.key] = None
                except Unavailable as error:
                    errors[lock.key] = error
        else:
            errors |= dict.fromkeys((lock.key for lock in locks), None)
        return {lock.key for lock in locks if errors[lock.key] is None}

    def _delete_alone(self, record: FileRecord, asked_at: datetime | None) -> NotFound | Unavailable | None:
        try:
            self.files.delete_record(record, asked_at=asked_at)
        except (NotFound, Unavailable) as error:
            return error
        return None
