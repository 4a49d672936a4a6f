"""The tables of what filters compare: written with the documents, in one transaction."""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.sqlite.filters import condition
from chalicelib.domain.filters import metadata_terms
from chalicelib.domain.name_words import file_words
from chalicelib.domain.vectors import SearchOptions, VectorDocument

# Only of the write that the store has kept: of two writes in one batch, the document with the higher version.
_IS_KEPT = "SELECT 1 FROM documents WHERE uuid = :uuid AND version = :version AND seq = :seq AND vector IS NOT NULL"
_PUT = """INSERT INTO facts (uuid, account, collection, path, format, orientation, size, width, height, modified, taken)
    VALUES (:uuid, :account, :collection, :path, :format, :orientation, :size, :width, :height, :modified, :taken)
    ON CONFLICT (uuid) DO UPDATE SET account = excluded.account, collection = excluded.collection,
    path = excluded.path, format = excluded.format, orientation = excluded.orientation, size = excluded.size,
    width = excluded.width, height = excluded.height, modified = excluded.modified, taken = excluded.taken
    RETURNING number"""


def put(connection: sqlite3.Connection, documents: Sequence[VectorDocument], seq: int) -> None:
    """Write the facts of those documents that were written with this number and are kept."""
    for document in documents:
        kept = {"uuid": document.uuid, "version": document.version, "seq": seq}
        if connection.execute(_IS_KEPT, kept).fetchone() is None:
            continue
        facts = document.file.facts
        values = {
            "uuid": document.uuid,
            "account": document.account,
            "collection": document.collection,
            "path": facts.path,
            "format": facts.format,
            "orientation": facts.orientation.value,
            "size": facts.size,
            "width": facts.width,
            "height": facts.height,
            "modified": facts.modified,
            "taken": facts.taken,
        }
        (number,) = connection.execute(_PUT, values).fetchone()
        folder, _, name = facts.path.rpartition("/")
        connection.execute("DELETE FROM words WHERE rowid = ?", (number,))
        connection.execute(
            "INSERT INTO words (rowid, name, folder) VALUES (?, ?, ?)",
            (number, " ".join(file_words(name)), " ".join(file_words(folder))),
        )
        connection.execute("DELETE FROM metadata WHERE number = ?", (number,))
        connection.executemany(
            "INSERT INTO metadata (term, number) VALUES (?, ?)",
            ((term, number) for term in metadata_terms(facts.metadata)),
        )


def passing(connection: sqlite3.Connection, account: str, options: SearchOptions) -> NDArray[np.int64]:
    """Returns the numbers of the account's facts that are in the collections and pass the filter, in no order."""
    sql, values = condition(account, options.collections, options.filter)
    # One text of all numbers: a row of Python's for each would take several times as long.
    (numbers,) = connection.execute(f"SELECT group_concat(number) FROM facts WHERE {sql}", values).fetchone()  # noqa: S608
    return np.fromstring(numbers or "", np.int64, sep=",")


def remove_buried(connection: sqlite3.Connection, uuids: Sequence[str]) -> None:
    """Delete the facts of those documents that are tombstones now."""
    connection.executemany(
        """DELETE FROM facts WHERE uuid = ?1
        AND EXISTS (SELECT 1 FROM documents WHERE uuid = ?1 AND vector IS NULL)""",
        ((uuid,) for uuid in uuids),
    )


def remove_collection(connection: sqlite3.Connection, account: str, collection: str) -> None:
    connection.execute("DELETE FROM facts WHERE account = ? AND collection = ?", (account, collection))
