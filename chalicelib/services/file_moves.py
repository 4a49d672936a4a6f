"""Moves files of managed collections to other paths: a copy, one step of the quota ledger, and a deletion.

A file is where its quota is charged. A move copies the object and indexes the copy with the embedding that is known;
then the charge passes from one name to the other in one transaction; then what is left of the first name is deleted.
The message of a move is sent before all that, and is delivered after its request has ended: the worker deletes the
name that is not charged, whichever of the two it is. Both names are locked meanwhile, so no upload takes one of them.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import EmbeddedImage
from chalicelib.domain.errors import Conflict, FileExists, InvalidRequest, NotFound, StaleWrite, Unavailable
from chalicelib.domain.files import FileRecord, FileState, file_uuid, new_thumbnail_key
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.messages import FileMove, IndexBatch, ObjectHint
from chalicelib.domain.thumbnails import ThumbnailCopy
from chalicelib.domain.uploads import EXISTS, LOCKED, FileLock, ManagedArea, UploadRef
from chalicelib.services.files import CHANGED_IN_BUCKET, RECORD_WRITE_ATTEMPTS, REQUEST_LOCK_TIME, FileService
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.ports import Catalogue, Clock, Collections, ManagedStorage, Queues, QuotaLedger

SETTLEMENT_SECONDS = 120  # until a worker looks at a move: its request has ended, and its locks have expired


@dataclass(frozen=True, slots=True)
class FileMoveService:
    files: FileService
    collections: Collections
    catalogue: Catalogue
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    indexer: Indexer
    queues: Queues
    now: Clock

    def move(self, account: str, file_id: str, path: str) -> FileRecord:
        """Move a file within its collection; returns its record there. Its uuid follows from its path, and changes.

        A request that is repeated after its response was lost returns the same record.

        Args:
            path: as ``file_paths.parse_path`` returns it.

        Raises:
            NotFound: there is no such file.
            InvalidRequest: the collection is on a customer's bucket.
            Conflict: the file is not indexed.
            FileExists: another file has this path, or an upload to it is under way.
            Unavailable: one of the two names is being changed by another request.
        """
        record = self.files.get_also_moved(account, file_id)
        collection = self.collections.get(account, record.collection)
        if collection is None:
            raise NotFound("There is no such file.")
        if collection.type is not CollectionType.MANAGED:
            raise InvalidRequest(CHANGED_IN_BUCKET, field="path")
        target = collection.prefix + path
        if record.moved_to is not None:
            return self._moved_before(record, target)
        if target == record.key:
            return self._indexed(collection.uuid, target) if record.state is FileState.REMOVED else record
        if record.state not in (FileState.INDEXED, FileState.REMOVED):
            raise Conflict(f"Only an indexed file can be moved; this one is {record.state}.")
        move = FileMove(account, collection.uuid, record.key, target, str(uuid.uuid4()))
        # Before anything else: whenever this process ends, a worker deletes the name that is left.
        self.queues.send_file_move(move, delay=SETTLEMENT_SECONDS)
        with self._locks(move) as locks:
            source_lock, target_lock = locks
            known_at = self._begun_before(collection, move, source_lock, target_lock)
            if known_at is None:
                known_at = self._copy(collection, move, source_lock, target_lock).updated_at
                self.quota_ledger.move_charge(source_lock, target_lock)
                locks[:] = [replace(source_lock, charged=None)]
            self._clear_source(collection, move, known_at)
        return self._indexed(collection.uuid, target)

    def settle(self, move: FileMove) -> None:
        """Delete what a move that was interrupted has left; does nothing after one that was not.

        Raises:
            Unavailable: one of the two names is being changed; nothing is lost, try again.
        """
        collection = self.collections.get(move.account, move.collection)
        if collection is None:
            return
        with self._locks(move) as (source_lock, target_lock):
            stored = self.storage.stored(ManagedArea(move.account, move.collection), move.target)
            is_copied = stored is not None and stored.upload == move.id
            if target_lock.charged is None:
                if is_copied:
                    self._clear(collection, move.target)
            elif source_lock.charged is None:
                records = self.catalogue.get_many(collection.uuid, [move.source, move.target])
                left, moved = records.get(move.source), records.get(move.target)
                # A pending record is of an upload that came after the move.
                is_indexed = left is not None and left.state is FileState.INDEXED
                is_unfinished = left is not None and left.state is FileState.REMOVED and left.moved_to is None
                # The embedding goes last, with all that the file has left.
                has_more = left is not None and left.embedding is not None
                if is_indexed or (is_unfinished and (is_copied or has_more)):
                    self._clear_source(collection, move, moved.updated_at if moved is not None and is_copied else None)

    def _begun_before(
        self, collection: Collection, move: FileMove, source_lock: FileLock, target_lock: FileLock
    ) -> datetime | None:
        """When the target was last written, if an earlier request has moved the charge there and then failed."""
        if source_lock.charged is not None or target_lock.charged is None:
            return None
        records = self.catalogue.get_many(collection.uuid, [move.source, move.target])
        source, moved = records.get(move.source), records.get(move.target)
        if source is None or source.embedding is None or source.embedding.md5 != target_lock.md5:
            return None
        return moved.updated_at if moved is not None and moved.state is FileState.INDEXED else None

    def _copy(self, collection: Collection, move: FileMove, source_lock: FileLock, target_lock: FileLock) -> FileRecord:
        """Copy the object to the target and index it; returns the source's record as it was copied."""
        records = self.catalogue.get_many(collection.uuid, [move.source, move.target])
        record, occupant = records.get(move.source), records.get(move.target)
        if record is None or record.state is not FileState.INDEXED or source_lock.charged is None:
            raise NotFound("There is no such file.")
        if target_lock.charged is not None or (occupant is not None and occupant.state is FileState.PENDING):
            raise FileExists(EXISTS.detail, field="path")
        assert record.embedding is not None
        area = ManagedArea(move.account, move.collection)
        content_type = mime_type(record.embedding.format)
        self.storage.copy(area, move.source, move.target, content_type, md5=record.etag, upload=move.id)
        thumbnail = new_thumbnail_key(file_uuid(collection.uuid, move.target))
        embedded: dict[str, EmbeddedImage] = {}
        if record.thumbnail is not None:
            copy = ThumbnailCopy(collection.uuid, record.thumbnail, collection.uuid, thumbnail)
            if self.storage.copy_thumbnails([copy]) == [True]:
                embedded[move.target] = EmbeddedImage(record.embedding, thumbnail)
        batch = IndexBatch(move.account, move.collection, (ObjectHint(move.target, retry=True),))
        self.indexer.apply(batch, embedded=embedded, metadata={move.target: record.metadata})
        moved = self.catalogue.get(collection.uuid, move.target)
        if moved is None or moved.state is not FileState.INDEXED:
            raise Unavailable("The file cannot be read just now. Try again in a moment.")
        return record

    def _clear_source(self, collection: Collection, move: FileMove, known_at: datetime | None) -> None:
        """Give the target the metadata that the source got since ``known_at``, and delete the source.

        A change of metadata takes no lock. It is saved before the source's tombstone, and is seen here, or is refused.

        Args:
            known_at: up to when the target has what the source had; None if it is not the source's copy any more.

        Raises:
            Unavailable: other workers kept writing one of the records.
        """
        for _ in range(RECORD_WRITE_ATTEMPTS):
            records = self.catalogue.get_many(collection.uuid, [move.source, move.target])
            source, moved = records.get(move.source), records.get(move.target)
            if source is None or source.state is FileState.REMOVED:
                break
            try:
                if moved is not None and known_at is not None and source.updated_at > known_at:
                    self._carry_metadata(source, moved)
                self.catalogue.save(source.next_revision(self.now()).as_removed(), source)
            except StaleWrite:
                continue
            break
        else:
            raise Unavailable(LOCKED)
        self._clear(collection, move.source, moved_to=file_uuid(collection.uuid, move.target))

    def _carry_metadata(self, source: FileRecord, moved: FileRecord) -> None:
        if moved.state is not FileState.INDEXED or moved.metadata == source.metadata:
            return
        # Before the record is saved: whenever this process ends, a worker brings the vector store to the record.
        self.queues.send_changes([IndexBatch(moved.account, moved.collection, (ObjectHint(moved.key),))])
        self.catalogue.save(replace(moved.next_revision(self.now()), metadata=source.metadata), moved)

    def _clear(self, collection: Collection, key: str, moved_to: str | None = None) -> None:
        """Delete the object of a name that nothing is charged for, its thumbnail, and what its record has."""
        record = self.catalogue.get(collection.uuid, key)
        self.storage.delete(ManagedArea(collection.account, collection.uuid), key)
        self.indexer.apply(IndexBatch(collection.account, collection.uuid, (ObjectHint(key),)))
        if record is not None and record.thumbnail is not None:
            self.storage.delete_thumbnail(collection.uuid, record.thumbnail)
        self.files.clear_tombstone(collection, key, moved_to)

    def _moved_before(self, tombstone: FileRecord, target: str) -> FileRecord:
        if tombstone.moved_to != file_uuid(tombstone.collection, target):
            raise NotFound("There is no such file.")
        return self._indexed(tombstone.collection, target)

    def _indexed(self, collection: str, key: str) -> FileRecord:
        record = self.catalogue.get(collection, key)
        if record is None or record.state is not FileState.INDEXED:
            raise NotFound("There is no such file.")
        return record

    @contextmanager
    def _locks(self, move: FileMove) -> Iterator[list[FileLock]]:
        """Lock both names of a move; what is in the list at the end is unlocked.

        Raises:
            Unavailable: another has locked one of them.
        """
        locks: list[FileLock] = []
        now, ref = self.now(), UploadRef(move.account, move.collection, "")
        try:
            for key in (move.source, move.target):
                lock = self.quota_ledger.lock(ref, key, str(uuid.uuid4()), now, now + REQUEST_LOCK_TIME)
                if lock is None:
                    raise Unavailable(LOCKED)
                locks.append(lock)
            yield locks
        finally:
            for lock in locks:
                self.quota_ledger.unlock(lock)
