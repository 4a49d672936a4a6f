"""Filling the vector store anew from the catalogue alone, beside searches and writes, and checking it before it serves.

A worker writes the vector store first and the catalogue second, so a record may be older than what its worker has
written to the store meanwhile. Versions take care of that, but for a worker that wrote before it knew of this rebuild
and saves its record after that was read here: the catalogue is therefore walked twice, the second time when every such
worker must have ended. Stopped at any point, the next rebuild goes on with what this one has filled.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.errors import Conflict
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import VectorRemoval, vector_document
from chalicelib.services.maintenance.recall import NEIGHBOURS, PENDING_PICTURES, RECALL_FLOOR, Sample, measure_quality
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Catalogue, MaintainedVectorStore, Rebuild

WRITER_TIMEOUT_SECONDS = 200.0  # as long as an index worker may run, and some more

# A new model's pictures of records, by key; those that cannot be read now are left out.
EmbedRecords = Callable[[Collection, Sequence[FileRecord]], Mapping[str, ImageEmbedding]]


@dataclass(frozen=True, slots=True)
class RebuildService:
    """Args:
    collections: every collection there is.
    settle_seconds: after which no worker is left that began before the rebuild did.
    embed: for a new model: makes the vectors that the catalogue does not have.
    """

    collections: Callable[[], Iterable[Collection]]
    catalogue: Catalogue
    store: MaintainedVectorStore
    report: Callable[[str], None]
    writer_timeout_seconds: float = WRITER_TIMEOUT_SECONDS
    sleep: Callable[[float], None] = time.sleep
    embed: EmbedRecords | None = None
    _made: Sample = field(default_factory=Sample)

    def rebuild(self, model: str, dimension: int | None = None) -> None:
        """Fill the store with the catalogue's vectors of a model; searches change over at the end, in one step.

        Args:
            dimension: of a new model; that of one which the catalogue has is found there.

        Raises:
            Conflict: what was filled does not stand the comparison with the catalogue; searches go on as before.
            Unavailable: the store or the catalogue did not answer. Begin again: what is filled stays.
        """
        dimension = dimension or self._dimension(model)
        if dimension is None:
            self.report(f"The catalogue has no vectors of {model}: there is nothing to fill.")
            return
        # A new model's index is completed rather than filled anew: what is there has cost an inference.
        target = self.store.rebuild(model, dimension, anew=self.embed is None)
        began = time.monotonic()
        self.report(f"{self.fill(target, model):,} records filled in")
        self.sleep(max(0.0, self.writer_timeout_seconds - (time.monotonic() - began)))
        self.report(f"{self.fill(target, model):,} more that had changed meanwhile")
        self.verify(target, model)
        target.serve()
        self.report(f"Searches for {model} are answered from what was filled in.")

    def fill(self, target: Rebuild, model: str) -> int:
        """Write what the target lacks; answers how many records that were."""
        filled = 0
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                held = target.indexed_versions([record.uuid for record in records])
                lacking = [record for record in records if held.get(record.uuid, 0) < record.version]
                pictures = self._pictures(collection, lacking, model)
                documents = [
                    vector_document(record, pictures[record.key], collection.bucket)
                    for record in lacking
                    if record.key in pictures
                ]
                removals = [VectorRemoval(r.uuid, r.version) for r in lacking if r.state is not FileState.INDEXED]
                target.write(documents, removals)
                filled += len(documents) + len(removals)
        return filled

    def _pictures(self, collection: Collection, records: Sequence[FileRecord], model: str) -> dict[str, ImageEmbedding]:
        pictures = {r.key: r.embedding for r in records if r.embedding is not None and is_searchable(r, model)}
        others = [r for r in records if r.state is FileState.INDEXED and r.key not in pictures]
        if self.embed is not None and others:
            made = self.embed(collection, others)
            for record in others:
                if record.key in made:
                    self._made.meet(replace(record, embedding=made[record.key]))
            pictures |= made
        return pictures

    def verify(self, target: Rebuild, model: str) -> None:
        """Compare counts, sampled vectors and recall.

        Raises:
            Conflict: they differ by more than what workers may have under way.
        """
        sample = Sample()
        for collection in self.collections():
            expected = 0
            for records in record_chunks(self.catalogue, collection.uuid):
                for record in records:
                    if is_searchable(record, model):
                        sample.meet(record)
                        expected += 1
                    elif self.embed is not None and record.state is FileState.INDEXED:
                        expected += 1
            held = target.count(collection.account, collection.uuid)
            self.report(f"{collection.uuid} {collection.name!r}: {expected} in the catalogue, {held} filled in")
            if abs(held - expected) > PENDING_PICTURES:
                raise Conflict(f"{collection.uuid} has {expected} pictures in the catalogue; {held} were filled in.")
        quality = measure_quality(
            target.search,
            target.search_exactly,
            target.indexed_versions,
            self.catalogue,
            sample.records + self._made.records,
        )
        self.report(f"{quality.looked_for} sampled pictures, recall@{NEIGHBOURS} {quality.recall:.3f}")
        if quality.missing:
            raise Conflict(f"{len(quality.missing)} sampled pictures are not found, {quality.missing[0]} among them.")
        if quality.recall < RECALL_FLOOR:
            raise Conflict(f"Recall@{NEIGHBOURS} is {quality.recall:.3f}, below {RECALL_FLOOR}.")

    def _dimension(self, model: str) -> int | None:
        for collection in self.collections():
            for records in record_chunks(self.catalogue, collection.uuid):
                for record in records:
                    if record.embedding is not None and record.embedding.model == model:
                        return len(record.embedding.vector) // 4
        return None
