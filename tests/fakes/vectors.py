"""A vector store in memory: the port, in the fewest words that pass the contract's tests."""

import math
import struct
from collections.abc import Sequence

from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class FakeVectorStore:
    """What a test may look at: ``documents`` by uuid. What it may set: ``down``, and every method refuses."""

    def __init__(self) -> None:
        self.down = False
        self.documents: dict[str, VectorDocument] = {}
        self._versions: dict[str, int] = {}  # of removed documents too
        self._dimensions: dict[str, int] = {}

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        self._answer()
        dimensions = dict(self._dimensions)
        for document in documents:
            _check_dimension(dimensions, document.model, _floats(document.vector))
        self._dimensions = dimensions
        for document in documents:
            if document.version >= self._versions.get(document.uuid, document.version):
                self._versions[document.uuid] = document.version
                self.documents[document.uuid] = document

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        self._answer()
        for removal in removals:
            if removal.version >= self._versions.get(removal.uuid, removal.version):
                self._versions[removal.uuid] = removal.version
                self.documents.pop(removal.uuid, None)

    def remove_collection(self, account: str, collection: str) -> None:
        self._answer()
        for document in list(self.documents.values()):
            if (document.account, document.collection) == (account, collection):
                del self.documents[document.uuid]

    def search(self, query: VectorQuery) -> list[Hit]:
        self._answer()
        vector = _floats(query.vector)
        if query.model not in self._dimensions:
            return []
        _check_dimension(self._dimensions, query.model, vector)
        hits = [
            Hit(d.uuid, d.collection, d.bucket, d.key, d.size, d.md5, _distance(vector, _floats(d.vector)))
            for d in self.documents.values()
            if (d.account, d.model) == (query.account, query.model)
            and (query.collections is None or d.collection in query.collections)
        ]
        hits = [hit for hit in hits if query.max_distance is None or hit.distance <= query.max_distance]
        hits = [hit for hit in hits if query.after is None or (hit.distance, hit.uuid) > query.after]
        return sorted(hits, key=lambda hit: (hit.distance, hit.uuid))[: query.limit]

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        self._answer()
        return sum(
            d.account == account and collection in (None, d.collection) and model in (None, d.model)
            for d in self.documents.values()
        )

    def forget_removals(self) -> None:
        """What every store does some days after them."""
        self._versions = {uuid: version for uuid, version in self._versions.items() if uuid in self.documents}

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("The search index is down, as the test wants it.")


def _check_dimension(dimensions: dict[str, int], model: str, vector: tuple[float, ...]) -> None:
    if dimensions.setdefault(model, len(vector)) != len(vector):
        raise ValueError(f"A vector of dimension {len(vector)} meets a model of dimension {dimensions[model]}.")


def _floats(vector: bytes) -> tuple[float, ...]:
    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is no sequence of float32.")
    values = struct.unpack(f"<{len(vector) // 4}f", vector)
    if not math.isclose(math.hypot(*values), 1, abs_tol=5e-5):
        raise ValueError(f"A vector's length is {math.hypot(*values):.6f}, not 1.")
    return values


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    cosine = math.fsum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))
    return round(min(max(1 - cosine, 0.0), 2.0), 6)
