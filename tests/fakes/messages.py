"""Messages on their way, in memory: from being sent until a worker is done with them."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.queues import FakeQueues


@dataclass
class Message:
    queue: str
    body: str
    id: str
    received: int = 0

    def hand_out(self) -> dict[str, Any]:
        """What Lambda calls a worker with when SQS hands this message out, once more."""
        self.received += 1
        record = {
            "messageId": self.id,
            "receiptHandle": f"handle-{self.id}-{self.received}",
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.received)},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:similarix-{self.queue}",
            "awsRegion": "eu-west-1",
        }
        return {"Records": [record]}


class InMemorySQS:
    """What a test may look at, and reorder, double or lose: ``waiting``, the messages that nobody is done with."""

    def __init__(self, queues: FakeQueues) -> None:
        self.waiting: list[Message] = []
        self._queues = queues
        self._numbers = 0

    def collect(self) -> None:
        """Take over what has been sent to the queues' fake since."""
        for step, _ in self._queues.steps:
            self.send("sync", step.to_json())
        for batch in self._queues.batches:
            self.send("index", batch.to_json())
        for deletion, _ in self._queues.deletions:
            self.send("deletions", deletion.to_json())
        for upload, _ in self._queues.uploads:
            self.send("uploads", upload.to_json())
        for sent in (self._queues.steps, self._queues.batches, self._queues.deletions, self._queues.uploads):
            sent.clear()

    def send(self, queue: str, body: str) -> None:
        self._numbers += 1
        self.waiting.append(Message(queue, body, f"m{self._numbers}"))


class Context:
    """A function's time: enough for so many looks at the clock, then none."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"

    def __init__(self, late_after: int = 1_000) -> None:
        self._looks = late_after

    def get_remaining_time_in_millis(self) -> int:
        self._looks -= 1
        return 100_000 if self._looks >= 0 else 0
