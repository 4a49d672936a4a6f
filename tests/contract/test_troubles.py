"""What every record of failed messages must hold: on the fake, and on the emulator's SQS with either DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.sqs_troubles import MEMORY, SQSTroubles
from chalicelib.services.ports import Delivery, Troubles
from tests.contract.tables import make_table
from tests.contract.things import NOW
from tests.fakes.troubles import FakeTroubles


@dataclass(frozen=True)
class World:
    """``deliver`` sends a message and hands it out; ``waits`` says whether it could be handed out again now."""

    troubles: Troubles
    deliver: Callable[[], Delivery]
    waits: Callable[[Delivery], bool]


class TroublesContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_a_reason_is_found_by_the_messages_identifier(self, world: World):
        one, other = world.deliver(), world.deliver()
        world.troubles.note(one, "StoreUnavailable: Das Verzeichnis antwortet nicht – \U0001f600", NOW)
        assert world.troubles.reason(one.id) == "StoreUnavailable: Das Verzeichnis antwortet nicht – \U0001f600"
        assert world.troubles.reason(other.id) is None
        assert world.troubles.reason(str(uuid4())) is None

    def test_the_last_reason_counts(self, world: World):
        delivery = world.deliver()
        world.troubles.note(delivery, "first", NOW)
        world.troubles.note(replace(delivery, received=2), "then", NOW + timedelta(minutes=1))
        assert world.troubles.reason(delivery.id) == "then"

    def test_a_reason_of_two_thousand_characters_is_kept_whole(self, world: World):
        delivery = world.deliver()
        world.troubles.note(delivery, "é" * 2000, NOW)
        assert world.troubles.reason(delivery.id) == "é" * 2000

    def test_a_message_is_handed_out_again_at_once_or_later_as_it_is_postponed(self, world: World):
        soon, late = world.deliver(), world.deliver()
        world.troubles.postpone(soon, 0)
        world.troubles.postpone(late, 900)
        assert world.waits(soon)
        assert not world.waits(late)


class TestTheFake(TroublesContract):
    @pytest.fixture
    def world(self) -> World:
        troubles = FakeTroubles()

        def waits(delivery: Delivery) -> bool:
            return any(seconds == 0 for postponed, seconds in troubles.postponed if postponed == delivery)

        return World(troubles, lambda: Delivery(str(uuid4()), "a-queue", "handle", 1), waits)


def on_sqs(sqs: Any, dynamodb: Any, table: str) -> World:
    name = f"contract-{uuid4().hex}"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]

    def receive() -> Any:
        return sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])

    def deliver() -> Delivery:
        sqs.send_message(QueueUrl=url, MessageBody="anything")
        (message,) = receive()
        received = int(message["Attributes"]["ApproximateReceiveCount"])
        return Delivery(message["MessageId"], name, message["ReceiptHandle"], received)

    found: set[str] = set()

    def waits(delivery: Delivery) -> bool:
        found.update(message["MessageId"] for message in receive())
        return delivery.id in found

    return World(SQSTroubles(sqs, {name: url}, dynamodb, table), deliver, waits)


class TestSQS(TroublesContract):
    @pytest.fixture
    def world(self, aws: Callable[[str], Any], emulated: str) -> World:
        return on_sqs(aws("sqs"), aws("dynamodb"), emulated)

    def test_a_reason_is_forgotten_by_itself_when_no_queue_has_the_message_any_more(
        self, world: World, aws: Callable[[str], Any], emulated: str
    ):
        delivery = world.deliver()
        world.troubles.note(delivery, "because", NOW)
        key = {"sync": {"S": f"message/{delivery.id}"}, "item": {"S": "trouble"}}
        item = aws("dynamodb").get_item(TableName=emulated, Key=key)["Item"]
        assert int(item["expires_at"]["N"]) == int((NOW + MEMORY).timestamp())


class TestAmazonsDynamoDB(TroublesContract):
    @pytest.fixture
    def world(self, aws: Callable[[str], Any], amazons_dynamodb: Any, amazons: str) -> World:
        return on_sqs(aws("sqs"), amazons_dynamodb, amazons)


def on(client: Any) -> str:
    return make_table(client, "SyncsTable")
