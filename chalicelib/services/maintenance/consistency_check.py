"""Whether the vector store says what the catalogue says: counts, sampled vectors, and recall on the user's own data."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import FileState
from chalicelib.services.maintenance.recall import NEIGHBOURS, RECALL_FLOOR, REINDEX, Sample, measure_quality
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Catalogue, MaintainedVectorStore


@dataclass(frozen=True, slots=True)
class ConsistencyCheck:
    catalogue: Catalogue
    store: MaintainedVectorStore

    def run(self, collections: Iterable[Collection], model: str, report: Callable[[str], None]) -> list[str]:
        """Compare the store with the catalogue, collection by collection."""
        try:
            findings = self.store.check_health()
        except Unavailable as error:
            return [f"The store does not answer: {error} Nothing else could be looked at."]
        sample = Sample()
        for collection in collections:
            findings += self._count(collection, model, sample, report)

        def held(uuids: Sequence[str]) -> dict[str, int]:
            return {uuid: version for uuid, (version, _) in self.store.vectors(model, uuids).items()}

        quality = measure_quality(self.store.search, self.store.search_exactly, held, self.catalogue, sample.records)
        report(f"{quality.looked_for} sampled pictures, recall@{NEIGHBOURS} {quality.recall:.3f}")
        if quality.missing:
            findings.append(
                f"{len(quality.missing)} of {quality.looked_for} sampled pictures are not found by their own vector, "
                f"{quality.missing[0]} among them. {REINDEX} fills the store from the catalogue."
            )
        if quality.recall < RECALL_FLOOR:
            findings.append(
                f"Recall@{NEIGHBOURS} is {quality.recall:.3f} on your own pictures. {REINDEX} builds the graph anew; "
                "if that does not help, search more widely (EF_SEARCH in opensearch_search.py)."
            )
        return findings

    def _count(
        self, collection: Collection, model: str, sample: Sample, report: Callable[[str], None]
    ) -> Iterator[str]:
        ours, others = 0, 0
        for records in record_chunks(self.catalogue, collection.uuid):
            for record in records:
                if is_searchable(record, model):
                    sample.meet(record)
                    ours += 1
                elif record.state is FileState.INDEXED:
                    others += 1
        held = self.store.count(collection.account, collection.uuid, model)
        report(f"{collection.uuid} {collection.name!r}: {ours} in the catalogue, {held} in the store")
        name = f"{collection.name!r} ({collection.uuid})"
        if others:
            yield (
                f"{others} pictures of {name} were embedded by another model than {model} and are not found. A sync "
                "embeds them anew; `infra.admin migrate` does it without a gap."
            )
        if held < ours:
            yield f"{ours - held} pictures of {name} are missing from the store. {REINDEX} fills them in."
        if held > ours:
            yield (
                f"The store has {held - ours} pictures of {name} that the catalogue does not have. {REINDEX} leaves "
                "them out."
            )
