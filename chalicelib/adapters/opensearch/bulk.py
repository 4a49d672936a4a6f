"""Writing many documents at once, each with an outcome of its own."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.adapters.opensearch.client import RETRYABLE_STATUSES, UNAVAILABLE, OpenSearchCalls, RequestRejected
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.domain.errors import StoreUnavailable

MAX_BULK_BYTES = 4_000_000  # of a request; OpenSearch's own advice is 3 to 5 MB
MAX_BULK_DELETES = 1_000
BULK_ATTEMPTS = 6
BULK_TIMEOUT_SECONDS = 60.0  # a write that is awaited takes a refresh, and merging may hold it up


@dataclass(frozen=True, slots=True)
class Write:
    """One document for one index.

    Args:
        source: the document's JSON, an object that is not empty.
        removal: it is a tombstone.
        written: when, in microseconds; tells writes of one version apart where no id of ours does.
        id: the document's, once OpenSearch has given it one.
    """

    index: Index
    uuid: str
    version: int
    source: str
    removal: bool = False
    written: int = 0
    id: str = ""


# What a write is in the body of a request; the same whenever it is asked for, because a request may be sent again.
Lines = Callable[[Write], str]


class DocumentsRefused(ValueError):
    """Documents that OpenSearch will never take; their neighbours were written."""


@dataclass(slots=True)
class Outcome:
    """``outdone`` are those of the written that lost against a newer one; ``stale`` those whose index takes no more."""

    written: list[Write] = field(default_factory=list)
    outdone: list[Write] = field(default_factory=list)
    stale: list[Write] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def write(calls: OpenSearchCalls, writes: Sequence[Write], lines: Lines, params: Mapping[str, str]) -> Outcome:
    """Write documents; one that loses against a newer one that is there is no error.

    Raises:
        StoreUnavailable: OpenSearch is away, or some were still refused as too many after all tries. The others are
            written, and may be written again.
    """
    outcome = Outcome()
    chunks = list(_chunks(writes))
    while chunks:
        chunk = chunks.pop(0)
        try:
            _write_chunk(calls, chunk, lines, params, outcome)
        except RequestRejected as error:
            if error.status not in (400, 413):
                raise
            # Of some mistakes, and of too much at once, OpenSearch refuses the request as a whole: halves tell whose.
            if len(chunk) == 1:
                outcome.refused.append(f"{chunk[0].uuid}: {error.kind}: {error.reason}")
            else:
                middle = len(chunk) // 2
                chunks[:0] = [chunk[:middle], chunk[middle:]]
    return outcome


def _write_chunk(
    calls: OpenSearchCalls, writes: Sequence[Write], lines: Lines, params: Mapping[str, str], outcome: Outcome
) -> None:
    for attempt in range(BULK_ATTEMPTS):
        body = "".join(map(lines, writes))
        answer = calls.ask("POST", "/_bulk", body, params, seconds=BULK_TIMEOUT_SECONDS)
        writes = _sort(writes, answer, outcome)
        if not writes:
            return
        calls.pause(attempt)
    raise StoreUnavailable(UNAVAILABLE)


def _sort(writes: Sequence[Write], answer: Any, outcome: Outcome) -> list[Write]:
    """Sort each write by its own result; answers those to try again."""
    again = []
    for each, item in zip(writes, answer["items"], strict=True):
        result = item["index"]
        status, error = result["status"], result.get("error", {})
        if status < 300 or status == 409:  # a conflict: a newer version is there
            outcome.written.append(replace(each, id=result.get("_id", "")))
            if status == 409:
                outcome.outdone.append(each)
        elif status == 404:
            outcome.stale.append(each)
        elif status in RETRYABLE_STATUSES:
            again.append(each)
        elif status == 403:  # the index refuses writes, as it does when its disk is full
            raise StoreUnavailable(UNAVAILABLE) from RuntimeError(str(error))
        elif "require_alias" in str(error.get("reason")):
            outcome.stale.append(each)
        else:
            outcome.refused.append(f"{each.uuid}: {error.get('type')}: {error.get('reason')}")
    return again


def _chunks(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    start, size = 0, 0
    for place, each in enumerate(writes):
        size += len(each.source)
        if size > MAX_BULK_BYTES and place > start:
            yield writes[start:place]
            start, size = place, len(each.source)
    if start < len(writes):
        yield writes[start:]


def delete(calls: OpenSearchCalls, index: str, ids: Sequence[str]) -> int:
    """Delete documents by the ids that OpenSearch gave them; answers how many were there."""
    deleted = 0
    for first in range(0, len(ids), MAX_BULK_DELETES):
        lines = [
            json.dumps({"delete": {"_index": index, "_id": each}}) for each in ids[first : first + MAX_BULK_DELETES]
        ]
        answer = calls.ask("POST", "/_bulk", "\n".join(lines) + "\n", seconds=BULK_TIMEOUT_SECONDS)
        deleted += sum(item["delete"]["status"] == 200 for item in answer["items"])
    return deleted
