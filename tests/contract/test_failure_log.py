"""The contract of every failure log: one suite, run on the fake, the emulator's DynamoDB and DynamoDB Local."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.failure_log import FAILURE_RETENTION, DynamoDBFailureLog
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.services.ports import FailureLog
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.failure_log import FakeFailureLog


def a_message(received: int = 1, message_id: str | None = None) -> ReceivedMessage:
    return ReceivedMessage(message_id or str(uuid4()), "a-queue", "handle", received)


class FailureLogContract:
    @pytest.fixture
    def log(self) -> FailureLog:
        raise NotImplementedError

    def test_a_reason_is_found_by_the_message_id(self, log: FailureLog):
        one, other = a_message(), a_message()
        log.record(one, "StoreUnavailable: Das Verzeichnis antwortet nicht – \U0001f600", NOW)
        assert log.reason(one.id) == "StoreUnavailable: Das Verzeichnis antwortet nicht – \U0001f600"
        assert log.reason(other.id) is None
        assert log.reason(str(uuid4())) is None

    def test_a_second_failure_replaces_the_recorded_reason(self, log: FailureLog):
        message = a_message()
        log.record(message, "first", NOW)
        log.record(a_message(2, message.id), "then", NOW + timedelta(minutes=1))
        assert log.reason(message.id) == "then"

    def test_a_reason_of_two_thousand_characters_is_recorded_entirely(self, log: FailureLog):
        message = a_message()
        log.record(message, "é" * 2000, NOW)
        assert log.reason(message.id) == "é" * 2000


class TestFake(FailureLogContract):
    @pytest.fixture
    def log(self) -> FailureLog:
        return FakeFailureLog()


class TestDynamoDBOnTheEmulator(FailureLogContract):
    @pytest.fixture
    def log(self, aws: Callable[[str], Any], emulator_table: str) -> FailureLog:
        return DynamoDBFailureLog(aws("dynamodb"), emulator_table)

    def test_a_reason_expires_when_the_dead_letter_queue_has_deleted_the_message(
        self, log: FailureLog, aws: Callable[[str], Any], emulator_table: str
    ):
        message = a_message()
        log.record(message, "because", NOW)
        key = {"sync": {"S": f"message/{message.id}"}, "item": {"S": "failure"}}
        item = aws("dynamodb").get_item(TableName=emulator_table, Key=key)["Item"]
        assert int(item["expires_at"]["N"]) == int((NOW + FAILURE_RETENTION).timestamp())


class TestDynamoDBLocal(FailureLogContract):
    @pytest.fixture
    def log(self, dynamodb_local_client: Any) -> FailureLog:
        return DynamoDBFailureLog(dynamodb_local_client, make_table(dynamodb_local_client, "SyncsTable"))


@pytest.fixture
def emulator_table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "SyncsTable")
