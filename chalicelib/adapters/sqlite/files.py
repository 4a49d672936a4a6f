"""Files found by their facts and their names, in SQL."""

import json
import sqlite3

from chalicelib.adapters.sqlite.filters import Condition, condition
from chalicelib.domain.file_queries import MIN_PREFIX, NAME_SCORES, FileQuery, FoundFile, Order
from chalicelib.domain.vectors import FileSummary


def find(connection: sqlite3.Connection, query: FileQuery) -> list[FoundFile]:
    """Returns the page of a query."""
    passing = condition(query.account, query.collections, query.filter)
    source, value = "facts", Condition(query.order.value, ())
    if query.order is Order.MATCH:
        source, value = "facts JOIN words ON words.rowid = facts.number", _score(query.words)
        matching = _matching(query.words)
        passing = Condition(f"{passing.sql} AND {matching.sql}", passing.values + matching.values)
    behind = _behind(query)
    direction = "DESC" if query.descending else "ASC"
    sql = f"""WITH found AS (SELECT uuid AS found_uuid, {value.sql} AS value FROM {source} WHERE {passing.sql})
        SELECT found_uuid, value, file FROM found JOIN documents ON uuid = found_uuid AND model = ?
        WHERE {behind.sql} ORDER BY value IS NULL, value {direction}, found_uuid LIMIT ?"""  # noqa: S608
    values = (*value.values, *passing.values, query.model, *behind.values, query.limit)
    return [
        FoundFile(uuid, FileSummary.from_json(json.loads(file)), (value, uuid))
        for uuid, value, file in connection.execute(sql, values)
    ]


def _behind(query: FileQuery) -> Condition:
    """What is behind the previous page."""
    conditions = ["value > 0"] if query.order is Order.MATCH else []
    if query.after is None:
        return Condition(" AND ".join(conditions) or "1", ())
    value, uuid = query.after
    if value is None:
        return Condition("value IS NULL AND found_uuid > ?", (uuid,))
    comparison = "<" if query.descending else ">"
    conditions.append(f"(value {comparison} ? OR (value = ? AND found_uuid > ?) OR value IS NULL)")
    return Condition(" AND ".join(conditions), (value, value, uuid))


def _matching(words: tuple[str, ...]) -> Condition:
    """Narrows the files down by the index of words; ``_score`` decides."""
    wanted = " ".join(f'"{word}"{"*" if len(word) >= MIN_PREFIX else ""}' for word in words)
    return Condition("number IN (SELECT rowid FROM words WHERE words MATCH ?)", (wanted,))


def _score(words: tuple[str, ...]) -> Condition:
    """As ``file_queries.name_score``: 0 if one of the words has no score."""
    scores = [_word_score(word) for word in words]
    product, total = (operator.join(f"({score.sql})" for score in scores) for operator in (" * ", " + "))
    values = tuple(value for score in scores for value in score.values)
    return Condition(f"CASE WHEN {product} = 0 THEN 0 ELSE {total} END", values + values)


def _word_score(word: str) -> Condition:
    in_name, in_folder, begins_name, begins_folder = NAME_SCORES
    cases = [("name", f" {word} ", in_name), ("folder", f" {word} ", in_folder)]
    if len(word) >= MIN_PREFIX:
        cases += [("name", f" {word}", begins_name), ("folder", f" {word}", begins_folder)]
    sql = " ".join(f"WHEN instr(' ' || {column} || ' ', ?) THEN {score}" for column, _, score in cases)
    return Condition(f"CASE {sql} ELSE 0 END", tuple(text for _, text, _ in cases))
