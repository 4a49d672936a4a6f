"""Projects the catalogue's records into the vector store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Contention
from chalicelib.domain.files import FileRecord, FileState, PendingWrite, first_version
from chalicelib.domain.vectors import VectorRemoval, vector_document
from chalicelib.services.ports import Catalogue, Clock, VectorStore

REPAIR_ATTEMPTS = 4  # at records that other workers write meanwhile
UNFINISHED = ("unfinished", "The sync that was to index it ended before it did.")


@dataclass(frozen=True, slots=True)
class VectorProjection:
    catalogue: Catalogue
    vectors: VectorStore
    now: Clock

    def project(self, records: Sequence[FileRecord], collection: Collection) -> None:
        """Write the documents of the collection's indexed records, and remove those of all others."""
        documents = [
            vector_document(r, r.embedding, collection) for r in records if r.embedding and r.state is FileState.INDEXED
        ]
        removals = [VectorRemoval(r.uuid, r.version) for r in records if r.state is not FileState.INDEXED]
        if documents:
            self.vectors.upsert(documents)
        if removals:
            self.vectors.remove(removals)

    def repair(self, collection: Collection, keys: Sequence[str]) -> None:
        """Overwrite documents that a crashed worker wrote to the store before it could save their records.

        Each record gets a higher version and stays the same otherwise, so a late write of that worker is rejected. No
        object is read: the next sync does that, and a key without a record gets a tombstone for the sync to find.

        Raises:
            NotFound: the collection is deleted.
            Contention: other workers kept writing the records.
        """
        left = list(keys)
        for _ in range(REPAIR_ATTEMPTS):
            if not left:
                return
            records = self.catalogue.get_many(collection.uuid, left)
            writes = [PendingWrite(self._next_record(collection, k, records.get(k)), records.get(k)) for k in left]
            self.project([write.record for write in writes], collection)
            stale = self.catalogue.save_all(writes)
            left = [key for key in left if key in stale]
        if left:
            raise Contention(f"{len(left)} records kept changing while their vectors were repaired.")

    def _next_record(self, collection: Collection, key: str, record: FileRecord | None) -> FileRecord:
        now = self.now()
        if record is not None:
            return replace(record, version=record.next_version(now))
        version = first_version(now)
        tombstone = FileRecord(collection.account, collection.uuid, key, FileState.REMOVED, "", 0, version, now)
        return tombstone.as_removed(*UNFINISHED)
