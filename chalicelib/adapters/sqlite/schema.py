"""The file of the SQLite vector store: its tables, and how a process opens it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import FILTERS_UNAVAILABLE

# Raised when the tables change. A field more in `FileSummary` changes no table: `file` is JSON that nothing queries.
SCHEMA_VERSION = 3
_WITHOUT_FACTS = 2  # the schema before the tables of facts
# Pages in the log of writes after which a writer copies them into the file, and bytes of the log that then stay on the
# disk. By default the log grows to 16 MB at this page size, whatever the size of the file, and stays there.
CHECKPOINT_PAGES = 128
MAX_LOG_BYTES = 4 * 1024 * 1024
DOCUMENTS = (
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
)
# What filters compare of each document's file, under a number that stays with the document. Each filter reads one of
# the narrow indexes from end to end at most, never the vectors.
FACTS = (
    """CREATE TABLE facts (number INTEGER NOT NULL PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
        collection TEXT NOT NULL, path TEXT NOT NULL, format TEXT NOT NULL, orientation TEXT NOT NULL,
        size INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, modified INTEGER, taken INTEGER)""",
    "CREATE INDEX facts_by_path ON facts (account, path, collection)",
    "CREATE INDEX facts_by_size ON facts (account, size, collection)",
    "CREATE INDEX facts_by_modified ON facts (account, modified, collection)",
    "CREATE INDEX facts_by_taken ON facts (account, taken, collection)",
    "CREATE INDEX facts_by_collection ON facts (account, collection)",
    "CREATE INDEX facts_by_shape ON facts (account, format, orientation, width, height, collection)",
    "CREATE TABLE metadata (term TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (term, number)) WITHOUT ROWID",
    "CREATE INDEX metadata_by_number ON metadata (number)",
    # Words come as `domain.name_words` has them; a rowid is the number of the facts.
    """CREATE VIRTUAL TABLE words USING fts5 (name, folder, detail = column, prefix = '2 3',
        tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'")""",
    """CREATE TRIGGER facts_removed AFTER DELETE ON facts BEGIN
        DELETE FROM metadata WHERE number = old.number; DELETE FROM words WHERE rowid = old.number; END""",
    # Whether documents of an older schema have no facts yet.
    "ALTER TABLE state ADD COLUMN facts_missing INTEGER NOT NULL DEFAULT 0",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# Of every schema that there has been.
TABLES = ("documents", "models", "sequence", "state", "facts", "metadata", "words")

PAGE_BYTES = 16384  # seven vectors of 512 fit on a page, where SQLite's own size would hold one
WAL_RETRY_SECONDS = 0.005


def prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Create the tables, or bring those of an older schema up to date.

    Documents of the schema before this one stay, without facts: searches with a filter fail until `infra.admin reindex`
    has written them. Still older tables are replaced by empty ones, and all searches fail until then. Writes go on
    meanwhile, because they are as new as what the rebuild writes.

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
            _upgrade(connection, version)
        connection.execute("COMMIT")
    if _schema_version(connection) > SCHEMA_VERSION:
        raise StoreUnavailable(
            "The file of the search index was written by a newer version of Similarix. Run that version, or delete the "
            "file and fill a new one with `infra.admin reindex`."
        )


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Create the tables that the file lacks; ``version`` is its schema's, 0 that of a new file."""
    has_documents = version > 0 and _has_documents(connection)
    if version == _WITHOUT_FACTS:
        for statement in FACTS:
            connection.execute(statement)
        connection.execute("UPDATE state SET facts_missing = ?", (has_documents,))
        return
    for table in TABLES if version > 0 else ():
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in (*DOCUMENTS, *FACTS):
        connection.execute(statement)
    connection.execute("UPDATE state SET rebuild_required = ?", (has_documents,))


def check_complete(connection: sqlite3.Connection) -> None:
    """Raises StoreUnavailable while a rebuild is required."""
    if connection.execute("SELECT rebuild_required FROM state").fetchone()[0]:
        raise StoreUnavailable(
            "The search index was written by an older version of Similarix and must be filled again: "
            "run `infra.admin reindex`."
        )


def check_facts(connection: sqlite3.Connection) -> None:
    """Raises StoreUnavailable while documents lack the facts that filters compare."""
    if connection.execute("SELECT facts_missing FROM state").fetchone()[0]:
        raise StoreUnavailable(FILTERS_UNAVAILABLE)


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
