"""Writing many documents at once: each has an outcome of its own, whatever becomes of its neighbours."""

import json
from typing import Any

import pytest

from chalicelib.adapters.opensearch.bulk import BULK_ATTEMPTS, Outcome, Write, write
from chalicelib.adapters.opensearch.client import RequestRejected
from chalicelib.adapters.opensearch.documents import lines
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.domain.errors import StoreUnavailable

OK = {"status": 201}
CONFLICT = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "newer"}}
BUSY = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "queue full"}}
GONE = {"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such alias"}}
BAD = {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no vector"}}
BLOCKED = {"status": 403, "error": {"type": "cluster_block_exception", "reason": "read-only"}}


class Calls:
    """Answers bulk requests from what it is told of each document, in the order of the requests that hold it."""

    def __init__(self, **outcomes: list[dict[str, Any]]) -> None:
        self.outcomes = outcomes
        self.requests: list[list[str]] = []
        self.pauses: list[int] = []

    def ask(self, method: str, path: str, body: str, params: object, **_: object) -> Any:
        assert (method, path) == ("POST", "/_bulk")
        uuids = [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        self.requests.append(uuids)
        if "whole" in uuids and len(uuids) >= 1:
            raise RequestRejected(400, "action_request_validation_exception", "id is too long")
        return {"items": [{"index": self.outcomes[uuid].pop(0) if uuid in self.outcomes else OK} for uuid in uuids]}

    def pause(self, attempt: int) -> None:
        self.pauses.append(attempt)


INDEX = Index("index", "lite-1+d1", 4, reading=True, writing=True, filling=False)


def writes(*uuids: str) -> list[Write]:
    return [Write(INDEX, uuid, 1, "{}") for uuid in uuids]


def written(calls: Calls, *uuids: str) -> Outcome:
    return write(calls, writes(*uuids), lines, {})  # type: ignore[arg-type]


def test_only_what_was_refused_as_too_much_is_sent_again_after_growing_pauses():
    calls = Calls(b=[BUSY, BUSY, OK], d=[BUSY, OK])
    outcome = written(calls, "a", "b", "c", "d")
    assert calls.requests == [["a", "b", "c", "d"], ["b", "d"], ["b"]]
    assert calls.pauses == [0, 1]
    assert (outcome.stale, outcome.refused) == ([], [])


def test_what_stays_too_much_is_given_up_and_comes_back_with_its_message():
    calls = Calls(b=[BUSY] * BULK_ATTEMPTS)
    with pytest.raises(StoreUnavailable):
        written(calls, "a", "b")
    assert len(calls.requests) == BULK_ATTEMPTS


def test_a_newer_version_that_is_there_is_no_error():
    outcome = written(Calls(a=[CONFLICT]), "a", "b")
    assert (outcome.stale, outcome.refused) == ([], [])


def test_a_bad_document_is_named_and_its_neighbours_are_written():
    outcome = written(Calls(b=[BAD]), "a", "b", "c")
    assert outcome.refused == ["b: mapper_parsing_exception: no vector"]


def test_a_document_for_which_the_whole_request_is_refused_is_found_and_its_neighbours_are_written():
    calls = Calls()
    outcome = written(calls, "a", "b", "whole", "c", "d")
    assert outcome.refused == ["whole: action_request_validation_exception: id is too long"]
    others = [uuid for request in calls.requests if "whole" not in request for uuid in request]
    assert others == ["a", "b", "c", "d"]


def test_a_target_that_takes_no_more_writes_is_told_of():
    outcome = written(Calls(a=[GONE]), "a", "b")
    assert [each.uuid for each in outcome.stale] == ["a"]


def test_an_index_that_refuses_writes_makes_the_store_unavailable():
    with pytest.raises(StoreUnavailable):
        written(Calls(a=[BLOCKED]), "a", "b")


def test_requests_stay_small():
    calls = Calls()
    large = [Write(INDEX, str(n), 1, json.dumps("x" * 1_500_000)) for n in range(5)]
    write(calls, large, lines, {})  # type: ignore[arg-type]
    assert calls.requests == [["0", "1"], ["2", "3"], ["4"]]
