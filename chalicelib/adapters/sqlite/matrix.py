"""The vectors of one model version in memory, searched exactly with numpy."""

import sqlite3

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.vectors import DISTANCE_DECIMALS, MAX_DISTANCE, UNIT_TOLERANCE, Position, VectorQuery

MIN_CAPACITY = 64  # rows
NO_FACTS = -1
# Copying rows out costs several times what multiplying them does: only a small part of all is worth it.
COPY_BELOW_FRACTION = 1 / 8
# Rows of other models are read without their vectors: a document that changed its model must leave the old matrix.
_NEWER = """SELECT uuid, account, collection, CASE WHEN model = :model THEN vector END,
    (SELECT number FROM facts WHERE facts.uuid = documents.uuid) FROM documents WHERE seq > :seq"""


class Matrix:
    """The vectors of one model version, as this process last read them.

    `_vectors` is (capacity, dimension) float32 and `_owners` (capacity,) int32; the first `len(_uuids)` rows are
    filled, in no order. An owner is the number of an (account, collection). `_fact_numbers` (capacity,) has the number
    of each row's facts, and `_fact_rows` the row of each such number, -1 where there is none.

    Attributes:
        latest_seq: the number of the last write that has been read.
    """

    def __init__(self, model: str, dimension: int) -> None:
        self.latest_seq = 0
        self._model = model
        self._vectors: NDArray[np.float32] = np.empty((0, dimension), np.float32)
        self._owners: NDArray[np.int32] = np.empty(0, np.int32)
        self._fact_numbers: NDArray[np.int64] = np.empty(0, np.int64)
        self._fact_rows: NDArray[np.int64] = np.empty(0, np.int64)
        self._uuids: list[str] = []
        self._rows: dict[str, int] = {}
        self._owner_numbers: dict[str, dict[str, int]] = {}
        self._owner_count = 0
        # The bound of a float32 dot product's error for vectors of length one, and by how much lengths may differ.
        self._error = dimension * 2.0**-24 + UNIT_TOLERANCE + 10.0**-DISTANCE_DECIMALS

    def read_newer(self, connection: sqlite3.Connection, seq: int) -> None:
        """Read what was written after the last write that has been read, up to the one with this number."""
        newer = connection.execute(_NEWER, {"model": self._model, "seq": self.latest_seq})
        for uuid, account, collection, vector, fact_number in newer:
            if vector is None:
                self._drop(uuid)
            else:
                row = self._put(uuid, account, collection, vector)
                self._number(row, NO_FACTS if fact_number is None else fact_number)
        self.latest_seq = seq

    def nearest(self, query: VectorQuery, passing: NDArray[np.int64] | None = None) -> tuple[list[Position], int]:
        """Returns the positions of the query's hits, in order, and how many vectors pass its filter.

        Args:
            passing: the numbers of the facts that pass the query's filter; None where it has none.
        """
        vector = np.frombuffer(query.vector, "<f4")
        searched, estimates = self._estimate(query, vector, passing)
        rows = searched[self._candidates(query, estimates)]
        positions = zip(_distances(self._vectors[rows], vector), (self._uuids[row] for row in rows), strict=True)
        return sorted(filter(query.options.admits, positions))[: query.options.limit], len(searched)

    def _put(self, uuid: str, account: str, collection: str, vector: bytes) -> int:
        """Write a row, and return which one it is."""
        row = self._rows.setdefault(uuid, len(self._uuids))
        if row == len(self._uuids):
            self._uuids.append(uuid)
            if row == len(self._vectors):
                self._grow()
            self._fact_numbers[row] = NO_FACTS
        owners = self._owner_numbers.setdefault(account, {})
        if collection not in owners:
            owners[collection] = self._owner_count
            self._owner_count += 1
        self._owners[row] = owners[collection]
        self._vectors[row] = np.frombuffer(vector, "<f4")
        return row

    def _number(self, row: int, number: int) -> None:
        """Give a row the number of its facts, or ``NO_FACTS``."""
        if number >= len(self._fact_rows):
            more = max(MIN_CAPACITY, number + 1, 2 * len(self._fact_rows)) - len(self._fact_rows)
            self._fact_rows = np.concatenate([self._fact_rows, np.full(more, -1, np.int64)])
        former = self._fact_numbers[row]
        if former != NO_FACTS and self._fact_rows[former] == row:
            self._fact_rows[former] = -1
        self._fact_numbers[row] = number
        if number != NO_FACTS:
            self._fact_rows[number] = row

    def _drop(self, uuid: str) -> None:
        """Remove a row, if it is there; the last row takes its number."""
        row = self._rows.pop(uuid, None)
        if row is None:
            return
        last = self._uuids.pop()
        end = len(self._uuids)
        self._number(row, NO_FACTS)
        if last != uuid:
            self._uuids[row], self._rows[last] = last, row
            self._vectors[row], self._owners[row] = self._vectors[end], self._owners[end]
            moved = int(self._fact_numbers[end])
            self._number(end, NO_FACTS)
            self._number(row, moved)

    def _estimate(
        self, query: VectorQuery, vector: NDArray[np.float32], numbers: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Returns the rows that pass the query's filter, and their distances by float32."""
        rows, size = self._passing(query, numbers), len(self._uuids)
        if len(rows) < size * COPY_BELOW_FRACTION:
            return rows, 1 - self._vectors[rows] @ vector
        return rows, (1 - self._vectors[:size] @ vector)[rows]

    def _passing(self, query: VectorQuery, numbers: NDArray[np.int64] | None) -> NDArray[np.intp]:
        """Returns the rows that pass the query's filter."""
        owners, collections = self._owner_numbers.get(query.account, {}), query.options.collections
        passing = np.zeros(self._owner_count, np.bool_)
        for collection in owners if collections is None else collections:
            if collection in owners:
                passing[owners[collection]] = True
        if numbers is None:
            return np.flatnonzero(passing[self._owners[: len(self._uuids)]])
        # Facts of pictures of another model have no row here, and may have numbers beyond all that have.
        rows = self._fact_rows[numbers[numbers < len(self._fact_rows)]]
        rows = rows[rows >= 0]
        return rows[passing[self._owners[rows]]]

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
        fact_numbers = np.full(capacity, NO_FACTS, np.int64)
        fact_numbers[: len(self._fact_numbers)] = self._fact_numbers
        self._vectors, self._owners, self._fact_numbers = vectors, owners, fact_numbers


def _distances(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> list[float]:
    """Returns cosine distances of (n, dimension) rows: products are exact in float64, and each row sums alone."""
    rows, query = vectors.astype(np.float64), vector.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1) * (query * query).sum())
    cosines = (rows * query).sum(axis=1) / lengths
    distances: list[float] = np.round(np.clip(1 - cosines, 0, MAX_DISTANCE), DISTANCE_DECIMALS).tolist()
    return distances
