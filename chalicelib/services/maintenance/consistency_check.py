"""Compares the vector store with the catalogue: counts, sampled vectors, and recall on the user's own pictures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import FileState
from chalicelib.services.maintenance.recall import MIN_RECALL, RECALL_NEIGHBOURS, Quality, Sample, measure_quality
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Catalogue, MaintainedVectorStore

REINDEX_COMMAND = "`infra.admin reindex`"


@dataclass(frozen=True, slots=True)
class ConsistencyCheck:
    catalogue: Catalogue
    store: MaintainedVectorStore

    def run(self, collections: Iterable[Collection], model: str, report: Callable[[str], None]) -> list[str]:
        """Returns the findings, each a sentence that says what to do; reports the counts on the way."""
        try:
            findings = self.store.check_health()
        except Unavailable as error:
            return [f"The vector store does not respond: {error} Nothing else could be checked."]
        # Read before the catalogue's: a collection that is created meanwhile is in both.
        stored = self.store.collections()
        sample, existing = Sample(), set()
        for collection in collections:
            existing.add((collection.account, collection.uuid))
            findings += self._compare_counts(collection, model, sample, report)
        findings += self._missing_collections(stored - existing)

        def indexed_versions(uuids: Sequence[str]) -> dict[str, int]:
            return {uuid: version for uuid, (version, _) in self.store.vectors(model, uuids).items()}

        quality = measure_quality(
            self.store.search, self.store.search_exactly, indexed_versions, self.catalogue, sample.records
        )
        report(f"{quality.sample_size} sampled pictures, recall@{RECALL_NEIGHBOURS} {quality.recall:.3f}")
        return [*findings, *_quality_findings(quality)]

    def _missing_collections(self, owners: Iterable[tuple[str, str]]) -> Iterator[str]:
        for account, collection in sorted(owners):
            if stored := self.store.count(account, collection):
                yield (
                    f"The store has {stored} pictures of {collection}, a collection of account {account} that does not "
                    f"exist. If it is not being deleted now, {REINDEX_COMMAND} removes them."
                )

    def _compare_counts(
        self, collection: Collection, model: str, sample: Sample, report: Callable[[str], None]
    ) -> Iterator[str]:
        expected = other_models = 0
        for records in record_chunks(self.catalogue, collection.uuid):
            for record in records:
                if is_searchable(record, model):
                    sample.offer(record)
                    expected += 1
                elif record.state is FileState.INDEXED:
                    other_models += 1
        stored = self.store.count(collection.account, collection.uuid, model)
        report(f"{collection.uuid} {collection.name!r}: {expected} in the catalogue, {stored} in the store")
        name = f"{collection.name!r} ({collection.uuid})"
        if other_models:
            yield (
                f"{other_models} pictures of {name} were embedded by another model than {model} and are not found. "
                "A sync embeds them anew; `infra.admin migrate` does it without a gap."
            )
        if stored < expected:
            yield f"{expected - stored} pictures of {name} are missing from the store. {REINDEX_COMMAND} adds them."
        if stored > expected:
            yield (
                f"The store has {stored - expected} pictures of {name} that the catalogue does not have. "
                f"{REINDEX_COMMAND} leaves them out."
            )


def _quality_findings(quality: Quality) -> Iterator[str]:
    if quality.missing:
        yield (
            f"{len(quality.missing)} of {quality.sample_size} sampled pictures are not found by their own vector, "
            f"{quality.missing[0]} among them. {REINDEX_COMMAND} fills the store from the catalogue."
        )
    if quality.recall < MIN_RECALL:
        # Each shard is searched for candidates of its own, so more shards mean more of them. Serverless sets its own.
        yield (
            f"Recall@{RECALL_NEIGHBOURS} is {quality.recall:.3f} on your own pictures, below {MIN_RECALL}. "
            f"{REINDEX_COMMAND} builds the graph anew. If recall stays low, deploy with more OpenSearchShards or "
            "another OpenSearchProfile and reindex again: docs/opensearch.md."
        )
