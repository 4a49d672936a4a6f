"""Bulk requests: each document has a result of its own, whatever becomes of the others."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from opensearchpy.exceptions import RequestError

from chalicelib.adapters.opensearch.bulk import BULK_ATTEMPTS, Outcome, Write, bulk_write
from chalicelib.adapters.opensearch.client import FIRST_RETRY_DELAY_SECONDS, OpenSearchClient
from chalicelib.adapters.opensearch.documents import bulk_lines
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.domain.errors import StoreUnavailable

OK = {"status": 201}
CONFLICT = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "newer"}}
BUSY = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "queue full"}}
GONE = {"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such alias"}}
BAD = {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no vector"}}
BLOCKED = {"status": 403, "error": {"type": "cluster_block_exception", "reason": "read-only"}}

# A request with this document is rejected as a whole.
POISON = "poison"


class Transport:
    """Responds to bulk requests with the results set for each document, in the order of the requests that have it."""

    def __init__(self, **results: list[dict[str, Any]]) -> None:
        self.results = results
        self.requests: list[list[str]] = []
        self.pauses: list[float] = []

    def perform_request(self, method: str, path: str, *, params: object, body: str) -> Any:
        assert (method, path) == ("POST", "/_bulk")
        uuids = [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        self.requests.append(uuids)
        if POISON in uuids:
            error = {"type": "action_request_validation_exception", "reason": "id is too long"}
            raise RequestError(400, error["type"], {"error": error})
        return {"items": [{"index": self.results[uuid].pop(0) if uuid in self.results else OK} for uuid in uuids]}

    @property
    def client(self) -> OpenSearchClient:
        return OpenSearchClient(SimpleNamespace(transport=self), sleep=self.pauses.append)  # type: ignore[arg-type]


INDEX = Index("index", "lite-1+d1", 4, layout=3, has_read_alias=True, has_write_alias=True, has_fill_alias=False)


def write_all(transport: Transport, *uuids: str) -> Outcome:
    return bulk_write(transport.client, [Write(INDEX, uuid, 1, "{}") for uuid in uuids], bulk_lines, {})


def test_only_documents_rejected_as_too_many_are_sent_again_after_growing_pauses():
    transport = Transport(b=[BUSY, BUSY, OK], d=[BUSY, OK])
    outcome = write_all(transport, "a", "b", "c", "d")
    assert transport.requests == [["a", "b", "c", "d"], ["b", "d"], ["b"]]
    assert len(transport.pauses) == 2
    assert 0 < transport.pauses[0] <= FIRST_RETRY_DELAY_SECONDS
    assert 0 < transport.pauses[1] <= 2 * FIRST_RETRY_DELAY_SECONDS
    assert (outcome.stale, outcome.rejected) == ([], [])


def test_the_longest_pause_doubles_with_each_attempt():
    longest = [0.0] * (BULK_ATTEMPTS - 1)
    for _ in range(300):
        transport = Transport(b=[BUSY] * BULK_ATTEMPTS)
        with pytest.raises(StoreUnavailable):
            write_all(transport, "b")
        longest = [max(pair) for pair in zip(longest, transport.pauses, strict=True)]
    limits = [FIRST_RETRY_DELAY_SECONDS * 2**attempt for attempt in range(BULK_ATTEMPTS - 1)]
    assert longest == pytest.approx(limits, rel=0.2)


def test_documents_rejected_as_too_many_at_each_attempt_make_the_store_unavailable():
    transport = Transport(b=[BUSY] * BULK_ATTEMPTS)
    with pytest.raises(StoreUnavailable):
        write_all(transport, "a", "b")
    assert len(transport.requests) == BULK_ATTEMPTS


def test_a_higher_version_in_the_index_is_no_error():
    outcome = write_all(Transport(a=[CONFLICT]), "a", "b")
    assert (outcome.stale, outcome.rejected) == ([], [])
    assert [write.uuid for write in outcome.superseded] == ["a"]
    assert [write.uuid for write in outcome.written] == ["a", "b"]


def test_a_bad_document_is_named_and_the_others_are_written():
    outcome = write_all(Transport(b=[BAD]), "a", "b", "c")
    assert outcome.rejected == ["b: mapper_parsing_exception: no vector"]
    assert [write.uuid for write in outcome.written] == ["a", "c"]


def test_a_document_for_which_the_whole_request_is_rejected_is_named_and_the_others_are_written():
    transport = Transport()
    outcome = write_all(transport, "a", "b", POISON, "c", "d")
    assert outcome.rejected == [f"{POISON}: action_request_validation_exception: id is too long"]
    accepted = [uuid for request in transport.requests if POISON not in request for uuid in request]
    assert accepted == ["a", "b", "c", "d"]


def test_a_write_to_an_index_that_takes_no_more_is_stale():
    outcome = write_all(Transport(a=[GONE]), "a", "b")
    assert [write.uuid for write in outcome.stale] == ["a"]


def test_an_index_that_refuses_writes_makes_the_store_unavailable():
    with pytest.raises(StoreUnavailable):
        write_all(Transport(a=[BLOCKED]), "a", "b")


def test_many_large_documents_are_sent_in_several_requests():
    transport = Transport()
    large = [Write(INDEX, str(number), 1, json.dumps("x" * 1_500_000)) for number in range(5)]
    bulk_write(transport.client, large, bulk_lines, {})
    assert transport.requests == [["0", "1"], ["2", "3"], ["4"]]
