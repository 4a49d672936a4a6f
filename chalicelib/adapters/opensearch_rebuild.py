"""Filling a new index beside the one that is searched, and changing over to it in one step."""

import json
import time
from collections.abc import Callable, Sequence

from chalicelib.adapters import opensearch_queries as queries
from chalicelib.adapters.opensearch_bulk import DocumentsRefused, Write, write
from chalicelib.adapters.opensearch_client import OpenSearchCalls
from chalicelib.adapters.opensearch_indexes import Index, Indexes
from chalicelib.adapters.opensearch_search import Searcher
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class OpenSearchRebuild:
    """Begins, or goes on with the index that an earlier rebuild of the model has left unfinished.

    Once it is made, every worker writes into the new index too: it waits until all of them know. A worker that knew of
    no such index meanwhile wrote into the old one only, and its record is in the catalogue by the time that is walked.
    """

    def __init__(
        self,
        calls: OpenSearchCalls,
        indexes: Indexes,
        searcher: Searcher,
        model: str,
        dimension: int,
        *,
        anew: bool = True,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls = calls
        self._indexes = indexes
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
        answer = self._calls.ask("POST", f"/{self._index.name}/_mget", {"ids": list(uuids)}, {"_source": "false"})
        return {each["_id"]: each["_version"] for each in answer["docs"] if each.get("found")}

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        target, now = self._index.target, self._now()
        writes = [
            Write(target, d.uuid, d.version, json.dumps(queries.document(d, queries.floats(d.vector))))
            for d in documents
        ]
        writes += [Write(target, r.uuid, r.version, json.dumps(queries.tombstone(r.uuid, now))) for r in removals]
        outcome = write(self._calls, writes, wait=False)
        if outcome.stale:
            raise StoreUnavailable(f"{self._index.name} takes no more writes: somebody else has ended this rebuild.")
        if outcome.refused:
            raise DocumentsRefused("OpenSearch refused documents: " + "; ".join(outcome.refused))

    def count(self, account: str, collection: str) -> int:
        self._indexes.refresh(self._index)
        return self._searcher.count(self._index.name, queries.owned_by(account, [collection]))

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query)

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query, exactly=True)

    def serve(self) -> None:
        if self._index.filling:
            # Whoever still writes without waiting is refused from here on, and looks again.
            self._index = self._indexes.await_writes(self._index)
        self._indexes.refresh(self._index)
        self._indexes.serve(self._index)
        # For a write that nobody waited for, sent before and done after the refresh above.
        self._indexes.refresh(self._index)
