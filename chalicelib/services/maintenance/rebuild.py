"""Rebuilds the vector store from the catalogue alone, beside searches and writes, and verifies it before it serves.

A worker writes the vector store first and the catalogue second, so a record may be older than what its worker has
already written to the store. Versions settle that, except for a worker that wrote before it knew of this rebuild and
saves its record after the rebuild has read it. The catalogue is therefore read twice, the second time when every such
worker must have ended. A rebuild that is stopped at any point continues with what the earlier one has written.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.errors import Conflict
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import VectorRemoval, vector_document
from chalicelib.services.maintenance.recall import (
    MAX_PENDING_PICTURES,
    MIN_RECALL,
    RECALL_NEIGHBOURS,
    SAMPLE_SIZE,
    Sample,
    measure_quality,
)
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Catalogue, MaintainedVectorStore, Rebuild

WRITER_TIMEOUT_SECONDS = 200.0  # longer than an index worker runs

# A new model's embeddings of records, by key, without those whose objects cannot be read now.
EmbedRecords = Callable[[Collection, Sequence[FileRecord]], Mapping[str, ImageEmbedding]]


@dataclass(frozen=True, slots=True)
class RebuildService:
    """Args:
    collections: returns every collection of the deployment.
    writer_timeout_seconds: after it no worker runs any more that began before the rebuild did.
    embed: computes the vectors of a new model, which the catalogue does not have.
    sample_size: pictures whose vectors and neighbours are compared before searches are switched over.
    """

    collections: Callable[[], Iterable[Collection]]
    catalogue: Catalogue
    store: MaintainedVectorStore
    report: Callable[[str], None]
    writer_timeout_seconds: float = WRITER_TIMEOUT_SECONDS
    sleep: Callable[[float], None] = time.sleep
    embed: EmbedRecords | None = None
    sample_size: int = SAMPLE_SIZE
    _embedded_sample: Sample = field(default_factory=Sample)

    def rebuild(self, model: str, dimension: int | None = None) -> None:
        """Fill the store with the catalogue's vectors of a model version, then switch searches over in one step.

        Args:
            dimension: required for a new model; otherwise the catalogue's or the store's.

        Raises:
            Conflict: the rebuilt vectors differ from the catalogue; searches go on as before.
            Unavailable: the store or the catalogue did not respond. Run it again: what is written stays.
        """
        dimension = dimension or self._dimension(model) or self.store.dimension(model)
        if dimension is None:
            self.report(f"Neither catalogue nor store has vectors of {model}: there is nothing to fill.")
            self.remove_missing_collections()
            return
        # A new model's index is completed rather than filled anew: each vector in it has cost an inference.
        target = self.store.rebuild(model, dimension, anew=self.embed is None)
        began = time.monotonic()
        self.report(f"{self.fill(target, model):,} records written")
        self.sleep(max(0.0, self.writer_timeout_seconds - (time.monotonic() - began)))
        self.report(f"{self.fill(target, model):,} more written that changed meanwhile")
        self.verify(target, model)
        target.serve()
        self.report(f"Searches for {model} use the rebuilt vectors from now on.")
        self.remove_missing_collections()

    def remove_missing_collections(self) -> None:
        """Remove the vectors of collections that do not exist."""
        # Read before the catalogue's: a collection that is created meanwhile is in both.
        stored = self.store.collections()
        for account, collection in sorted(stored - {(each.account, each.uuid) for each in self.collections()}):
            removed = self.store.count(account, collection)
            self.store.remove_collection(account, collection)
            if removed:
                self.report(f"{removed:,} vectors of {collection} removed: there is no such collection.")

    def fill(self, target: Rebuild, model: str) -> int:
        """Write the records that the target lacks or has in an older version; returns how many."""
        written = 0
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                versions = target.indexed_versions([record.uuid for record in records])
                lacking = [record for record in records if versions.get(record.uuid, 0) < record.version]
                embeddings = self._embeddings(collection, lacking, model)
                documents = [
                    vector_document(record, embeddings[record.key], collection)
                    for record in lacking
                    if record.key in embeddings
                ]
                removals = [
                    VectorRemoval(record.uuid, record.version)
                    for record in lacking
                    if record.state is not FileState.INDEXED
                ]
                target.write(documents, removals)
                written += len(documents) + len(removals)
        return written

    def verify(self, target: Rebuild, model: str) -> None:
        """Compare counts, sampled vectors and recall.

        Raises:
            Conflict: they differ by more than running workers can explain.
        """
        sample = Sample(self.sample_size)
        for collection in self.collections():
            expected = self._count_searchable(collection, model, sample)
            stored = target.count(collection.account, collection.uuid)
            self.report(f"{collection.uuid} {collection.name!r}: {expected} in the catalogue, {stored} rebuilt")
            if abs(stored - expected) > MAX_PENDING_PICTURES:
                raise Conflict(
                    f"{collection.uuid} has {expected} pictures in the catalogue, but {stored} were rebuilt. Try again."
                )
        quality = measure_quality(
            target.search,
            target.search_exactly,
            target.indexed_versions,
            self.catalogue,
            sample.records + self._embedded_sample.records,
        )
        self.report(f"{quality.sample_size} sampled pictures, recall@{RECALL_NEIGHBOURS} {quality.recall:.3f}")
        if quality.missing:
            raise Conflict(f"{len(quality.missing)} sampled pictures are not found, {quality.missing[0]} among them.")
        if quality.recall < MIN_RECALL:
            raise Conflict(f"Recall@{RECALL_NEIGHBOURS} is {quality.recall:.3f}, below {MIN_RECALL}.")

    def _embeddings(
        self, collection: Collection, records: Sequence[FileRecord], model: str
    ) -> dict[str, ImageEmbedding]:
        """The records' embeddings of this model version, by key: the catalogue's, or newly computed ones."""
        embeddings = {
            record.key: record.embedding
            for record in records
            if record.embedding is not None and is_searchable(record, model)
        }
        outdated = [r for r in records if r.state is FileState.INDEXED and r.key not in embeddings]
        if self.embed is not None and outdated:
            computed = self.embed(collection, outdated)
            for record in outdated:
                if record.key in computed:
                    self._embedded_sample.offer(replace(record, embedding=computed[record.key]))
            embeddings |= computed
        return embeddings

    def _count_searchable(self, collection: Collection, model: str, sample: Sample) -> int:
        """How many pictures of the collection the target must have; offers those of the catalogue to the sample."""
        searchable = 0
        for records in record_chunks(self.catalogue, collection.uuid):
            for record in records:
                if is_searchable(record, model):
                    sample.offer(record)
                    searchable += 1
                elif self.embed is not None and record.state is FileState.INDEXED:
                    searchable += 1
        return searchable

    def _dimension(self, model: str) -> int | None:
        """The dimension of the model version's vectors in the catalogue, None where there are none."""
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                for record in records:
                    if record.embedding is not None and record.embedding.model == model:
                        return len(record.embedding.vector) // 4  # float32
        return None
