"""Bulk requests: many documents at once, each with a result of its own."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.adapters.opensearch.client import RETRYABLE_STATUSES, UNAVAILABLE, OpenSearchClient
from chalicelib.adapters.opensearch.errors import RequestRejected
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.adapters.opensearch.queries import Revision
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
        written_at: in microseconds; orders writes of one version where OpenSearch assigns the ids.
        id: the document's, once OpenSearch has assigned it.
    """

    index: Index
    uuid: str
    version: int
    source: str
    removal: bool = False
    written_at: int = 0
    id: str = ""

    @property
    def revision(self) -> Revision:
        return Revision(self.version, self.written_at)


# Returns a write's lines in the body of a request; always the same ones, because a request may be sent again.
BulkLines = Callable[[Write], str]


@dataclass(slots=True)
class Outcome:
    """The results of writes.

    Args:
        written: including those that were superseded.
        superseded: those for which the index already has a higher version.
        stale: those whose index takes no more writes.
        rejected: a sentence for each document that OpenSearch will never accept.
    """

    written: list[Write] = field(default_factory=list)
    superseded: list[Write] = field(default_factory=list)
    stale: list[Write] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


def bulk_write(
    client: OpenSearchClient, writes: Sequence[Write], lines: BulkLines, params: Mapping[str, str]
) -> Outcome:
    """Write documents. A write for which the index already has a higher version is no error.

    Raises:
        StoreUnavailable: OpenSearch cannot be reached, or rejected some as too many at each attempt. The others are
            written, and may be written again.
    """
    outcome = Outcome()
    chunks = list(_chunks(writes))
    while chunks:
        chunk = chunks.pop(0)
        try:
            _write_chunk(client, chunk, lines, params, outcome)
        except RequestRejected as error:
            if error.status not in (400, 413):
                raise
            # For some mistakes, and for too large a body, OpenSearch rejects the whole request: halves find the
            # document at fault.
            if len(chunk) == 1:
                outcome.rejected.append(f"{chunk[0].uuid}: {error.kind}: {error.reason}")
            else:
                middle = len(chunk) // 2
                chunks[:0] = [chunk[:middle], chunk[middle:]]
    return outcome


def bulk_delete(client: OpenSearchClient, index: str, ids: Sequence[str]) -> int:
    """Delete documents by the ids that OpenSearch has assigned; returns how many there were."""
    deleted = 0
    for start in range(0, len(ids), MAX_BULK_DELETES):
        chunk = ids[start : start + MAX_BULK_DELETES]
        lines = [json.dumps({"delete": {"_index": index, "_id": document_id}}) for document_id in chunk]
        response = client.request("POST", "/_bulk", "\n".join(lines) + "\n", timeout=BULK_TIMEOUT_SECONDS)
        deleted += sum(item["delete"]["status"] == 200 for item in response["items"])
    return deleted


def _write_chunk(
    client: OpenSearchClient, writes: Sequence[Write], lines: BulkLines, params: Mapping[str, str], outcome: Outcome
) -> None:
    for _ in client.attempts(BULK_ATTEMPTS):
        body = "".join(map(lines, writes))
        response = client.request("POST", "/_bulk", body, params, timeout=BULK_TIMEOUT_SECONDS)
        writes = _sort(writes, response, outcome)
        if not writes:
            return
    raise StoreUnavailable(UNAVAILABLE)


def _sort(writes: Sequence[Write], response: Any, outcome: Outcome) -> list[Write]:
    """Sort each write by its result; returns those to try again."""
    to_retry = []
    for write, item in zip(writes, response["items"], strict=True):
        result = item["index"]
        status, error = result["status"], result.get("error", {})
        if status < 300 or status == 409:  # a conflict: the index has a higher version
            outcome.written.append(replace(write, id=result.get("_id", "")))
            if status == 409:
                outcome.superseded.append(write)
        elif status == 404:
            outcome.stale.append(write)
        elif status in RETRYABLE_STATUSES:
            to_retry.append(write)
        elif status == 403:  # the index takes no writes, as when its disk is full
            raise StoreUnavailable(UNAVAILABLE) from RuntimeError(str(error))
        elif "require_alias" in str(error.get("reason")):
            outcome.stale.append(write)
        else:
            outcome.rejected.append(f"{write.uuid}: {error.get('type')}: {error.get('reason')}")
    return to_retry


def _chunks(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    start, size = 0, 0
    for position, write in enumerate(writes):
        size += len(write.source)
        if size > MAX_BULK_BYTES and position > start:
            yield writes[start:position]
            start, size = position, len(write.source)
    if start < len(writes):
        yield writes[start:]
