"""The vector store on OpenSearch's k-NN.

Of two writes of a picture the higher version wins whatever their order; how, is its ``Documents``' affair. OpenSearch
forgets what it deletes within a minute, and a late write may come two weeks after: a removal therefore writes a
tombstone with its version, which no search meets.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.bulk import DocumentsRefused, Write
from chalicelib.adapters.opensearch.client import OpenSearchCalls
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.health import check_health
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.rebuild import OpenSearchRebuild
from chalicelib.adapters.opensearch.search import EF_SEARCH, Searcher
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import TOMBSTONE_SECONDS, Hit, VectorDocument, VectorQuery, VectorRemoval

ALIAS_READ_ATTEMPTS = 3  # at the aliases, when they change while one writes


class OpenSearchVectorStore:
    """Nearest neighbours by cosine distance as ``Searcher`` finds them, written as the indexes' aliases say.

    Args:
        ef_search: candidates that a search keeps on its way through the graph.
        now: the time in seconds, by which tombstones age.

    Raises:
        StoreUnavailable: by every method, when OpenSearch cannot be reached or refuses to work.
        ValueError: a vector is not of length one, or not of its model's dimension; nothing of its batch is written.
        DocumentsRefused: OpenSearch takes some documents of a batch under no circumstances; the others are written.
    """

    def __init__(
        self,
        calls: OpenSearchCalls,
        indexes: Indexes,
        documents: Documents,
        *,
        ef_search: int = EF_SEARCH,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self.indexes = indexes
        self.documents = documents
        self._searcher = Searcher(calls, documents, ef_search)
        self._now = now

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        vectors = [queries.floats(document.vector) for document in documents]
        dimensions = {(document.model, len(vector)) for document, vector in zip(documents, vectors, strict=True)}
        written = [
            (d.uuid, d.version, d.model, json.dumps(queries.document(d, vector), separators=(",", ":")))
            for d, vector in zip(documents, vectors, strict=True)
        ]

        def targets() -> Mapping[str, list[Index]]:
            found: dict[str, list[Index]] = {}
            for model, dimension in dimensions:
                found[model] = self.indexes.for_writing(model, dimension)
            return found

        self._write(written, targets)

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        now = self._now()
        written = [(each.uuid, each.version, "", _tombstone(each.uuid, now)) for each in removals]
        # A removal does not say of which model its vector was. Where there is no index, it has nothing to fend off.
        self._write(written, lambda: {"": [index for index in self.indexes.all() if index.takes_writes]})

    def remove_collection(self, account: str, collection: str) -> None:
        now, wanted = self._now(), queries.owned_by(account, [collection])
        for index in self.indexes.all(fresh=True):
            if index.takes_writes:
                self.documents.settle(index)
                for page in self.documents.walk(index.name, wanted):
                    self._write([(uuid, version, "", _tombstone(uuid, now)) for uuid, version in page], {"": [index]})

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self.indexes.read_alias(query.model), query)

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self.indexes.read_alias(query.model), query, exactly=True)

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        known = self.indexes.all(fresh=True)
        wanted = queries.owned_by(account, None if collection is None else [collection])
        reading = [index for index in known if index.reading and model in (None, index.model)]
        return sum(self.documents.count(index.name, wanted) for index in reading)

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> OpenSearchRebuild:
        return OpenSearchRebuild(
            self.indexes, self.documents, self._searcher, model, dimension, anew=anew, now=self._now
        )

    def collections(self) -> set[tuple[str, str]]:
        return {
            owner
            for index in self.indexes.all(fresh=True)
            if index.reading or index.takes_writes
            for owner in self.documents.owners(index.name)
        }

    def dimension(self, model: str) -> int | None:
        return next((index.dimension for index in self.indexes.of(model, fresh=True)), None)

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        reading = [index.name for index in self.indexes.of(model, fresh=True) if index.reading]
        return self.documents.vectors(reading[0], uuids) if reading else {}

    def retire_others(self, model: str) -> None:
        for index in self.indexes.all(fresh=True):
            if index.model != model and (index.reading or index.takes_writes):
                self.indexes.retire(index)

    def check_health(self) -> list[str]:
        return check_health(self._calls, self.indexes)

    def drop_old(self) -> list[str]:
        return self._drop(lambda index: not (index.reading or index.takes_writes))

    def abandon(self) -> list[str]:
        return self._drop(lambda index: index.takes_writes and not index.reading)

    def purge(self) -> int:
        """Delete the tombstones that nothing can come late for any more; answers how many."""
        before = self._now() - TOMBSTONE_SECONDS
        return sum(self.documents.purge(index.name, before) for index in self.indexes.all(fresh=True))

    def _drop(self, which: Callable[[Index], bool]) -> list[str]:
        dropped = [index for index in self.indexes.all(fresh=True) if which(index)]
        if dropped and not self.documents.rejects_stale_writers:
            # What a writer addresses that is not there, Serverless would make, and not as we do.
            for index in dropped:
                self.indexes.retire(index)
            self.indexes.settled()
        for index in dropped:
            self.indexes.drop(index)
        return [index.name for index in dropped]

    def _write(
        self,
        written: Sequence[tuple[str, int, str, str]],
        targets: Mapping[str, list[Index]] | Callable[[], Mapping[str, list[Index]]],
    ) -> None:
        """Write (uuid, version, model, source) into each index that takes them, whatever becomes of the indexes.

        A removal is of no model.
        """
        left, refused = list(written), []
        for _ in range(ALIAS_READ_ATTEMPTS):
            if not left:
                break
            found = targets() if callable(targets) else targets
            stale: set[tuple[str, int]] = set()
            for writing in (False, True):  # the ones that are searched last: what is seen is everywhere
                writes = [
                    Write(index, uuid, version, source, removal=not model)
                    for uuid, version, model, source in left
                    for index in found[model]
                    if index.writing is writing
                ]
                outcome = self.documents.write(writes, wait=writing)
                refused += outcome.refused
                stale |= {(each.uuid, each.version) for each in outcome.stale}
            left = [each for each in left if each[:2] in stale]
            if left:
                self.indexes.forget()
        if left:
            raise StoreUnavailable("The search index is being rebuilt. Try again in a moment.")
        if refused:
            raise DocumentsRefused("OpenSearch refused documents: " + "; ".join(refused))


def _tombstone(uuid: str, removed_at: float) -> str:
    return json.dumps(queries.tombstone(uuid, removed_at))
