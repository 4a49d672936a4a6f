"""SQS in memory: messages from when they are sent until a worker has handled them."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.queues import FakeQueues


@dataclass
class Message:
    queue: str
    body: str
    id: str
    received: int = 0

    def receive(self) -> dict[str, Any]:
        """The event with which Lambda invokes a worker for the next delivery of this message."""
        self.received += 1
        record = {
            "messageId": self.id,
            "receiptHandle": f"handle-{self.id}-{self.received}",
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.received), "SentTimestamp": "0"},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:similarix-{self.queue}",
            "awsRegion": "eu-west-1",
        }
        return {"Records": [record]}


class InMemorySQS:
    """``waiting`` are the messages that no worker has handled yet; a test may reorder, duplicate or drop them."""

    def __init__(self, queues: FakeQueues) -> None:
        self.waiting: list[Message] = []
        self._queues = queues
        self._sent = 0

    def collect(self) -> None:
        """Move what was sent to the fake queues into ``waiting``."""
        for step, _ in self._queues.steps:
            self.send("sync", step.to_json())
        for batch in self._queues.batches:
            self.send("index", batch.to_json())
        for batch in self._queues.changes:
            self.send("changes", batch.to_json())
        for deletion, _ in self._queues.deletions:
            self.send("deletions", deletion.to_json())
        for purge, _ in self._queues.purges:
            self.send("purges", purge.to_json())
        for check, _ in self._queues.uploads:
            self.send("uploads", check.to_json())
        for work in self._queues.file_work:
            self.send("uploads", work.to_json())
        for duplicates_step in self._queues.duplicates:
            self.send("duplicates", duplicates_step.to_json())
        for event_or_step, _ in self._queues.webhooks:
            self.send("webhooks", event_or_step.to_json())
        sent = self._queues
        for queue in (sent.steps, sent.batches, sent.changes, sent.deletions, sent.purges, sent.uploads, sent.webhooks):
            queue.clear()
        sent.file_work.clear()
        sent.duplicates.clear()

    def send(self, queue: str, body: str) -> None:
        self._sent += 1
        self.waiting.append(Message(queue, body, f"m{self._sent}"))


class Context:
    """A Lambda context whose time is up after it was asked ``late_after`` times."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"

    def __init__(self, late_after: int = 1_000) -> None:
        self._calls_left = late_after

    def get_remaining_time_in_millis(self) -> int:
        self._calls_left -= 1
        return 180_000 if self._calls_left >= 0 else 0
