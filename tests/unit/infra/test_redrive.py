"""Dead letters go back to their queue as they were sent."""

import argparse
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE, Queue
from infra.admin.redrive import redrive
from tests.fakes.modelled import ModelledClient


class SQS:
    """Queues by their URLs: a message is there until it is deleted, and received once."""

    def __init__(self) -> None:
        self.sent: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.received: set[str] = set()

    def send_message(self, **message: Any) -> None:
        self.sent[message.pop("QueueUrl")].append(message)

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        url = asked["QueueUrl"]
        if url in self.received:
            return {}
        self.received.add(url)
        letters = []
        for number, message in enumerate(self.sent[url]):
            known = {name: message[name] for name in asked["MessageSystemAttributeNames"] if name in message}
            letter = {"MessageId": f"{url}-{number}", "ReceiptHandle": "handle", "Body": message["MessageBody"]}
            letters.append(letter | ({"Attributes": known} if known else {}))
        return {"Messages": letters}

    def delete_message(self, **asked: Any) -> None:
        self.sent[asked["QueueUrl"]].pop()


@pytest.mark.parametrize("group", [{"MessageGroupId": "an account"}, {}], ids=["of an account", "of S3"])
def test_a_letter_goes_back_with_its_account_and_the_mark_of_a_redriven_one(group: dict[str, str]) -> None:
    sqs = SQS()
    sqs.send_message(QueueUrl="dead changes", MessageBody="a body", **group)
    deployment: Any = SimpleNamespace(
        client=lambda service: ModelledClient(service, sqs),
        queue_url=str,
        dead_letters_url=lambda queue: f"dead {queue}",
        services=SimpleNamespace(adapters=SimpleNamespace(failure_log=SimpleNamespace(reason=lambda _: None))),
    )
    redrive(deployment, argparse.Namespace(queue=Queue.CHANGES, dry_run=False))
    (message,) = sqs.sent["changes"]
    assert message.pop("MessageAttributes").keys() == {REDRIVEN_ATTRIBUTE}
    assert message == {"MessageBody": "a body", **group}
    assert sqs.sent["dead changes"] == []
