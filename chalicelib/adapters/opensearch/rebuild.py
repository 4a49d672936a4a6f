"""Filling a new index beside the one that is searched, and changing over to it in one step."""

import json
import time
from collections.abc import Callable, Sequence

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.bulk import DocumentsRefused, Write
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.search import Searcher
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class OpenSearchRebuild:
    """Begins, or goes on with the index that an earlier rebuild of the model has left unfinished.

    Once it is made, every worker writes into the new index too: it waits until all of them know. A worker that knew of
    no such index meanwhile wrote into the old one only, and its record is in the catalogue by the time that is walked.
    """

    def __init__(
        self,
        indexes: Indexes,
        documents: Documents,
        searcher: Searcher,
        model: str,
        dimension: int,
        *,
        anew: bool = True,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._indexes = indexes
        self._documents = documents
        self._searcher = searcher
        self._now = now
        known = [index for index in indexes.of(model, fresh=True) if index.takes_writes]
        begun = [index for index in known if not index.reading] if anew else known
        self._index = begun[-1] if begun else indexes.create(model, dimension, reading=False)
        if not begun:
            sleep(indexes.known_seconds)

    @property
    def index(self) -> Index:
        return self._index

    def held(self, uuids: Sequence[str]) -> dict[str, int]:
        return self._documents.versions(self._index.name, uuids)

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        index, now = self._index, self._now()
        writes = [
            Write(index, d.uuid, d.version, json.dumps(queries.document(d, queries.floats(d.vector))))
            for d in documents
        ]
        writes += [
            Write(index, r.uuid, r.version, json.dumps(queries.tombstone(r.uuid, now)), removal=True) for r in removals
        ]
        outcome = self._documents.write(writes, wait=False)
        if outcome.stale:
            raise StoreUnavailable(f"{index.name} takes no more writes: somebody else has ended this rebuild.")
        if outcome.refused:
            raise DocumentsRefused("OpenSearch refused documents: " + "; ".join(outcome.refused))

    def count(self, account: str, collection: str) -> int:
        self._documents.settle(self._index)
        return self._documents.count(self._index.name, queries.owned_by(account, [collection]))

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query)

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query, exactly=True)

    def serve(self) -> None:
        if self._index.filling:
            # Whoever still writes without waiting is refused from here on, and looks again.
            self._index = self._indexes.await_writes(self._index)
            if not self._documents.rejects_stale_writers:
                self._indexes.settled()
        self._documents.settle(self._index)
        self._indexes.serve(self._index)
        # For a write that nobody waited for, sent before and done after the look above.
        self._documents.settle(self._index)
