"""After the embedder has changed its model: the catalogue takes over the vectors that were made beforehand.

Until then the catalogue keeps the old model's, because a sync embeds anew whatever is not of the embedder's own model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import vector_document
from chalicelib.services.maintenance.records import record_chunks
from chalicelib.services.ports import Catalogue, Clock, MaintainedVectorStore


@dataclass(frozen=True, slots=True)
class ImportedVectors:
    """``left`` are records of another model that no vector had been made for, or that have changed since."""

    taken: int
    left: int


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    collections: Callable[[], Iterable[Collection]]
    catalogue: Catalogue
    store: MaintainedVectorStore
    now: Clock

    def import_vectors(self, model: str) -> ImportedVectors:
        """Write the store's vectors of the embedder's model into the catalogue; those of other models retire."""
        taken = left = 0
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                others = [r for r in records if r.state is FileState.INDEXED and r.model != model]
                vectors = self.store.vectors(model, [record.uuid for record in others]) if others else {}
                for record in others:
                    version, vector = vectors.get(record.uuid, (0, b""))
                    done = version == record.version and self._take(collection, record, model, vector)
                    taken, left = taken + done, left + (not done)
        self.store.retire_others(model)
        return ImportedVectors(taken, left)

    def _take(self, collection: Collection, record: FileRecord, model: str, vector: bytes) -> bool:
        assert record.embedding is not None
        picture = replace(record.embedding, model=model, vector=vector)
        adopted = replace(record.next_revision(self.now()), model=model, embedding=picture)
        # The store first, as every writer does: docs/decisions/0002.
        self.store.upsert([vector_document(adopted, picture, collection.bucket)])
        try:
            self.catalogue.save(adopted, record)
        except StaleWrite:
            return False  # whoever was faster has embedded it, with the new model
        return True
