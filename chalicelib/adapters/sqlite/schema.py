"""The file of the SQLite vector store: its tables, and how a process opens it."""

import sqlite3
import time

from chalicelib.domain.errors import StoreUnavailable

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


def prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
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
