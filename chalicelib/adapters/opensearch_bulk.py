"""Writing many documents at once, each with an outcome of its own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters.opensearch_client import BUSY, UNAVAILABLE, OpenSearchCalls, Refused
from chalicelib.domain.errors import StoreUnavailable

BYTES = 4_000_000  # of a request; OpenSearch's own advice is 3 to 5 MB
TRIES = 6
SECONDS = 60.0  # a write that is awaited takes a refresh, and merging may hold it up


@dataclass(frozen=True, slots=True)
class Write:
    """One document for one index; ``source`` is its JSON."""

    target: str
    uuid: str
    version: int
    source: str

    @property
    def lines(self) -> str:
        where = {"_index": self.target, "_id": self.uuid, "version": self.version, "version_type": "external_gte"}
        return f'{{"index":{json.dumps(where)}}}\n{self.source}\n'


class DocumentsRefused(ValueError):
    """Documents that OpenSearch will never take; their neighbours were written."""


@dataclass(slots=True)
class Outcome:
    """``stale`` are writes whose index is no longer one that takes writes."""

    stale: list[Write]
    refused: list[str]


def write(calls: OpenSearchCalls, writes: Sequence[Write], *, wait: bool) -> Outcome:
    """Write documents; a lower version than the stored one loses silently.

    Args:
        wait: until searches see them.

    Raises:
        StoreUnavailable: OpenSearch is away, or some were still refused as too many after all tries. The others are
            written, and may be written again.
    """
    outcome = Outcome([], [])
    params = {"require_alias": "true", "filter_path": "items.*.status,items.*.error"}
    params |= {"refresh": "wait_for"} if wait else {}
    chunks = list(_chunks(writes))
    while chunks:
        chunk = chunks.pop(0)
        try:
            _write_chunk(calls, chunk, params, outcome)
        except Refused as error:
            if error.status not in (400, 413):
                raise
            # Of some mistakes, and of too much at once, OpenSearch refuses the request as a whole: halves tell whose.
            if len(chunk) == 1:
                outcome.refused.append(f"{chunk[0].uuid}: {error.kind}: {error.reason}")
            else:
                middle = len(chunk) // 2
                chunks[:0] = [chunk[:middle], chunk[middle:]]
    return outcome


def _write_chunk(calls: OpenSearchCalls, writes: Sequence[Write], params: Mapping[str, str], outcome: Outcome) -> None:
    for attempt in range(TRIES):
        body = "".join(each.lines for each in writes)
        answer = calls.ask("POST", "/_bulk", body, params, seconds=SECONDS)
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
            continue
        if status == 404:
            outcome.stale.append(each)
        elif status in BUSY:
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
        if size > BYTES and place > start:
            yield writes[start:place]
            start, size = place, len(each.source)
    if start < len(writes):
        yield writes[start:]
