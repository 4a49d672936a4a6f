"""The file of the SQLite vector store: its tables, and how a process opens it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from chalicelib.domain.errors import StoreUnavailable

# Raised when the tables change. A field more in `FileSummary` changes no table: `file` is JSON that nothing queries.
SCHEMA_VERSION = 2
# Pages in the log of writes after which a writer copies them into the file, and bytes of the log that then stay on the
# disk. By default the log grows to 16 MB at this page size, whatever the size of the file, and stays there.
CHECKPOINT_PAGES = 128
MAX_LOG_BYTES = 4 * 1024 * 1024
SCHEMA = (
    # A row without vector, and without all that follows `removed_at`, is a tombstone.
    """CREATE TABLE documents (uuid TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, seq INTEGER NOT NULL,
        removed_at REAL, account TEXT, collection TEXT, model TEXT, file TEXT, vector BLOB)""",
    "CREATE INDEX documents_by_seq ON documents (seq)",
    "CREATE INDEX documents_by_collection ON documents (account, collection)",
    "CREATE INDEX documents_by_removal ON documents (removed_at) WHERE removed_at IS NOT NULL",
    "CREATE TABLE models (model TEXT NOT NULL PRIMARY KEY, dimension INTEGER NOT NULL)",
    # One row. `seq` is the number of the last write. `pruned` is the highest number of a tombstone that was deleted:
    # a reader that has not seen it must read everything again. `rebuild_required`: documents are missing until a
    # rebuild is complete.
    "CREATE TABLE state (seq INTEGER NOT NULL, pruned INTEGER NOT NULL, rebuild_required INTEGER NOT NULL)",
    "INSERT INTO state VALUES (0, 0, 0)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
TABLES = ("documents", "models", "sequence", "state")  # of every schema that there has been

PAGE_BYTES = 16384  # seven vectors of 512 fit on a page, where SQLite's own size would hold one
WAL_RETRY_SECONDS = 0.005


def prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Create the tables, or replace those of an older schema by empty ones.

    Where the older ones had documents, only a rebuild from the catalogue brings them back, so searches fail until
    `infra.admin reindex` has done so. Writes go on meanwhile, because they are as new as what the rebuild writes.

    Raises:
        StoreUnavailable: the file is newer than this version of the code.
    """
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # applies to a new file alone
    _use_wal(connection, busy_seconds)
    # The catalogue can fill the file again, so a write need not wait for the disk.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")
    if _schema_version(connection) < SCHEMA_VERSION:
        connection.execute("BEGIN IMMEDIATE")
        version = _schema_version(connection)  # another process may have been faster
        if version < SCHEMA_VERSION:
            incomplete = version > 0 and _has_documents(connection)
            for table in TABLES if version > 0 else ():
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute("UPDATE state SET rebuild_required = ?", (incomplete,))
        connection.execute("COMMIT")
    if _schema_version(connection) > SCHEMA_VERSION:
        raise StoreUnavailable(
            "The file of the search index was written by a newer version of Similarix. Run that version, or delete the "
            "file and fill a new one with `infra.admin reindex`."
        )


def check_complete(connection: sqlite3.Connection) -> None:
    """Raises StoreUnavailable while a rebuild is required."""
    if connection.execute("SELECT rebuild_required FROM state").fetchone()[0]:
        raise StoreUnavailable(
            "The search index was written by an older version of Similarix and must be filled again: "
            "run `infra.admin reindex`."
        )


def remove_log(path: Path) -> None:
    """Copy the log of writes into the file and delete it, once no process uses the file; does nothing without a file.

    Processes that are ended leave the log behind. It is complete, and the next one to open the file would read it.
    """
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:  # the last to close the file deletes the log
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Let readers and a writer work at once. SQLite does not wait by itself when several processes switch to it."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(WAL_RETRY_SECONDS)


def _has_documents(connection: sqlite3.Connection) -> bool:
    """Whether a file of any schema has more than tombstones."""
    return connection.execute("SELECT 1 FROM documents WHERE vector IS NOT NULL LIMIT 1").fetchone() is not None


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
