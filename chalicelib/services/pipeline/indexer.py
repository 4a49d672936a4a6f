"""Indexing: the one way by which any object enters, changes in or leaves the index.

Manual and scheduled syncs, S3's events and uploads all end here. The records of a batch are read first, then its
objects; what to do about them is planned (``domain.index_plan``), objects are embedded, the vector store is written
and at last the catalogue. It refuses a record that another worker has written meanwhile; its key is checked again.
A crash at any point leaves the catalogue behind the vector store, never ahead of it, and the message is redelivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.embeddings import EmbeddedImage, ReadFailure
from chalicelib.domain.errors import Contention, NotFound, QuotaExceeded, Unavailable
from chalicelib.domain.file_images import with_new_images
from chalicelib.domain.files import PendingWrite, file_uuid
from chalicelib.domain.index_plan import (
    EmbeddingRequest,
    EmbeddingResult,
    IndexPlan,
    current_hints,
    plan_batch,
)
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.syncs import Outcome, Tally
from chalicelib.services.pipeline.embeddings import EmbeddingService
from chalicelib.services.pipeline.event_publisher import EventPublisher
from chalicelib.services.pipeline.quota import QuotaAllocator, QuotaService
from chalicelib.services.pipeline.vector_projection import VectorProjection
from chalicelib.services.ports import Catalogue, Clock, Collections, Source, Sources, VectorStore

MAX_ROUNDS = 4  # of one message, if its objects are changed or written by others while it is handled
NOTHING_EMBEDDED: Mapping[str, EmbeddedImage] = {}
NO_METADATA: Mapping[str, Metadata] = {}


@dataclass(frozen=True, slots=True)
class Indexer:
    collections: Collections
    catalogue: Catalogue
    sources: Sources
    embeddings: EmbeddingService
    vectors: VectorStore
    quota: QuotaService
    publisher: EventPublisher
    now: Clock

    def apply(
        self,
        batch: IndexBatch,
        *,
        redelivered: bool = False,
        embedded: Mapping[str, EmbeddedImage] = NOTHING_EMBEDDED,
        metadata: Mapping[str, Metadata] = NO_METADATA,
    ) -> Tally:
        """Make the index equal to the bucket for each object of the batch; returns what became of the objects.

        Args:
            redelivered: the message was handled before, perhaps in part. The vector store is then written even if the
                hints are stale or their sync has ended: the earlier worker may have died between its two writes.
            embedded: images that were just embedded, by key; one is ignored if its object's bytes have changed since.
            metadata: of managed files, by key, where it changes.

        Raises:
            Unavailable: the bucket, the embedder or the store is unavailable, or objects kept changing; nothing is
                lost, try again.
        """
        collection = self.collections.get(batch.account, batch.collection)
        if collection is None:
            if redelivered:  # the earlier worker may have died before it could delete what it had written
                self._delete_images(batch)
            return Tally()
        hints = [hint for hint in batch.hints if collection.holds(hint.key)]
        try:
            if not _is_abandoned(batch, collection):
                return self._index(collection, hints, embedded, metadata, redelivered=redelivered)
            if redelivered:  # the earlier worker may have died between its two writes
                self._projection.repair(collection, [hint.key for hint in hints])
        except NotFound:
            # The collection was deleted meanwhile: what this worker wrote into the store must not outlive it.
            self.vectors.remove_collection(collection.account, collection.uuid)
            self._delete_images(batch)
        return Tally()

    def _index(
        self,
        collection: Collection,
        hints: Sequence[ObjectHint],
        embedded: Mapping[str, EmbeddedImage],
        metadata: Mapping[str, Metadata],
        *,
        redelivered: bool,
    ) -> Tally:
        outcomes: dict[str, Outcome] = {}
        is_repeated = redelivered
        for _ in range(MAX_ROUNDS):
            if not hints:
                break
            round_outcomes, recheck = self._round(
                collection, hints, embedded, metadata, redelivered=redelivered, is_repeated=is_repeated
            )
            outcomes |= round_outcomes
            hints = [hint for hint in hints if hint.key in recheck]
            # A refused write is in the store already, as after a crash, and the thumbnail of its image is deleted.
            redelivered, embedded = True, NOTHING_EMBEDDED
        if hints:
            raise Contention(f"{len(hints)} objects kept changing while they were indexed.")
        return Tally.of(outcomes.values())

    def _round(
        self,
        collection: Collection,
        hints: Sequence[ObjectHint],
        embedded: Mapping[str, EmbeddedImage],
        metadata: Mapping[str, Metadata],
        *,
        redelivered: bool,
        is_repeated: bool,
    ) -> tuple[Mapping[str, Outcome], frozenset[str]]:
        """Plan and carry out the hints once; returns the outcomes, and the keys to check again.

        Args:
            redelivered: what is unchanged is written, too.
            is_repeated: the message was delivered before, so what it did may not have been published.
        """
        # The records before the objects: a worker that has seen a later state of an object than this one then writes a
        # later record than the one that was read here, so this one's write is refused.
        records = self.catalogue.get_many(collection.uuid, [hint.key for hint in hints])
        source, model = self.sources.of(collection), self.embeddings.model_version()
        current = current_hints(hints, records)
        objects = source.head_objects([hint.key for hint in current if collection.selects(hint.key)])
        plan = plan_batch(collection, current, records, objects, model, self.now(), embedded, metadata)
        allocator = self.quota.allocator(collection)
        plan = replace(plan, writes=tuple(allocator.reserve(plan.writes, model)))
        plan = self._embed(collection, source, model, plan, allocator, redelivered=redelivered)
        if redelivered:
            plan = plan.with_unchanged_rewritten(self.now())
        try:
            # The store before the catalogue: a crash in between is repaired by the redelivered message.
            self._projection.project([write.record for write in plan.writes], collection)
            stale = self._save(plan.writes, allocator) if plan.writes else set()
        except Unavailable:
            self.embeddings.keep(plan.writes)
            raise
        self.embeddings.delete_unused(plan.writes, stale)
        saved = [write for write in plan.writes if write.key not in stale]
        self.publisher.publish_files(collection, saved, redelivered=is_repeated)
        # Only now that the other objects are saved: the redelivered message has only the failed ones left to do.
        if (error := plan.transient_error()) is not None:
            raise error
        return plan.outcomes(stale), plan.recheck | stale

    def _embed(
        self,
        collection: Collection,
        source: Source,
        model: str,
        plan: IndexPlan,
        allocator: QuotaAllocator,
        *,
        redelivered: bool,
    ) -> IndexPlan:
        """Embed the objects that the quota allows; one that is no picture leaves its quota to those that wait."""
        results: list[tuple[EmbeddingRequest, EmbeddingResult]] = []
        allocated, waiting = allocator.allocate(plan.to_embed)
        while allocated:
            for request, result in self.embeddings.embed(collection, source, model, allocated, redelivered=redelivered):
                results.append((request, result))
                if isinstance(result, ReadFailure) and not result.transient:
                    allocator.refund(request)
            allocated, waiting = allocator.allocate(waiting)
        return plan.with_results(results, [allocator.over_plan(request, model) for request in waiting], model)

    def _save(self, writes: Sequence[PendingWrite], allocator: QuotaAllocator) -> set[str]:
        """Save the records, after their new images; returns the keys to check again."""
        if records := with_new_images(writes):
            self.catalogue.put_images(records)
        try:
            return self.catalogue.save_all(writes, allocator.plan)
        except QuotaExceeded:  # other workers have taken the quota that remained when the plan was made
            return {write.key for write in writes}

    def _delete_images(self, batch: IndexBatch) -> None:
        """Delete the images of a batch of a deleted collection: one without a record would be found by nobody."""
        files = [file_uuid(batch.collection, hint.key) for hint in batch.hints]
        if images := self.catalogue.images_of(files):
            self.catalogue.delete_images(images)

    @property
    def _projection(self) -> VectorProjection:
        return VectorProjection(self.catalogue, self.vectors, self.now)


def _is_abandoned(batch: IndexBatch, collection: Collection) -> bool:
    """Whether the batch's sync was cancelled, or replaced by another, which sends what is left of the batch itself."""
    if batch.sync is None:
        return False
    return collection.sync.id != batch.sync or collection.sync.status is SyncStatus.CANCELLED
