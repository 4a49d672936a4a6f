"""The vectors of one model version in memory, searched exactly with numpy."""

import sqlite3

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.vectors import DISTANCE_DECIMALS, MAX_DISTANCE, UNIT_TOLERANCE, Position, VectorQuery

MIN_CAPACITY = 64  # rows
# Copying rows out costs several times what multiplying them does: only a small part of all is worth it.
COPY_BELOW_FRACTION = 1 / 8
# Rows of other models are read without their vectors: a document that changed its model must leave the old matrix.
_NEWER = """SELECT uuid, account, collection, CASE WHEN model = :model THEN vector END FROM documents
    WHERE seq > :seq"""


class Matrix:
    """The vectors of one model version, as this process last read them.

    `_vectors` is (capacity, dimension) float32 and `_owners` (capacity,) int32; the first `len(_uuids)` rows are
    filled, in no order. An owner is the number of an (account, collection).

    Attributes:
        latest_seq: the number of the last write that has been read.
    """

    def __init__(self, model: str, dimension: int) -> None:
        self.latest_seq = 0
        self._model = model
        self._vectors: NDArray[np.float32] = np.empty((0, dimension), np.float32)
        self._owners: NDArray[np.int32] = np.empty(0, np.int32)
        self._uuids: list[str] = []
        self._rows: dict[str, int] = {}
        self._owner_numbers: dict[str, dict[str, int]] = {}
        self._owner_count = 0
        # The bound of a float32 dot product's error for vectors of length one, and by how much lengths may differ.
        self._error = dimension * 2.0**-24 + UNIT_TOLERANCE + 10.0**-DISTANCE_DECIMALS

    def read_newer(self, connection: sqlite3.Connection, seq: int) -> None:
        """Read what was written after the last write that has been read, up to the one with this number."""
        newer = connection.execute(_NEWER, {"model": self._model, "seq": self.latest_seq})
        for uuid, account, collection, vector in newer:
            if vector is None:
                self._drop(uuid)
            else:
                self._put(uuid, account, collection, vector)
        self.latest_seq = seq

    def nearest(self, query: VectorQuery) -> list[Position]:
        """Returns the positions of the query's hits, in order."""
        vector = np.frombuffer(query.vector, "<f4")
        rows, estimates = self._estimate(query, vector)
        rows = rows[self._candidates(query, estimates)]
        positions = zip(_distances(self._vectors[rows], vector), (self._uuids[row] for row in rows), strict=True)
        return sorted(filter(query.options.admits, positions))[: query.options.limit]

    def count(self, query: VectorQuery) -> int:
        """Returns how many vectors pass the query's filter."""
        return len(self._passing(query))

    def _put(self, uuid: str, account: str, collection: str, vector: bytes) -> None:
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

    def _drop(self, uuid: str) -> None:
        """Remove a row, if it is there; the last row takes its number."""
        row = self._rows.pop(uuid, None)
        if row is None:
            return
        last = self._uuids.pop()
        if last != uuid:
            end = len(self._uuids)
            self._uuids[row], self._rows[last] = last, row
            self._vectors[row], self._owners[row] = self._vectors[end], self._owners[end]

    def _estimate(
        self, query: VectorQuery, vector: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Returns the rows that pass the query's filter, and their distances by float32."""
        rows, size = self._passing(query), len(self._uuids)
        if len(rows) < size * COPY_BELOW_FRACTION:
            return rows, 1 - self._vectors[rows] @ vector
        return rows, (1 - self._vectors[:size] @ vector)[rows]

    def _passing(self, query: VectorQuery) -> NDArray[np.intp]:
        """Returns the rows that pass the query's filter."""
        owners, collections = self._owner_numbers.get(query.account, {}), query.options.collections
        passing = np.zeros(self._owner_count, np.bool_)
        for collection in owners if collections is None else collections:
            if collection in owners:
                passing[owners[collection]] = True
        return np.flatnonzero(passing[self._owners[: len(self._uuids)]])

    def _candidates(self, query: VectorQuery, estimates: NDArray[np.float32]) -> NDArray[np.intp]:
        """Returns indices of ``estimates`` that include every hit, and little else, whatever the error of float32."""
        options = query.options
        passing = np.ones(len(estimates), np.bool_)
        if options.max_distance is not None:
            passing &= estimates <= options.max_distance + self._error
        certain = passing
        if options.after is not None:
            certain = passing & (estimates > options.after[0] + self._error)
            passing &= estimates >= options.after[0] - self._error
        certain_estimates = estimates[certain]
        if len(certain_estimates) > options.limit:
            bound = np.partition(certain_estimates, options.limit - 1)[options.limit - 1]
            passing &= estimates <= bound + 2 * self._error
        return np.flatnonzero(passing)

    def _grow(self) -> None:
        capacity = max(MIN_CAPACITY, 2 * len(self._vectors))
        vectors = np.empty((capacity, self._vectors.shape[1]), np.float32)
        vectors[: len(self._vectors)] = self._vectors
        owners = np.empty(capacity, np.int32)
        owners[: len(self._owners)] = self._owners
        self._vectors, self._owners = vectors, owners


def _distances(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> list[float]:
    """Returns cosine distances of (n, dimension) rows: products are exact in float64, and each row sums alone."""
    rows, query = vectors.astype(np.float64), vector.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1) * (query * query).sum())
    cosines = (rows * query).sum(axis=1) / lengths
    distances: list[float] = np.round(np.clip(1 - cosines, 0, MAX_DISTANCE), DISTANCE_DECIMALS).tolist()
    return distances
