"""A message is done, or it comes back: batches of which one fails, and what the log and the metrics tell of them."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib import workers
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE, IndexBatch, ObjectHint, ReceivedMessage
from chalicelib.domain.syncs import Tally


@dataclass
class IndexerStub:
    """Applies every batch but those of a collection that is out of order."""

    applied: list[tuple[str, bool]] = field(default_factory=list)

    def apply(self, batch: IndexBatch, *, again: bool) -> Tally:
        if batch.collection == "out of order":
            raise StoreUnavailable("The search index cannot be used now.")
        self.applied.append((batch.collection, again))
        return Tally(done=2, failed=1)


@dataclass
class SyncWorkerStub:
    closed: list[str] = field(default_factory=list)
    kept_alive: list[str] = field(default_factory=list)

    def complete_batch(self, batch: IndexBatch, tally: Tally) -> None:
        self.closed.append(batch.collection)

    def renew_lease(self, batch: IndexBatch) -> None:
        self.kept_alive.append(batch.collection)


@dataclass
class RetriesStub:
    told: list[tuple[ReceivedMessage, Exception]] = field(default_factory=list)

    def handle_failure(self, delivery: ReceivedMessage, error: Exception) -> None:
        self.told.append((delivery, error))


@dataclass
class Services:
    indexer: IndexerStub = field(default_factory=IndexerStub)
    sync_worker: SyncWorkerStub = field(default_factory=SyncWorkerStub)
    retries: RetriesStub = field(default_factory=RetriesStub)


def event(*collections: str, times: int = 1) -> dict[str, Any]:
    """What SQS hands to a function: a message for each collection, each with an id of its own."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": IndexBatch("account", collection, (ObjectHint("a.jpg"),)).to_json(),
                "attributes": {"ApproximateReceiveCount": str(times)},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:similarix-index",
                "awsRegion": "eu-west-1",
            }
            for number, collection in enumerate(collections)
        ]
    }


def index(services: Services, *collections: str, times: int = 1) -> dict[str, Any]:
    return workers.index(event(*collections, times=times), None, services)  # type: ignore[arg-type]


def told(output: str) -> dict[str, float]:
    """The metrics in what a function wrote, in CloudWatch's embedded format."""
    (line,) = [line for line in output.splitlines() if "CloudWatchMetrics" in line]
    body = json.loads(line)
    names = [metric["Name"] for metric in body["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return {name: sum(body[name]) for name in names}


def test_a_message_that_fails_comes_back_and_its_neighbours_do_not() -> None:
    services = Services()
    answer = index(services, "one", "out of order", "two")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert services.sync_worker.closed == ["one", "two"]


def test_the_reason_of_a_failure_goes_where_the_next_delivery_is_decided() -> None:
    services = Services()
    index(services, "out of order", times=3)
    ((delivery, error),) = services.retries.told
    assert (delivery.id, delivery.queue, delivery.received) == ("message-0", "similarix-index", 3)
    assert isinstance(error, StoreUnavailable)


def test_a_batch_whose_messages_all_fail_is_answered_not_raised() -> None:
    assert len(index(Services(), "out of order", "out of order")["batchItemFailures"]) == 2


def test_a_message_that_was_handed_out_before_is_applied_with_more_care() -> None:
    services = Services()
    index(services, "one")
    index(services, "two", times=2)
    assert services.indexer.applied == [("one", False), ("two", True)]
    assert services.sync_worker.kept_alive == ["two"]


def test_a_message_that_is_sent_back_from_the_dead_letters_was_handed_out_before() -> None:
    services, sent_back = Services(), event("one")
    sent_back["Records"][0]["messageAttributes"] = {REDRIVEN_ATTRIBUTE: {"dataType": "String", "stringValue": "yes"}}
    workers.index(sent_back, None, services)  # type: ignore[arg-type]
    assert services.indexer.applied == [("one", True)]


def test_what_became_of_the_files_is_counted_once_for_the_whole_delivery(capsys: pytest.CaptureFixture[str]) -> None:
    index(Services(), "one", "two", "out of order")
    assert told(capsys.readouterr().out) == {"FilesDone": 4.0, "FilesFailed": 2.0, "MessagesFailed": 1.0}


def test_a_message_that_is_none_of_ours_comes_back() -> None:
    broken = event("one")
    broken["Records"][0]["body"] = "nonsense"
    answer = workers.index(broken, None, Services())  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
