"""The vector store of one machine: a SQLite file shared by its processes, searched exactly with numpy.

The file is the truth, and each process keeps a copy of a model's vectors in memory. Every write takes the next number
of one sequence, inside the write lock, so numbers appear in order; a reader asks for the rows above the last number it
saw. A removed document stays as a tombstone with its version, so that readers drop the row and a late write loses.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

from chalicelib.adapters.sqlite.matrix import Matrix, unit
from chalicelib.adapters.sqlite.rebuild import SQLiteRebuild
from chalicelib.adapters.sqlite.schema import prepare
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import TOMBSTONE_SECONDS, Hit, VectorDocument, VectorQuery, VectorRemoval

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


class SQLiteVectorStore:
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
        self._matrices: dict[str, Matrix] = {}

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        if not documents:
            return
        dimensions = {(document.model, unit(document.vector).size) for document in documents}
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
        vector = unit(query.vector)
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

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> SQLiteRebuild:
        with self._transaction("BEGIN") as connection:
            _check_dimension(connection, model, dimension)
            (began,) = connection.execute("SELECT seq FROM sequence").fetchone()
        return SQLiteRebuild(self, model, int(began) if anew else 0)

    def collections(self) -> set[tuple[str, str]]:
        select = "SELECT DISTINCT account, collection FROM documents WHERE account IS NOT NULL"
        with self._transaction("BEGIN") as connection:
            return set(connection.execute(select).fetchall())

    def dimension(self, model: str) -> int | None:
        with self._transaction("BEGIN") as connection:
            row = connection.execute("SELECT dimension FROM models WHERE model = ?", (model,)).fetchone()
        return None if row is None else int(row[0])

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        asked = ", ".join("?" * len(uuids))
        select = f"SELECT uuid, version, vector FROM documents WHERE model = ? AND uuid IN ({asked})"  # noqa: S608
        with self._transaction("BEGIN") as connection:
            return {uuid: (version, vector) for uuid, version, vector in connection.execute(select, (model, *uuids))}

    def retire_others(self, model: str) -> None:
        """Nothing to do: a picture has one vector here, and a new model's takes the old one's place."""

    def check_health(self) -> list[str]:
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

    def count_written_since(self, number: int, account: str, collection: str, model: str, keep: Set[str]) -> int:
        """Documents of a collection that were written after a write's number, or are to be kept."""
        select = "SELECT uuid, seq FROM documents WHERE account = ? AND collection = ? AND model = ?"
        with self._transaction("BEGIN") as connection:
            rows = connection.execute(select, (account, collection, model)).fetchall()
        return sum(seq > number or uuid in keep for uuid, seq in rows)

    def remove_untouched(self, number: int, model: str, keep: Set[str]) -> None:
        """Remove a model's documents that have not been written since a write's number and are not to be kept."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            untouched = "SELECT uuid, version FROM documents WHERE seq <= ? AND model = ? AND vector IS NOT NULL"
            strays = [row for row in connection.execute(untouched, (number, model)) if row[0] not in keep]
            seq, now = _next_number(connection), self._now()
            connection.executemany(_REMOVE, ((uuid, version, seq, now) for uuid, version in strays))

    def _refreshed(self, connection: sqlite3.Connection, model: str, dimension: int) -> Matrix:
        """The vectors of the model, as they stand in the connection's transaction."""
        seq, pruned = connection.execute("SELECT seq, pruned FROM sequence").fetchone()
        matrix = self._matrices.get(model)
        if matrix is None or matrix.seen < pruned:
            matrix = self._matrices[model] = Matrix(dimension)
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
        prepare(connection, self._busy_seconds)
        self._file = _identity(self._path)
        return connection

    def _forget(self) -> None:
        self._matrices.clear()
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()


def _hit(connection: sqlite3.Connection, uuid: str, distance: float) -> Hit:
    collection, bucket, key, size, md5 = connection.execute(
        "SELECT collection, bucket, key, size, md5 FROM documents WHERE uuid = ?", (uuid,)
    ).fetchone()
    return Hit(uuid, collection, bucket, key, size, md5, distance)


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
