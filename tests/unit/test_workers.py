"""The handlers: a message is handled or redelivered, its failure is logged, and its outcomes become metrics."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib import workers
from chalicelib.adapters.call_log import CallLog
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE, IndexBatch, ObjectHint, ReceivedMessage
from chalicelib.domain.syncs import Tally
from chalicelib.services.pipeline.index_worker import IndexWorker
from infra.template.alarms import METRICS

FAULTY = "a faulty collection"
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


@dataclass
class IndexerStub:
    """Applies every batch but those of the faulty collection."""

    applied: list[tuple[str, bool]] = field(default_factory=list)

    def apply(self, batch: IndexBatch, *, redelivered: bool) -> Tally:
        if batch.collection == FAULTY:
            raise StoreUnavailable("The search index cannot be used now.")
        self.applied.append((batch.collection, redelivered))
        return Tally(done=2, failed=1)


@dataclass
class SyncWorkerStub:
    completed: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)

    def complete_batch(self, batch: IndexBatch, tally: Tally, *, redelivered: bool) -> None:
        self.completed.append(batch.collection)

    def renew_lease(self, batch: IndexBatch) -> None:
        self.renewed.append(batch.collection)


@dataclass
class RetriesStub:
    failures: list[tuple[ReceivedMessage, Exception]] = field(default_factory=list)

    def handle_failure(self, message: ReceivedMessage, error: Exception) -> None:
        self.failures.append((message, error))


@dataclass
class Services:
    indexer: IndexerStub = field(default_factory=IndexerStub)
    sync_worker: SyncWorkerStub = field(default_factory=SyncWorkerStub)
    retries: RetriesStub = field(default_factory=RetriesStub)
    calls: CallLog = field(default_factory=CallLog)

    def now(self) -> datetime:
        return NOW

    @property
    def index_worker(self) -> IndexWorker:
        return IndexWorker(self.indexer, self.sync_worker)  # type: ignore[arg-type]


def event(*collections: str, received: int = 1, sent: float = 0) -> dict[str, Any]:
    """The event of a delivery: a message for each collection, each with an id of its own.

    Args:
        sent: seconds ago, the last message; each message before it was sent a second earlier.
    """
    first = NOW.timestamp() - sent - len(collections) + 1
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": IndexBatch("account", collection, (ObjectHint("a.jpg"),)).to_json(),
                "attributes": {
                    "ApproximateReceiveCount": str(received),
                    "SentTimestamp": str(round((first + number) * 1000)),
                },
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:similarix-index",
                "awsRegion": "eu-west-1",
            }
            for number, collection in enumerate(collections)
        ]
    }


def index(services: Services, *collections: str, received: int = 1) -> dict[str, Any]:
    return workers.index(event(*collections, received=received), None, services)  # type: ignore[arg-type]


def metric_line(output: str) -> dict[str, Any]:
    """The line of a function's output that is in CloudWatch's embedded metric format."""
    (line,) = [line for line in output.splitlines() if "CloudWatchMetrics" in line]
    body: dict[str, Any] = json.loads(line)
    return body


def metrics_in(output: str) -> dict[str, float]:
    """The metrics in a function's output, by name."""
    body = metric_line(output)
    names = [metric["Name"] for metric in body["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return {name: sum(body[name]) for name in names}


def test_a_failed_message_is_redelivered_and_the_others_of_its_delivery_are_not() -> None:
    services = Services()
    response = index(services, "one", FAULTY, "two")
    assert response == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert services.sync_worker.completed == ["one", "two"]


def test_a_failure_is_passed_to_the_retry_policy_with_its_message() -> None:
    services = Services()
    index(services, FAULTY, received=3)
    ((message, error),) = services.retries.failures
    assert (message.id, message.queue, message.received) == ("message-0", "similarix-index", 3)
    assert isinstance(error, StoreUnavailable)


def test_a_delivery_whose_messages_all_fail_returns_them_and_raises_nothing() -> None:
    assert len(index(Services(), FAULTY, FAULTY)["batchItemFailures"]) == 2


def test_a_redelivered_message_is_applied_as_such_and_renews_the_lease_of_its_sync() -> None:
    services = Services()
    index(services, "one")
    index(services, "two", received=2)
    assert services.indexer.applied == [("one", False), ("two", True)]
    assert services.sync_worker.renewed == ["two"]


def test_a_message_from_the_dead_letter_queue_counts_as_redelivered() -> None:
    services, redriven = Services(), event("one")
    redriven["Records"][0]["messageAttributes"] = {REDRIVEN_ATTRIBUTE: {"dataType": "String", "stringValue": "yes"}}
    workers.index(redriven, None, services)  # type: ignore[arg-type]
    assert services.indexer.applied == [("one", True)]


def test_the_outcomes_of_a_whole_delivery_become_one_set_of_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    index(Services(), "one", "two", FAULTY)
    assert metrics_in(capsys.readouterr().out) == {
        "FilesDone": 4.0,
        "FilesFailed": 2.0,
        "MessagesFailed": 1.0,
        "MessagesFailing": 0.0,
        "OldestMessageSeconds": 2.0,
    }


def test_metrics_name_the_queue_so_that_stacks_of_one_account_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    index(Services(), "one")
    body = metric_line(capsys.readouterr().out)
    assert body["_aws"]["CloudWatchMetrics"][0]["Namespace"] == METRICS
    assert body["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["queue", "service"]]
    assert (body["service"], body["queue"]) == ("similarix", "similarix-index")


@pytest.mark.parametrize(("received", "failing"), [(1, 0), (2, 0), (3, 1), (8, 1)])
def test_a_message_that_fails_for_the_third_time_counts_as_failing(
    received: int, failing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    workers.index(event(FAULTY, "one", received=received), None, Services())  # type: ignore[arg-type]
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["MessagesFailed"], counted["MessagesFailing"]) == (1, failing)


def test_the_age_of_the_oldest_message_counts_from_when_it_was_sent_however_often_it_was_received(
    capsys: pytest.CaptureFixture[str],
) -> None:
    workers.index(event("one", FAULTY, received=7, sent=3000), None, Services())  # type: ignore[arg-type]
    assert metrics_in(capsys.readouterr().out)["OldestMessageSeconds"] == 3001


def test_a_malformed_message_is_redelivered() -> None:
    broken = event("one")
    broken["Records"][0]["body"] = "nonsense"
    response = workers.index(broken, None, Services())  # type: ignore[arg-type]
    assert response == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
