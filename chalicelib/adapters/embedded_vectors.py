"""The vector store of one machine: a SQLite file shared by its processes, searched exactly with numpy.

The file is the truth, and each process keeps a copy of a model's vectors in memory. Every write takes the next number
of one sequence, inside the write lock, so numbers appear in order; a reader asks for the rows above the last number it
saw. A removed document stays as a tombstone with its version, so that readers drop the row and a late write loses.
"""

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.embedded_rebuild import EmbeddedRebuild
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import TOMBSTONE_SECONDS, Hit, VectorDocument, VectorQuery, VectorRemoval

DECIMALS = 6  # of a distance; order, `after` and `max_distance` go by the rounded value
UNIT_TOLERANCE = 1e-4  # of a vector's squared length around 1
SCHEMA_VERSION = 1
SCHEMA = (
    # A row without vector, and without all that follows `removed_at`, is a tombstone.
    """CREATE TABLE documents (uuid TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, seq INTEGER NOT NULL,
        removed_at REAL, account TEXT, collection TEXT, bucket TEXT, key TEXT, size INTEGER, md5 TEXT, model TEXT,
        vector BLOB)""",
    "CREATE INDEX documents_by_seq ON documents (seq)",
    "CREATE INDEX documents_by_collection ON documents (account, collection)",
    "CREATE INDEX documents_by_removal ON documents (removed_at) WHERE removed_at IS NOT NULL",
    "CREATE TABLE models (model TEXT NOT NULL PRIMARY KEY, dimension INTEGER NOT NULL)",
    # `pruned` is the highest number of a tombstone that is gone: who has not seen it must read everything again.
    "CREATE TABLE sequence (seq INTEGER NOT NULL, pruned INTEGER NOT NULL)",
    "INSERT INTO sequence VALUES (0, 0)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_UPSERT = """REPLACE INTO documents
    (uuid, version, seq, account, collection, bucket, key, size, md5, model, vector)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
    WHERE NOT EXISTS (SELECT 1 FROM documents WHERE uuid = ?1 AND version > ?2)"""
_REMOVE = """REPLACE INTO documents (uuid, version, seq, removed_at)
    SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM documents WHERE uuid = ?1 AND version > ?2)"""
_REMOVE_COLLECTION = """REPLACE INTO documents (uuid, version, seq, removed_at)
    SELECT uuid, version, ?, ? FROM documents WHERE account = ? AND collection = ?"""
# Rows of other models come along without their vectors: a document that changed its model must leave the old one.
_NEWER = "SELECT uuid, account, collection, CASE WHEN model = ? THEN vector END FROM documents WHERE seq > ?"


class EmbeddedVectorStore:
    """Exact nearest neighbours by cosine distance, for as many vectors as fit into the memory of each process.

    Distances are computed in float64 from the stored float32 and rounded to 6 decimals before anything is ordered or
    compared, so a document has the same distance whatever the filter, the page or the size of the store. Removing a
    collection removes each of its documents at the version it has. Safe to share by threads, processes and forks.

    Args:
        path: the SQLite file; it is created when first used, its folder is not.
        busy_seconds: how long a writer waits for another one.
        now: the time in seconds, by which tombstones age.

    Raises:
        StoreUnavailable: by every method, when the file cannot be opened, read or written, or is none of ours.
        ValueError: a vector is not of length one, or not of its model's dimension; nothing of its batch is written.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = 10.0, now: Callable[[], float] = time.time) -> None:
        self._path = os.fspath(path)
        self._busy_seconds = busy_seconds
        self._now = now
        self._lock = threading.Lock()
        # By process: a connection must be neither used nor closed on the other side of a fork.
        self._connections: dict[int, sqlite3.Connection] = {}
        self._file: tuple[int, int] | None = None
        self._matrices: dict[str, _Matrix] = {}

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        if not documents:
            return
        dimensions = {(document.model, _unit(document.vector).size) for document in documents}
        with self._transaction("BEGIN IMMEDIATE") as connection:
            for model, dimension in dimensions:
                connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?)", (model, dimension))
                _check_dimension(connection, model, dimension)
            seq = _next_number(connection)
            connection.executemany(
                _UPSERT,
                (
                    (d.uuid, d.version, seq, d.account, d.collection, d.bucket, d.key, d.size, d.md5, d.model, d.vector)
                    for d in documents
                ),
            )

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        if not removals:
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            seq, now = _next_number(connection), self._now()
            connection.executemany(_REMOVE, ((removal.uuid, removal.version, seq, now) for removal in removals))
            _prune(connection, now - TOMBSTONE_SECONDS)

    def remove_collection(self, account: str, collection: str) -> None:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            seq, now = _next_number(connection), self._now()
            connection.execute(_REMOVE_COLLECTION, (seq, now, account, collection))
            _prune(connection, now - TOMBSTONE_SECONDS)

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = _unit(query.vector)
        with self._transaction("BEGIN") as connection:
            if not _check_dimension(connection, query.model, vector.size):
                return []
            nearest = self._refreshed(connection, query.model, vector.size).nearest(query, vector)
            return [_hit(connection, uuid, distance) for distance, uuid in nearest]

    def exact(self, query: VectorQuery) -> list[Hit]:
        return self.search(query)

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        with self._transaction("BEGIN") as connection:
            counted = connection.execute(
                """SELECT count(*) FROM documents
                WHERE account = ?1 AND (?2 IS NULL OR collection = ?2) AND (?3 IS NULL OR model = ?3)""",
                (account, collection, model),
            ).fetchone()
        return int(counted[0])

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> EmbeddedRebuild:
        with self._transaction("BEGIN") as connection:
            _check_dimension(connection, model, dimension)
            (began,) = connection.execute("SELECT seq FROM sequence").fetchone()
        return EmbeddedRebuild(self, model, int(began) if anew else 0)

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        asked = ", ".join("?" * len(uuids))
        select = f"SELECT uuid, version, vector FROM documents WHERE model = ? AND uuid IN ({asked})"  # noqa: S608
        with self._transaction("BEGIN") as connection:
            return {uuid: (version, vector) for uuid, version, vector in connection.execute(select, (model, *uuids))}

    def retire_others(self, model: str) -> None:
        """Nothing to do: a picture has one vector here, and a new model's takes the old one's place."""

    def examine(self) -> list[str]:
        with self._transaction("BEGIN") as connection:
            found = connection.execute("PRAGMA quick_check(5)").fetchall()
        return [] if found == [("ok",)] else [f"The file is damaged: {found}. Delete it, then `infra.admin reindex`."]

    def drop_old(self) -> list[str]:
        return []

    def abandon(self) -> list[str]:
        return []

    def purge(self) -> int:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            return _prune(connection, self._now() - TOMBSTONE_SECONDS)

    def written_since(self, number: int, uuids: Sequence[str]) -> dict[str, int]:
        """Versions of the documents and tombstones among these whose last write came after a write's number."""
        asked = ", ".join("?" * len(uuids))
        select = f"SELECT uuid, version FROM documents WHERE seq > ? AND uuid IN ({asked})"  # noqa: S608  # placeholders
        with self._transaction("BEGIN") as connection:
            return dict(connection.execute(select, (number, *uuids)).fetchall())

    def remove_untouched(self, number: int, model: str, keep: Set[str]) -> None:
        """Remove a model's documents that have not been written since a write's number and are not to be kept."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            untouched = "SELECT uuid, version FROM documents WHERE seq <= ? AND model = ? AND vector IS NOT NULL"
            strays = [row for row in connection.execute(untouched, (number, model)) if row[0] not in keep]
            seq, now = _next_number(connection), self._now()
            connection.executemany(_REMOVE, ((uuid, version, seq, now) for uuid, version in strays))

    def _refreshed(self, connection: sqlite3.Connection, model: str, dimension: int) -> "_Matrix":
        """The vectors of the model, as they stand in the connection's transaction."""
        seq, pruned = connection.execute("SELECT seq, pruned FROM sequence").fetchone()
        matrix = self._matrices.get(model)
        if matrix is None or matrix.seen < pruned:
            matrix = self._matrices[model] = _Matrix(dimension)
        if matrix.seen < seq:
            for uuid, account, collection, blob in connection.execute(_NEWER, (model, matrix.seen)):
                if blob is None:
                    matrix.drop(uuid)
                else:
                    matrix.put(uuid, account, collection, blob)
            matrix.seen = seq
        return matrix

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                connection = self._connected()
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._forget()  # closing rolls back, and what is in memory may be half of a refresh
                if isinstance(error, sqlite3.Error):
                    raise StoreUnavailable("The search index cannot be used now. Try again in a moment.") from error
                raise

    def _connected(self) -> sqlite3.Connection:
        connection = self._connections.get(os.getpid())
        # A file that was deleted lives on for those who have it open: they would write where nobody reads.
        if connection is not None and self._file == _identity(self._path):
            return connection
        self._forget()
        connection = self._connections[os.getpid()] = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        _prepare(connection, self._busy_seconds)
        self._file = _identity(self._path)
        return connection

    def _forget(self) -> None:
        self._matrices.clear()
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()


class _Matrix:
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
        self._error = dimension * 2.0**-24 + UNIT_TOLERANCE + 10.0**-DECIMALS

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


def _hit(connection: sqlite3.Connection, uuid: str, distance: float) -> Hit:
    collection, bucket, key, size, md5 = connection.execute(
        "SELECT collection, bucket, key, size, md5 FROM documents WHERE uuid = ?", (uuid,)
    ).fetchone()
    return Hit(uuid, collection, bucket, key, size, md5, distance)


def _distances(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> list[float]:
    """Cosine distances in [0, 2] of (n, dimension) rows: products are exact in float64, and each row sums alone."""
    rows, one = vectors.astype(np.float64), vector.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1) * (one * one).sum())
    distances: list[float] = np.round(np.clip(1 - (rows * one).sum(axis=1) / lengths, 0, 2), DECIMALS).tolist()
    return distances


def _unit(vector: bytes) -> NDArray[np.float32]:
    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is no sequence of float32.")
    values: NDArray[np.float32] = np.frombuffer(vector, "<f4")
    if not math.isclose(float(values @ values), 1, rel_tol=0, abs_tol=UNIT_TOLERANCE):
        raise ValueError(f"A vector's length is {math.sqrt(float(values @ values)):.6f}, not 1.")
    return values


def _check_dimension(connection: sqlite3.Connection, model: str, dimension: int) -> bool:
    """Whether anything was ever stored for the model; ValueError when it has another dimension."""
    found = connection.execute("SELECT dimension FROM models WHERE model = ?", (model,)).fetchone()
    if found is not None and found[0] != dimension:
        raise ValueError(f"A vector of dimension {dimension} meets model {model!r}, whose vectors have {found[0]}.")
    return found is not None


def _next_number(connection: sqlite3.Connection) -> int:
    """The number of this write; the transaction must hold the write lock."""
    connection.execute("UPDATE sequence SET seq = seq + 1")
    return int(connection.execute("SELECT seq FROM sequence").fetchone()[0])


def _prune(connection: sqlite3.Connection, before: float) -> int:
    last = connection.execute("SELECT max(seq) FROM documents WHERE removed_at < ?", (before,)).fetchone()[0]
    if last is None:
        return 0
    connection.execute("UPDATE sequence SET pruned = max(pruned, ?)", (last,))
    return connection.execute("DELETE FROM documents WHERE removed_at < ?", (before,)).rowcount


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
    connection.execute("PRAGMA page_size = 16384")  # of a new file: seven vectors of 512 to a page, not one
    _use_wal(connection, busy_seconds)
    # The catalogue can fill the file anew, so the disk need not be waited for at every write.
    connection.execute("PRAGMA synchronous = NORMAL")
    if _schema_version(connection) == 0:
        connection.execute("BEGIN IMMEDIATE")
        if _schema_version(connection) == 0:  # still
            for statement in SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    if _schema_version(connection) != SCHEMA_VERSION:
        raise StoreUnavailable("The search index was written by another version. Delete its file and sync again.")


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Readers and a writer side by side. SQLite does not wait by itself when several processes ask at once."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
