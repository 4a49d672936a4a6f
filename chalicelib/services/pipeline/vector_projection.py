"""The vector store made to say what the records say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import FileRecord, FileState, PendingWrite, as_removed, next_version
from chalicelib.domain.vectors import VectorRemoval, vector_document
from chalicelib.services.ports import Catalogue, Clock, VectorStore

REPAIR_ATTEMPTS = 4  # at records that others write meanwhile
UNFINISHED = ("unfinished", "The sync that was to index it ended before it did.")


@dataclass(frozen=True, slots=True)
class VectorProjection:
    catalogue: Catalogue
    vectors: VectorStore
    now: Clock

    def project(self, records: Sequence[FileRecord], bucket: str) -> None:
        documents = [
            vector_document(r, r.embedding, bucket) for r in records if r.embedding and r.state is FileState.INDEXED
        ]
        removals = [VectorRemoval(r.uuid, r.version) for r in records if r.state is not FileState.INDEXED]
        if documents:
            self.vectors.upsert(documents)
        if removals:
            self.vectors.remove(removals)

    def repair(self, collection: Collection, keys: Sequence[str]) -> None:
        """Undo what a worker may have written into the store and never said: the records stay as they are.

        Each gets a new version, which the store takes over the dead worker's, and which bars that worker should it
        live. No object is looked at: the next sync does, and a key without a record gets a tombstone for it to find.

        Raises:
            NotFound: the collection is gone.
            Unavailable: others kept writing the records.
        """
        left = list(keys)
        for _ in range(REPAIR_ATTEMPTS):
            if not left:
                return
            records = self.catalogue.get_many(collection.uuid, left)
            drafts = [PendingWrite(self._next(collection, key, records.get(key)), records.get(key)) for key in left]
            self.project([draft.record for draft in drafts], collection.bucket)
            stale = self.catalogue.save_all(drafts)
            left = [key for key in left if key in stale]
        if left:
            raise Unavailable(f"{len(left)} records kept changing while they were put right.")

    def _next(self, collection: Collection, key: str, record: FileRecord | None) -> FileRecord:
        if record is not None:
            return replace(record, version=next_version(record, self.now()))
        now = self.now()
        first = next_version(None, now)
        blank = FileRecord(collection.account, collection.uuid, key, FileState.REMOVED, "", 0, first, now)
        return as_removed(blank, *UNFINISHED)
