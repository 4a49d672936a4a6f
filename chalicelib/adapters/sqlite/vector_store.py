"""The vector store of one machine: a SQLite file shared by its processes, searched exactly with numpy.

The file is the truth, and each process keeps a copy of a model's vectors in memory. Every write takes the next number
of one sequence, inside the write lock, so numbers appear in order; a reader reads the rows above the last number that
it has read. A removed document stays as a tombstone with its version, so that readers drop the row and a late write
loses.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.sqlite import facts, files
from chalicelib.adapters.sqlite.matrix import Matrix
from chalicelib.adapters.sqlite.rebuild import SQLiteRebuild
from chalicelib.adapters.sqlite.schema import check_complete, check_facts, prepare
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.file_queries import FileQuery, FoundFile
from chalicelib.domain.vectors import (
    TOMBSTONE_SECONDS,
    CountedHits,
    FileSummary,
    Hit,
    VectorDocument,
    VectorQuery,
    VectorRemoval,
    unit_vector,
)

_UPSERT = """REPLACE INTO documents (uuid, version, seq, account, collection, model, file, vector)
    SELECT :uuid, :version, :seq, :account, :collection, :model, :file, :vector
    WHERE NOT EXISTS (SELECT 1 FROM documents WHERE uuid = :uuid AND version > :version AND seq > :since)"""
_REMOVE = """REPLACE INTO documents (uuid, version, seq, removed_at) SELECT :uuid, :version, :seq, :removed_at
    WHERE NOT EXISTS (SELECT 1 FROM documents WHERE uuid = :uuid AND version > :version AND seq > :since)"""
_REMOVE_COLLECTION = """REPLACE INTO documents (uuid, version, seq, removed_at)
    SELECT uuid, version, :seq, :removed_at FROM documents WHERE account = :account AND collection = :collection"""
_COUNT = """SELECT count(*) FROM documents WHERE account = :account
    AND (:collection IS NULL OR collection = :collection) AND (:model IS NULL OR model = :model)"""
_READ_AT_ONCE = 500  # rows of one statement; SQLite takes 32,766 parameters, older versions 999
_REPORTED_DAMAGES = 5


class SQLiteVectorStore:
    """Exact nearest neighbours by cosine distance, for as many vectors as fit into the memory of each process.

    Distances are computed in float64 from the stored float32 and rounded to 6 decimals before hits are ordered or
    compared, so a document has the same distance whatever the filter, the page or the size of the store. Removing a
    collection removes each of its documents at the version it has. Threads, processes and forks may share a store.

    Args:
        path: the SQLite file; it is created when first used, its folder is not.
        busy_seconds: how long a writer waits for another one.
        now: the time in seconds, from which the age of tombstones follows.

    Raises:
        StoreUnavailable: by every method, when the file cannot be opened, read or written, or is not a vector store's;
            by searches also while documents are missing because the file was of an older schema.
        ValueError: a vector is not of length one, or not of its model's dimension; nothing of its batch is written.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = 10.0, now: Callable[[], float] = time.time) -> None:
        self._path = os.fspath(path)
        self._busy_seconds = busy_seconds
        self._now = now
        self._lock = threading.Lock()
        # By process: a connection must be neither used nor closed on the other side of a fork.
        self._connections: dict[int, sqlite3.Connection] = {}
        self._file_identity: tuple[int, int] | None = None
        self._matrices: dict[str, Matrix] = {}

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        self.upsert_unless_newer(0, documents)

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        self.remove_unless_newer(0, removals)

    def upsert_unless_newer(self, number: int, documents: Sequence[VectorDocument]) -> None:
        """Write each document, unless a higher version of it was written after a write's number."""
        if not documents:
            return
        dimensions = {(document.model, len(unit_vector(document.vector))) for document in documents}
        with self._transaction("BEGIN IMMEDIATE") as connection:
            for model, dimension in dimensions:
                connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?)", (model, dimension))
                _check_dimension(connection, model, dimension)
            seq = _next_seq(connection)
            connection.executemany(
                _UPSERT,
                (
                    {
                        "uuid": document.uuid,
                        "version": document.version,
                        "seq": seq,
                        "since": number,
                        "account": document.account,
                        "collection": document.collection,
                        "model": document.model,
                        "file": json.dumps(document.file.to_json()),
                        "vector": document.vector,
                    }
                    for document in documents
                ),
            )
            facts.put(connection, documents, seq)

    def remove_unless_newer(self, number: int, removals: Sequence[VectorRemoval]) -> None:
        """Write each tombstone, unless a higher version of the document was written after a write's number."""
        if not removals:
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            self._bury(connection, number, [(removal.uuid, removal.version) for removal in removals])
            self._prune(connection)

    def remove_collection(self, account: str, collection: str) -> None:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute(
                _REMOVE_COLLECTION,
                {
                    "seq": _next_seq(connection),
                    "removed_at": self._now(),
                    "account": account,
                    "collection": collection,
                },
            )
            facts.remove_collection(connection, account, collection)
            self._prune(connection)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._search(query, unfinished=False).hits

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        return self._search(query, unfinished=False)

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        return self._search(query, unfinished=False).hits

    def search_unfinished(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, also while a rebuild is required."""
        return self._search(query, unfinished=True).hits

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        with self._transaction("BEGIN") as connection:
            parameters = {"account": account, "collection": collection, "model": model}
            return int(connection.execute(_COUNT, parameters).fetchone()[0])

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> SQLiteRebuild:
        with self._transaction("BEGIN") as connection:
            _check_dimension(connection, model, dimension)
            (seq,) = connection.execute("SELECT seq FROM state").fetchone()
        return SQLiteRebuild(self, model, int(seq) if anew else 0)

    def collections(self) -> set[tuple[str, str]]:
        select = "SELECT DISTINCT account, collection FROM documents WHERE account IS NOT NULL"
        with self._transaction("BEGIN") as connection:
            return set(connection.execute(select).fetchall())

    def dimension(self, model: str) -> int | None:
        with self._transaction("BEGIN") as connection:
            row = connection.execute("SELECT dimension FROM models WHERE model = ?", (model,)).fetchone()
        return None if row is None else int(row[0])

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        condition = f"model = ? AND uuid IN ({_placeholders(uuids)})"
        select = f"SELECT uuid, version, vector FROM documents WHERE {condition}"  # noqa: S608  # placeholders alone
        with self._transaction("BEGIN") as connection:
            return {uuid: (version, vector) for uuid, version, vector in connection.execute(select, (model, *uuids))}

    def retire_others(self, model: str) -> None:
        """Does nothing: a picture has one vector here, and a new model's replaces the old one."""

    def check_health(self) -> list[str]:
        with self._transaction("BEGIN") as connection:
            check_complete(connection)
            damages = connection.execute(f"PRAGMA quick_check({_REPORTED_DAMAGES})").fetchall()
        if damages == [("ok",)]:
            return []
        return [f"The file is damaged: {damages}. Delete it, then run `infra.admin reindex`."]

    def drop_old(self) -> list[str]:
        return []

    def abandon(self) -> list[str]:
        return []

    def purge(self) -> int:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            return self._prune(connection)

    def versions_written_since(self, number: int, uuids: Sequence[str]) -> dict[str, int]:
        """Returns the versions of those documents and tombstones whose last write has a higher number."""
        condition = f"seq > ? AND uuid IN ({_placeholders(uuids)})"
        select = f"SELECT uuid, version FROM documents WHERE {condition}"  # noqa: S608  # placeholders alone
        with self._transaction("BEGIN") as connection:
            return dict(connection.execute(select, (number, *uuids)).fetchall())

    def count_written_since(self, number: int, account: str, collection: str, model: str) -> int:
        """Documents of a collection that were written after a write's number."""
        select = "SELECT count(*) FROM documents WHERE account = ? AND collection = ? AND model = ? AND seq > ?"
        with self._transaction("BEGIN") as connection:
            return int(connection.execute(select, (account, collection, model, number)).fetchone()[0])

    def finish_rebuild(self, number: int, model: str) -> None:
        """Remove a model's documents that were not written after a write's number."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            untouched = "SELECT uuid, version FROM documents WHERE seq <= ? AND model = ? AND vector IS NOT NULL"
            self._bury(connection, number, connection.execute(untouched, (number, model)).fetchall())
            connection.execute("UPDATE state SET rebuild_required = 0, facts_missing = 0")

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        with self._transaction("BEGIN") as connection:
            check_complete(connection)
            check_facts(connection)
            return files.find(connection, query)

    def _search(self, query: VectorQuery, *, unfinished: bool) -> CountedHits:
        dimension = len(unit_vector(query.vector))
        with self._transaction("BEGIN") as connection:
            if not unfinished:
                check_complete(connection)
            if not _check_dimension(connection, query.model, dimension):
                return CountedHits([], 0)
            passing = _passing(connection, query)
            positions, searched = self._current_matrix(connection, query.model, dimension).nearest(query, passing)
            files = _file_summaries(connection, [uuid for _, uuid in positions])
            hits = [Hit(uuid=uuid, file=files[uuid], distance=distance) for distance, uuid in positions]
            return CountedHits(hits, searched)

    def _current_matrix(self, connection: sqlite3.Connection, model: str, dimension: int) -> Matrix:
        """Returns the vectors of the model as the connection's transaction sees them."""
        seq, pruned = connection.execute("SELECT seq, pruned FROM state").fetchone()
        matrix = self._matrices.get(model)
        if matrix is None or matrix.latest_seq < pruned:
            matrix = self._matrices[model] = Matrix(model, dimension)
        if matrix.latest_seq < seq:
            matrix.read_newer(connection, seq)
        return matrix

    def _bury(self, connection: sqlite3.Connection, number: int, removals: Sequence[tuple[str, int]]) -> None:
        """Replace documents, given as (uuid, version), by tombstones, but for those newer after a write's number."""
        seq, removed_at = _next_seq(connection), self._now()
        connection.executemany(
            _REMOVE,
            (
                {"uuid": uuid, "version": version, "seq": seq, "since": number, "removed_at": removed_at}
                for uuid, version in removals
            ),
        )
        facts.remove_buried(connection, [uuid for uuid, _ in removals])

    def _prune(self, connection: sqlite3.Connection) -> int:
        """Delete old tombstones; returns how many."""
        before = self._now() - TOMBSTONE_SECONDS
        last = connection.execute("SELECT max(seq) FROM documents WHERE removed_at < ?", (before,)).fetchone()[0]
        if last is None:
            return 0
        connection.execute("UPDATE state SET pruned = max(pruned, ?)", (last,))
        return connection.execute("DELETE FROM documents WHERE removed_at < ?", (before,)).rowcount

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                connection = self._open_connection()
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._discard_connection()  # closing rolls back, and the matrices may be half refreshed
                if isinstance(error, sqlite3.Error):
                    raise StoreUnavailable("The search index cannot be used now. Try again in a moment.") from error
                raise

    def _open_connection(self) -> sqlite3.Connection:
        connection = self._connections.get(os.getpid())
        # A deleted file lives on in processes that have it open: they would write what no other process reads.
        if connection is not None and self._file_identity == _identity(self._path):
            return connection
        self._discard_connection()
        connection = self._connections[os.getpid()] = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        prepare(connection, self._busy_seconds)
        self._file_identity = _identity(self._path)
        return connection

    def _discard_connection(self) -> None:
        self._matrices.clear()
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()


def _passing(connection: sqlite3.Connection, query: VectorQuery) -> NDArray[np.int64] | None:
    """Returns the numbers of the facts that pass the query's filter; None where it has none."""
    if not query.options.filter:
        return None
    check_facts(connection)
    return facts.passing(connection, query.account, query.options)


def _file_summaries(connection: sqlite3.Connection, uuids: Sequence[str]) -> dict[str, FileSummary]:
    """Returns what results show of files, by uuid."""
    summaries = {}
    for first in range(0, len(uuids), _READ_AT_ONCE):
        some = uuids[first : first + _READ_AT_ONCE]
        select = f"SELECT uuid, file FROM documents WHERE uuid IN ({_placeholders(some)})"  # noqa: S608  # placeholders
        for uuid, stored in connection.execute(select, tuple(some)):
            summaries[uuid] = FileSummary.from_json(json.loads(stored))
    return summaries


def _check_dimension(connection: sqlite3.Connection, model: str, dimension: int) -> bool:
    """Whether the store has ever had a vector of the model; ValueError when its vectors have another dimension."""
    row = connection.execute("SELECT dimension FROM models WHERE model = ?", (model,)).fetchone()
    if row is not None and row[0] != dimension:
        raise ValueError(f"A vector of dimension {dimension} meets model {model!r}, whose vectors have {row[0]}.")
    return row is not None


def _next_seq(connection: sqlite3.Connection) -> int:
    """Returns the number of this write; the transaction must have the write lock."""
    connection.execute("UPDATE state SET seq = seq + 1")
    return int(connection.execute("SELECT seq FROM state").fetchone()[0])


def _placeholders(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
