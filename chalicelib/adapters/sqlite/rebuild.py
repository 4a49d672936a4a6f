"""Filling the SQLite store anew in its place: a document over the one that was, what was not met at the end."""

from collections.abc import Sequence, Set
from typing import Protocol

from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class Numbered(Protocol):
    """What a rebuild asks of the store: each of its writes has a number."""

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def search(self, query: VectorQuery) -> list[Hit]: ...

    def written_since(self, number: int, uuids: Sequence[str]) -> dict[str, int]: ...

    def count_written_since(self, number: int, account: str, collection: str, model: str, keep: Set[str]) -> int: ...

    def remove_untouched(self, number: int, model: str, keep: Set[str]) -> None: ...


class SQLiteRebuild:
    """Searches go on throughout: a document is replaced by itself, in one transaction with its neighbours."""

    def __init__(self, store: Numbered, model: str, began: int) -> None:
        self._store = store
        self._model = model
        self._began = began
        # A worker may have written a higher version than the catalogue's: it stays, though nothing was written over it.
        self._met: set[str] = set()

    def held(self, uuids: Sequence[str]) -> dict[str, int]:
        return self._store.written_since(self._began, uuids)

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        self._store.upsert(documents)
        self._store.remove(removals)
        self._met |= {document.uuid for document in documents}

    def count(self, account: str, collection: str) -> int:
        # Not what was there before and is in no record: `serve` removes that.
        return self._store.count_written_since(self._began, account, collection, self._model, self._met)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._store.search(query)

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self._store.search(query)

    def serve(self) -> None:
        self._store.remove_untouched(self._began, self._model, self._met)
