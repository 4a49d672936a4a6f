"""Filling the SQLite store again in place: documents replace their predecessors, and all others are removed."""

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class NumberedStore(Protocol):
    """What a rebuild needs of the store, each of whose writes has a number."""

    def upsert_unless_newer(self, number: int, documents: Sequence[VectorDocument]) -> None: ...

    def remove_unless_newer(self, number: int, removals: Sequence[VectorRemoval]) -> None: ...

    def search_unfinished(self, query: VectorQuery) -> list[Hit]: ...

    def versions_written_since(self, number: int, uuids: Sequence[str]) -> dict[str, int]: ...

    def count_written_since(self, number: int, account: str, collection: str, model: str) -> int: ...

    def finish_rebuild(self, number: int, model: str) -> None: ...


class SQLiteRebuild:
    """Searches go on meanwhile: a document replaces its predecessor in one transaction with its batch.

    What was written before the rebuild counts for nothing, whatever its version: the catalogue may have lost changes
    that the store has, when the machine stopped or a backup was restored.

    Args:
        started_at: the number of the last write before the rebuild.
    """

    def __init__(self, store: NumberedStore, model: str, started_at: int) -> None:
        self._store = store
        self._model = model
        self._started_at = started_at

    def indexed_versions(self, uuids: Sequence[str]) -> dict[str, int]:
        return self._store.versions_written_since(self._started_at, uuids)

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        self._store.upsert_unless_newer(self._started_at, documents)
        self._store.remove_unless_newer(self._started_at, removals)

    def count(self, account: str, collection: str) -> int:
        # Not what was there before and is in no record: `serve` removes that.
        return self._store.count_written_since(self._started_at, account, collection, self._model)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._store.search_unfinished(query)

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        return self._store.search_unfinished(query)

    def serve(self) -> None:
        self._store.finish_rebuild(self._started_at, self._model)
