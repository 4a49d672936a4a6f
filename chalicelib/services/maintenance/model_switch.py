"""Imports precomputed vectors into the catalogue after the embedder has changed its model.

Until then the catalogue keeps the old model's vectors, because a sync embeds again whatever has another model version
than the embedder's own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.file_images import unused_images
from chalicelib.domain.files import FileRecord, FileState, PendingWrite
from chalicelib.domain.vectors import vector_document
from chalicelib.services.maintenance.records import record_chunks
from chalicelib.services.ports import Catalogue, Clock, MaintainedVectorStore


@dataclass(frozen=True, slots=True)
class ImportedVectors:
    """``left`` are records of another model that have no precomputed vector, or have changed since it was computed."""

    imported: int
    left: int


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    collections: Callable[[], Iterable[Collection]]
    catalogue: Catalogue
    store: MaintainedVectorStore
    now: Clock

    def import_vectors(self, model: str) -> ImportedVectors:
        """Write the store's vectors of this model version into the catalogue, and retire those of other models."""
        imported = left = 0
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                outdated = [record for record in records if record.state is FileState.INDEXED and record.model != model]
                vectors = self.store.vectors(model, [record.uuid for record in outdated]) if outdated else {}
                for record in outdated:
                    version, vector = vectors.get(record.uuid, (0, b""))
                    if version == record.version and self._import_vector(collection, record, model, vector):
                        imported += 1
                    else:
                        left += 1
        self.store.retire_others(model)
        return ImportedVectors(imported, left)

    def _import_vector(self, collection: Collection, record: FileRecord, model: str, vector: bytes) -> bool:
        """Returns False when the record has changed since it was read."""
        assert record.embedding is not None
        embedding = replace(record.embedding, model=model, vector=vector)
        revision = replace(record.next_revision(self.now()), model=model, embedding=embedding)
        # The store first, as every writer does: docs/decisions/0002.
        self.store.upsert([vector_document(revision, embedding, collection)])
        self.catalogue.put_images([revision])
        try:
            self.catalogue.save(revision, record)
        except StaleWrite:
            # A worker was faster and has embedded the object with the new model. The image stays until its file is
            # purged: another import would have stored it under the same name.
            return False
        self.catalogue.delete_images(unused_images([PendingWrite(revision, record)], set()))
        return True
