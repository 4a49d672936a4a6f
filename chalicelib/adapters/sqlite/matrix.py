"""One model's vectors in memory, searched exactly with numpy."""

import math

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.vectors import VectorQuery

DISTANCE_DECIMALS = 6  # of a distance; order, `after` and `max_distance` go by the rounded value
UNIT_TOLERANCE = 1e-4  # of a vector's squared length around 1


class Matrix:
    """The vectors of one model, as this process last saw them.

    `_vectors` is (capacity, dimension) float32 and `_owners` (capacity,) int32; the first `len(_uuids)` rows are
    filled, in no order. An owner is the number of an (account, collection).
    """

    def __init__(self, dimension: int) -> None:
        self.seen = 0
        self._vectors: NDArray[np.float32] = np.empty((0, dimension), np.float32)
        self._owners: NDArray[np.int32] = np.empty(0, np.int32)
        self._uuids: list[str] = []
        self._rows: dict[str, int] = {}
        self._owner_numbers: dict[str, dict[str, int]] = {}
        self._owner_count = 0
        # The bound of a float32 dot product's error for vectors of length one, and what their lengths may be off.
        self._error = dimension * 2.0**-24 + UNIT_TOLERANCE + 10.0**-DISTANCE_DECIMALS

    def put(self, uuid: str, account: str, collection: str, vector: bytes) -> None:
        row = self._rows.setdefault(uuid, len(self._uuids))
        if row == len(self._uuids):
            self._uuids.append(uuid)
            if row == len(self._vectors):
                self._grow()
        owners = self._owner_numbers.setdefault(account, {})
        if collection not in owners:
            owners[collection] = self._owner_count
            self._owner_count += 1
        self._owners[row] = owners[collection]
        self._vectors[row] = np.frombuffer(vector, "<f4")

    def drop(self, uuid: str) -> None:
        """Take a row out, if it is there; the last one fills the gap."""
        row = self._rows.pop(uuid, None)
        if row is None:
            return
        last = self._uuids.pop()
        if last != uuid:
            end = len(self._uuids)
            self._uuids[row], self._rows[last] = last, row
            self._vectors[row], self._owners[row] = self._vectors[end], self._owners[end]

    def nearest(self, query: VectorQuery, vector: NDArray[np.float32]) -> list[tuple[float, str]]:
        """The (distance, uuid) that answer the query, in order."""
        rows, rough = self._rough(query, vector)
        chosen = rows[self._candidates(query, rough)]
        found = zip(_distances(self._vectors[chosen], vector), (self._uuids[row] for row in chosen), strict=True)
        farthest = 2.0 if query.max_distance is None else query.max_distance
        return sorted(
            place for place in found if place[0] <= farthest and (query.after is None or place > query.after)
        )[: query.limit]

    def _rough(self, query: VectorQuery, vector: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows that pass the account's and the collections' filter, and their distances by float32."""
        owners = self._owner_numbers.get(query.account, {})
        wanted = np.zeros(self._owner_count, np.bool_)
        for collection in owners if query.collections is None else query.collections:
            if collection in owners:
                wanted[owners[collection]] = True
        size = len(self._uuids)
        rows = np.flatnonzero(wanted[self._owners[:size]])
        # Copying rows out costs several times what multiplying them does: only a small share is worth it.
        if len(rows) * 8 < size:
            return rows, 1 - self._vectors[rows] @ vector
        return rows, (1 - self._vectors[:size] @ vector)[rows]

    def _candidates(self, query: VectorQuery, rough: NDArray[np.float32]) -> NDArray[np.intp]:
        """Places in ``rough`` that hold every hit of the query, and little else, whatever the error of float32."""
        passing = np.ones(len(rough), np.bool_)
        if query.max_distance is not None:
            passing &= rough <= query.max_distance + self._error
        behind = passing
        if query.after is not None:
            behind = passing & (rough > query.after[0] + self._error)
            passing &= rough >= query.after[0] - self._error
        certain = rough[behind]
        if len(certain) > query.limit:
            bound = np.partition(certain, query.limit - 1)[query.limit - 1]
            passing &= rough <= bound + 2 * self._error
        return np.flatnonzero(passing)

    def _grow(self) -> None:
        capacity = max(64, 2 * len(self._vectors))
        vectors = np.empty((capacity, self._vectors.shape[1]), np.float32)
        vectors[: len(self._vectors)] = self._vectors
        owners = np.empty(capacity, np.int32)
        owners[: len(self._owners)] = self._owners
        self._vectors, self._owners = vectors, owners


def _distances(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> list[float]:
    """Cosine distances in [0, 2] of (n, dimension) rows: products are exact in float64, and each row sums alone."""
    rows, one = vectors.astype(np.float64), vector.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1) * (one * one).sum())
    distances: list[float] = np.round(np.clip(1 - (rows * one).sum(axis=1) / lengths, 0, 2), DISTANCE_DECIMALS).tolist()
    return distances


def unit(vector: bytes) -> NDArray[np.float32]:
    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is no sequence of float32.")
    values: NDArray[np.float32] = np.frombuffer(vector, "<f4")
    if not math.isclose(float(values @ values), 1, rel_tol=0, abs_tol=UNIT_TOLERANCE):
        raise ValueError(f"A vector's length is {math.sqrt(float(values @ values)):.6f}, not 1.")
    return values
