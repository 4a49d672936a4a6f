"""The vector store on OpenSearch's k-NN.

Of two writes of a picture the higher version wins, whatever their order; ``Documents`` sees to that. OpenSearch forgets
what it deletes within a minute, and a late write may arrive two weeks later: a removal therefore writes a tombstone
with its version, which no search returns.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.adapters.opensearch import files, queries
from chalicelib.adapters.opensearch.bulk import Write
from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.errors import DocumentsRejected, RequestRejected
from chalicelib.adapters.opensearch.facts import FACTS_LAYOUT
from chalicelib.adapters.opensearch.health import check_health
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import LAYOUT
from chalicelib.adapters.opensearch.rebuild import OpenSearchRebuild
from chalicelib.adapters.opensearch.search import EF_SEARCH, Searcher
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.file_queries import FileQuery, FoundFile
from chalicelib.domain.vectors import (
    FILTERS_UNAVAILABLE,
    TOMBSTONE_SECONDS,
    CountedHits,
    Hit,
    VectorDocument,
    VectorQuery,
    VectorRemoval,
)

ALIAS_READ_ATTEMPTS = 3  # of one write, while the aliases change


@dataclass(frozen=True, slots=True)
class _Change:
    """A document or a tombstone that goes to each of its indexes.

    Args:
        source: its JSON.
        document: None for a tombstone.
    """

    uuid: str
    version: int
    source: str
    document: VectorDocument | None = None

    @property
    def model(self) -> str | None:
        return self.document.model if self.document is not None else None

    def write_to(self, index: Index) -> Write:
        """The write to an index, whose layout may be an older one."""
        source = self.source
        if self.document is not None and index.layout < LAYOUT:
            source = queries.document_source(self.document, index.layout)
        return Write(index, self.uuid, self.version, source, removal=self.document is None)


# Returns the indexes to write to, by model; those of None are for tombstones.
_Targets = Callable[[], Mapping[str | None, Sequence[Index]]]


class OpenSearchVectorStore:
    """Nearest neighbours by cosine distance as ``Searcher`` finds them, written as the indexes' aliases say.

    Args:
        ef_search: candidates that a search keeps on its way through the graph.
        now: the time in seconds, from which the age of tombstones follows.

    Raises:
        StoreUnavailable: by every method, when OpenSearch cannot be reached or cannot do its work.
        ValueError: a vector is not of length one, or not of its model's dimension; nothing of its batch is written.
        DocumentsRejected: OpenSearch will never accept some documents of a batch; the others are written.
    """

    def __init__(
        self,
        client: OpenSearchClient,
        indexes: Indexes,
        documents: Documents,
        *,
        ef_search: int = EF_SEARCH,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.indexes = indexes
        self.documents = documents
        self._searcher = Searcher(client, documents, ef_search, indexes.check_files)
        self._now = now

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        changes = [
            _Change(document.uuid, document.version, queries.document_source(document), document)
            for document in documents
        ]
        dimensions = {(document.model, len(document.vector) // 4) for document in documents}

        def targets() -> Mapping[str | None, Sequence[Index]]:
            indexes: dict[str | None, Sequence[Index]] = {}
            for model, dimension in dimensions:
                indexes[model] = self.indexes.for_writing(model, dimension)
            return indexes

        self._write(changes, targets)

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        now = self._now()
        changes = [
            _Change(removal.uuid, removal.version, queries.tombstone_source(removal.uuid, now)) for removal in removals
        ]
        # A removal does not say of which model the vector was. Where there is no index, it has nothing to fend off.
        self._write(changes, lambda: {None: [index for index in self.indexes.all() if index.takes_writes]})

    def remove_collection(self, account: str, collection: str) -> None:
        for index in self.indexes.all(fresh=True):
            if index.takes_writes:
                self._remove_collection(index, account, collection)

    def search(self, query: VectorQuery) -> list[Hit]:
        if query.options.filter:
            self._check_layout(query.model)
        return self._searcher.search(self.indexes.read_alias(query.model), query)

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        if query.options.filter:
            self._check_layout(query.model)
        return self._searcher.search(self.indexes.read_alias(query.model), query, exactly=True)

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        if query.options.filter:
            self._check_layout(query.model)
        return self._searcher.search_and_count(self.indexes.read_alias(query.model), query)

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        self._check_layout(query.model)
        if query.collections == ():
            return []
        try:
            return files.find(self._client, self.documents, self.indexes.read_alias(query.model), query)
        except RequestRejected as error:
            if error.status == 404:
                self.indexes.check_files()
                return []
            raise

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        condition = queries.owned_by(account, None if collection is None else [collection])
        searched = [index for index in self.indexes.all(fresh=True) if index.has_read_alias]
        return sum(self.documents.count(index.name, condition) for index in searched if model in (None, index.model))

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> OpenSearchRebuild:
        return OpenSearchRebuild(
            self.indexes, self.documents, self._searcher, model, dimension, anew=anew, now=self._now
        )

    def collections(self) -> set[tuple[str, str]]:
        return {
            owner
            for index in self.indexes.all(fresh=True)
            if index.has_read_alias or index.takes_writes
            for owner in self.documents.owners(index.name)
        }

    def dimension(self, model: str) -> int | None:
        return next((index.dimension for index in self.indexes.of(model, fresh=True)), None)

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        searched = [index.name for index in self.indexes.of(model, fresh=True) if index.has_read_alias]
        return self.documents.vectors(searched[0], uuids) if searched else {}

    def retire_others(self, model: str) -> None:
        for index in self.indexes.all(fresh=True):
            if index.model != model and (index.has_read_alias or index.takes_writes):
                self.indexes.retire(index)

    def check_health(self) -> list[str]:
        return check_health(self._client, self.indexes)

    def drop_old(self) -> list[str]:
        return self._drop(lambda index: not (index.has_read_alias or index.takes_writes))

    def abandon(self) -> list[str]:
        return self._drop(lambda index: index.takes_writes and not index.has_read_alias)

    def purge(self) -> int:
        before = self._now() - TOMBSTONE_SECONDS
        return sum(self.documents.purge(index.name, before) for index in self.indexes.all(fresh=True))

    def _check_layout(self, model: str) -> None:
        """Raises StoreUnavailable if the searched index lacks what filters compare."""
        if any(index.has_read_alias and index.layout < FACTS_LAYOUT for index in self.indexes.of(model)):
            self.indexes.invalidate()  # a reindex may just have ended
            raise StoreUnavailable(FILTERS_UNAVAILABLE)

    def _remove_collection(self, index: Index, account: str, collection: str) -> None:
        now = self._now()
        self.documents.wait_until_visible(index)
        for page in self.documents.scan(index.name, queries.owned_by(account, [collection])):
            changes = [_Change(uuid, version, queries.tombstone_source(uuid, now)) for uuid, version in page]
            self._write(changes, lambda: {None: [index]})

    def _drop(self, is_dropped: Callable[[Index], bool]) -> list[str]:
        dropped = [index for index in self.indexes.all(fresh=True) if is_dropped(index)]
        if dropped and not self.documents.rejects_stale_writers:
            # A write to an index that does not exist makes Serverless create it, and without our mapping.
            for index in dropped:
                self.indexes.retire(index)
            self.indexes.wait_for_writers()
        for index in dropped:
            self.indexes.drop(index)
        return [index.name for index in dropped]

    def _write(self, changes: Sequence[_Change], targets: _Targets) -> None:
        """Write each change to the indexes that take it, and again where the aliases changed meanwhile."""
        rejected: list[str] = []
        for _ in range(ALIAS_READ_ATTEMPTS):
            if not changes:
                break
            indexes = targets()
            stale: set[tuple[str, int]] = set()
            for wait in (False, True):  # the searched index is written last: what it shows is in every index
                writes = [
                    change.write_to(index)
                    for change in changes
                    for index in indexes[change.model]
                    if index.has_write_alias is wait
                ]
                outcome = self.documents.write(writes, wait=wait)
                rejected += outcome.rejected
                stale |= {(write.uuid, write.version) for write in outcome.stale}
            changes = [change for change in changes if (change.uuid, change.version) in stale]
            if changes:
                self.indexes.invalidate()
        if changes:
            raise StoreUnavailable("The search index is being rebuilt. Try again in a moment.")
        if rejected:
            raise DocumentsRejected("OpenSearch rejected documents: " + "; ".join(rejected))
