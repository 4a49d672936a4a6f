"""Filling a new index beside the one that is searched, and switching to it in one step."""

import time
from collections.abc import Callable, Sequence

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.bulk import Write
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.errors import DocumentsRejected
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import LAYOUT
from chalicelib.adapters.opensearch.search import Searcher
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class OpenSearchRebuild:
    """Creates an index, or continues the one of this layout that an earlier rebuild of the model has not finished.

    Once the index exists, every worker writes to it too; the rebuild waits until all of them know of it. A worker that
    did not know yet wrote to the old index alone, and its record is in the catalogue before the rebuild reads that.

    Args:
        anew: else the index that is searched now is completed.
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
        writable = [index for index in indexes.of(model, fresh=True) if index.takes_writes]
        unfinished = [each for each in writable if not each.has_read_alias and each.layout == LAYOUT]
        unfinished = unfinished if anew else writable
        self._index = unfinished[-1] if unfinished else indexes.create(model, dimension, searched=False)
        if not unfinished:
            sleep(indexes.cache_seconds)

    @property
    def index(self) -> Index:
        return self._index

    def indexed_versions(self, uuids: Sequence[str]) -> dict[str, int]:
        return self._documents.versions(self._index.name, uuids)

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        index, now = self._index, self._now()
        writes = [
            Write(index, document.uuid, document.version, queries.document_source(document, index.layout))
            for document in documents
        ]
        writes += [
            Write(index, removal.uuid, removal.version, queries.tombstone_source(removal.uuid, now), removal=True)
            for removal in removals
        ]
        outcome = self._documents.write(writes, wait=False)
        if outcome.stale:
            raise StoreUnavailable(f"{index.name} takes no more writes: another process has ended this rebuild.")
        if outcome.rejected:
            raise DocumentsRejected("OpenSearch rejected documents: " + "; ".join(outcome.rejected))

    def count(self, account: str, collection: str) -> int:
        self._documents.wait_until_visible(self._index)
        return self._documents.count(self._index.name, queries.owned_by(account, [collection]))

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query)

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        return self._searcher.search(self._index.name, query, exactly=True)

    def serve(self) -> None:
        if self._index.has_fill_alias:
            # From here on OpenSearch rejects a writer that does not wait, and that writer reads the aliases again.
            self._index = self._indexes.promote(self._index)
            if not self._documents.rejects_stale_writers:
                self._indexes.wait_for_writers()
        self._documents.wait_until_visible(self._index)
        self._indexes.serve(self._index)
        # For a write that did not wait, sent before the promotion and done after the wait above.
        self._documents.wait_until_visible(self._index)
