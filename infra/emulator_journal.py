"""The emulator's journal: a SQLite file with what tables, queues and settings hold, written before a response is sent.

The emulator itself keeps these in memory and writes them when it ends. What the journal has committed outlives the
process at once, and the machine once ``sync`` has returned.
"""

import json
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

Item = dict[str, Any]
Message = dict[str, Any]
# A table's items by partition key and sort key, as the emulator has them.
Items = Mapping[str, Mapping[str, Item]]

BUSY_SECONDS = 10.0  # that a writer waits for another one
MAX_IDLE_WAL_BYTES = 16_000_000  # of the file beside the journal, when it begins anew
SCHEMA = """
    CREATE TABLE IF NOT EXISTS items (table_id TEXT NOT NULL, partition_key TEXT NOT NULL, sort_key TEXT NOT NULL,
        item TEXT NOT NULL, PRIMARY KEY (table_id, partition_key, sort_key));
    CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, queue TEXT NOT NULL, id TEXT NOT NULL,
        message TEXT NOT NULL, UNIQUE (queue, id));
    CREATE TABLE IF NOT EXISTS settings (service TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL);
"""
_PUT_ITEM = "REPLACE INTO items VALUES (?, ?, ?, ?)"
_DELETE_ITEM = "DELETE FROM items WHERE table_id = ? AND partition_key = ? AND sort_key = ?"
_DELETE_TABLE = "DELETE FROM items WHERE table_id = ?"
_PUT_MESSAGE = "REPLACE INTO messages (queue, id, message) VALUES (?, ?, ?)"
_DELETE_QUEUE = "DELETE FROM messages WHERE queue = ?"
_DELETE_MESSAGE = "DELETE FROM messages WHERE queue = ? AND id = ?"
_PUT_SETTINGS = "REPLACE INTO settings VALUES (?, ?)"


class Journal:
    """Changes are noted by any thread, and committed by one: those of a request in one transaction.

    Raises:
        sqlite3.Error: the file cannot be written; what was noted is kept for the next commit.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._statements: list[tuple[str, tuple[str, ...]]] = []
        self._signatures: dict[str, tuple[int, str, str]] = defaultdict(lambda: _signature([]))
        self._message_ids: dict[str, set[str]] = defaultdict(set)
        self._written = False  # since the last sync
        self._connection = self._connect()
        self._connection.executescript(SCHEMA)
        # Only `sync` waits for the disk, in a thread of its own.
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute(f"PRAGMA journal_size_limit = {MAX_IDLE_WAL_BYTES}")

    def put_item(self, table: str, partition_key: str, sort_key: str, item: Item) -> None:
        self._note(_PUT_ITEM, table, partition_key, sort_key, json.dumps(item, separators=(",", ":")))

    def remove_item(self, table: str, partition_key: str, sort_key: str) -> None:
        self._note(_DELETE_ITEM, table, partition_key, sort_key)

    def replace_items(self, table: str, items: Items) -> None:
        """Note that a table holds these items and no others."""
        self._note(_DELETE_TABLE, table)
        for partition_key, by_sort_key in items.items():
            for sort_key, item in by_sort_key.items():
                self.put_item(table, partition_key, sort_key, item)

    def compare_queue(self, queue: str, messages: list[Message]) -> None:
        """Note what has been sent to a queue and deleted from it since the last call.

        Receiving is not noted: after a crash, messages that functions had received are visible again.
        """
        signature = _signature(messages)
        if self._signatures[queue] == signature:
            return
        known = self._message_ids[queue]
        ids = {message["id"] for message in messages}
        for message in messages:
            if message["id"] not in known:
                self._note(_PUT_MESSAGE, queue, message["id"], json.dumps(message, separators=(",", ":")))
        for missing in known - ids:
            self._note(_DELETE_MESSAGE, queue, missing)
        self._signatures[queue], self._message_ids[queue] = signature, ids

    def commit(self) -> None:
        """Write what has been noted, in one transaction."""
        with self._lock:
            statements, self._statements = self._statements, []
        if not statements:
            return
        try:
            self._write(self._connection, statements)
        except sqlite3.Error:
            with self._lock:
                self._statements = statements + self._statements
            raise

    def save_settings(self, states: Mapping[str, str]) -> None:
        """Replace the settings of some services, in one transaction."""
        with closing(self._connect()) as connection:
            self._write(connection, [(_PUT_SETTINGS, (service, state)) for service, state in states.items()])

    def sync(self) -> None:
        """Wait until the disk has what has been committed; does nothing if nothing was."""
        if not self._written:
            return
        self._written = False
        with closing(self._connect()) as connection:
            # In this mode it delays neither readers nor writers.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Everything is in one file afterwards."""
        self._connection.close()

    def settings(self, service: str) -> str | None:
        row = self._connection.execute("SELECT state FROM settings WHERE service = ?", (service,)).fetchone()
        return None if row is None else str(row[0])

    def items(self, table: str) -> dict[str, dict[str, Item]]:
        items: dict[str, dict[str, Item]] = defaultdict(dict)
        select = "SELECT partition_key, sort_key, item FROM items WHERE table_id = ?"
        for partition_key, sort_key, item in self._connection.execute(select, (table,)):
            items[partition_key][sort_key] = json.loads(item)
        return items

    def messages(self, queue: str) -> list[Message]:
        """A queue's messages, as they were sent."""
        select = "SELECT message FROM messages WHERE queue = ? ORDER BY number"
        messages = [json.loads(message) for (message,) in self._connection.execute(select, (queue,))]
        self._message_ids[queue] = {message["id"] for message in messages}
        self._signatures[queue] = _signature(messages)
        return messages

    def forget_tables_but(self, existing: Iterable[str]) -> None:
        self._forget_but(existing, "SELECT DISTINCT table_id FROM items", _DELETE_TABLE)

    def forget_queues_but(self, existing: Iterable[str]) -> None:
        self._forget_but(existing, "SELECT DISTINCT queue FROM messages", _DELETE_QUEUE)

    def _forget_but(self, existing: Iterable[str], select: str, delete: str) -> None:
        kept = set(existing)
        for (name,) in self._connection.execute(select).fetchall():
            if name not in kept:
                self._note(delete, name)

    def _note(self, statement: str, *values: str) -> None:
        with self._lock:
            self._statements.append((statement, values))

    def _write(self, connection: sqlite3.Connection, statements: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._written = True

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA page_size = 16384")  # of a new file: five records of a picture to a page
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _signature(messages: list[Message]) -> tuple[int, str, str]:
    """Changes whenever a message is sent to the queue or deleted from it: new ones are appended at the end."""
    return (len(messages), messages[0]["id"], messages[-1]["id"]) if messages else (0, "", "")
