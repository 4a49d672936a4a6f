"""A vector store in memory: the port, in as few lines as pass the contract's tests."""

import math
from collections.abc import Sequence

from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.file_queries import FileQuery, FoundFile, Order
from chalicelib.domain.vectors import (
    CountedHits,
    Hit,
    VectorDocument,
    VectorQuery,
    VectorRemoval,
    rounded_distance,
    unit_vector,
)


class FakeVectorStore:
    """Tests may read ``documents``, by uuid, and set ``down``, which makes every method raise StoreUnavailable."""

    def __init__(self) -> None:
        self.down = False
        self.documents: dict[str, VectorDocument] = {}
        self._versions: dict[str, int] = {}  # of removed documents too
        self._dimensions: dict[str, int] = {}

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        self._check_available()
        dimensions = dict(self._dimensions)
        for document in documents:
            _check_dimension(dimensions, document.model, unit_vector(document.vector))
        self._dimensions = dimensions
        for document in documents:
            if document.version >= self._versions.get(document.uuid, document.version):
                self._versions[document.uuid] = document.version
                self.documents[document.uuid] = document

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        self._check_available()
        for removal in removals:
            if removal.version >= self._versions.get(removal.uuid, removal.version):
                self._versions[removal.uuid] = removal.version
                self.documents.pop(removal.uuid, None)

    def remove_collection(self, account: str, collection: str) -> None:
        self._check_available()
        for document in list(self.documents.values()):
            if (document.account, document.collection) == (account, collection):
                del self.documents[document.uuid]

    def search(self, query: VectorQuery) -> list[Hit]:
        vector, options = unit_vector(query.vector), query.options
        hits = [
            Hit(uuid=document.uuid, file=document.file, distance=_distance(vector, unit_vector(document.vector)))
            for document in self._searched(query)
        ]
        hits = [hit for hit in hits if options.admits(hit.position)]
        return sorted(hits, key=lambda hit: hit.position)[: options.limit]

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        self._check_available()
        found = [self.documents[uuid] for uuid in uuids if uuid in self.documents]
        return {each.uuid: (each.version, each.vector) for each in found if each.model == model}

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        self._check_available()
        found = []
        for document in self.documents.values():
            position = query.position(document.uuid, document.file.facts)
            if (
                (document.account, document.model) == (query.account, query.model)
                and (query.collections is None or document.collection in query.collections)
                and query.filter.admits(document.file.facts)
                and (query.order is not Order.MATCH or position[0])
                and query.follows(position)
            ):
                found.append(FoundFile(document.uuid, document.file, position))
        return query.in_order(found)[: query.limit]

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        return CountedHits(self.search(query), len(self._searched(query)))

    def _searched(self, query: VectorQuery) -> list[VectorDocument]:
        """The documents that pass the query's filter."""
        self._check_available()
        vector, options = unit_vector(query.vector), query.options
        if query.model not in self._dimensions:
            return []
        _check_dimension(self._dimensions, query.model, vector)
        return [
            document
            for document in self.documents.values()
            if (document.account, document.model) == (query.account, query.model)
            and (options.collections is None or document.collection in options.collections)
            and options.filter.admits(document.file.facts)
        ]

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        self._check_available()
        return sum(
            document.account == account
            and collection in (None, document.collection)
            and model in (None, document.model)
            for document in self.documents.values()
        )

    def forget_removals(self) -> None:
        """Forget the versions of removed documents, as every store does some days later."""
        self._versions = {uuid: version for uuid, version in self._versions.items() if uuid in self.documents}

    def _check_available(self) -> None:
        if self.down:
            raise StoreUnavailable("The search index is down, as the test demands.")


def _check_dimension(dimensions: dict[str, int], model: str, vector: tuple[float, ...]) -> None:
    if dimensions.setdefault(model, len(vector)) != len(vector):
        raise ValueError(f"A vector of dimension {len(vector)} meets a model of dimension {dimensions[model]}.")


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    cosine = math.fsum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))
    return rounded_distance(1 - cosine)
