"""Filling the embedded store anew in its place: a document over the one that was, what was not met at the end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval

if TYPE_CHECKING:
    from chalicelib.adapters.embedded_vectors import EmbeddedVectorStore


class EmbeddedRebuild:
    """Searches go on throughout: a document is replaced by itself, in one transaction with its neighbours."""

    def __init__(self, store: "EmbeddedVectorStore", model: str, began: int) -> None:
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
        return self._store.count(account, collection, self._model)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._store.search(query)

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self._store.search(query)

    def serve(self) -> None:
        self._store.remove_untouched(self._began, self._model, self._met)
