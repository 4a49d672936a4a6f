"""Changes of a file that its owner asks for: its metadata, and its path."""

from dataclasses import dataclass, replace

from chalicelib.domain.collections import CollectionType
from chalicelib.domain.errors import InvalidRequest, StaleWrite, Unavailable
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.metadata import merge_metadata
from chalicelib.services.file_moves import FileMoveService
from chalicelib.services.files import CHANGED_IN_BUCKET, RECORD_WRITE_ATTEMPTS, FileService
from chalicelib.services.ports import Catalogue, Clock, Collections, Queues


@dataclass(frozen=True, slots=True)
class FileChangeService:
    files: FileService
    moves: FileMoveService
    collections: Collections
    catalogue: Catalogue
    queues: Queues
    now: Clock

    def change(self, account: str, file_id: str, change: FileChange) -> FileRecord:
        """Change a file of a managed collection; returns its record.

        Metadata changes first: if the move then fails, the change of metadata stays, and may be sent again.

        Raises:
            NotFound: there is no such file.
            InvalidRequest: the collection is on a customer's bucket, or the metadata is not allowed.
            Conflict, FileExists: the file cannot be moved there; see ``FileMoveService.move``.
            Unavailable: workers kept writing the record.
        """
        if change.path is None:
            return self._change_metadata(account, file_id, change.metadata)
        if change.has_metadata:
            record = self.files.get_also_moved(account, file_id)
            if record.state is FileState.REMOVED:  # moved by the same request before, whose response was lost
                moved = self.moves.move(account, file_id, change.path)
                return self._change_metadata(account, moved.uuid, change.metadata)
            self._change_metadata(account, file_id, change.metadata)
        return self.moves.move(account, file_id, change.path)

    def _change_metadata(self, account: str, file_id: str, patch: object) -> FileRecord:
        for _ in range(RECORD_WRITE_ATTEMPTS):
            record = self.files.get(account, file_id)
            self._check_managed(record)
            metadata = merge_metadata(record.metadata, patch)
            if metadata == record.metadata:
                return record
            changed = replace(record.next_revision(self.now()), metadata=metadata)
            # Before the record is saved: whenever this process ends, a worker brings the vector store to the record. A
            # worker that comes first raises the record's version, so that the write is refused and all is sent again.
            self.queues.send_changes([IndexBatch(account, record.collection, (ObjectHint(record.key),))])
            try:
                self.catalogue.save(changed, record)
            except StaleWrite:
                continue
            return changed
        raise Unavailable("The file is being changed by others. Try again in a moment.")

    def _check_managed(self, record: FileRecord) -> None:
        collection = self.collections.get(record.account, record.collection)
        if collection is not None and collection.type is not CollectionType.MANAGED:
            raise InvalidRequest(CHANGED_IN_BUCKET)
