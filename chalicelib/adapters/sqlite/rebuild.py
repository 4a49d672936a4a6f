"""Filling the SQLite store again in place: documents replace their predecessors, and all others are removed."""

from collections.abc import Sequence, Set
from typing import Protocol

from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class NumberedStore(Protocol):
    """What a rebuild needs of the store, each of whose writes has a number."""

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def search_unfinished(self, query: VectorQuery) -> list[Hit]: ...

    def versions_written_since(self, number: int, uuids: Sequence[str]) -> dict[str, int]: ...

    def count_written_since(self, number: int, account: str, collection: str, model: str, keep: Set[str]) -> int: ...

    def finish_rebuild(self, number: int, model: str, keep: Set[str]) -> None: ...


class SQLiteRebuild:
    """Searches go on meanwhile: a document replaces its predecessor in one transaction with its batch.

    Args:
        started_at: the number of the last write before the rebuild.
    """

    def __init__(self, store: NumberedStore, model: str, started_at: int) -> None:
        self._store = store
        self._model = model
        self._started_at = started_at
        # A worker may have written a higher version than the catalogue's: it stays, though this rebuild did not
        # overwrite it.
        self._rebuilt: set[str] = set()

    def indexed_versions(self, uuids: Sequence[str]) -> dict[str, int]:
        return self._store.versions_written_since(self._started_at, uuids)

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        self._store.upsert(documents)
        self._store.remove(removals)
        self._rebuilt |= {document.uuid for document in documents}

    def count(self, account: str, collection: str) -> int:
        # Not what was there before and is in no record: `serve` removes that.
        return self._store.count_written_since(self._started_at, account, collection, self._model, self._rebuilt)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._store.search_unfinished(query)

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        return self._store.search_unfinished(query)

    def serve(self) -> None:
        self._store.finish_rebuild(self._started_at, self._model, self._rebuilt)
