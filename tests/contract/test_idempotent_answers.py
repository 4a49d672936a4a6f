"""The contract of every store of idempotent answers: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.idempotent_answers import DynamoDBIdempotentAnswers
from chalicelib.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused, NotFound, Unavailable
from chalicelib.domain.idempotency import ANSWER_LIMIT, ANSWERS_KEPT, KeyedRequest
from chalicelib.services.ports import IdempotentAnswers
from tests.contract.tables import make_table
from tests.fakes.clock import FakeClock
from tests.fakes.idempotent_answers import FakeIdempotentAnswers

LONG = 29_000  # milliseconds
ANSWER = '{"b": 1, "a": "ü"}'


class Killed(BaseException):
    """The function's process has ended."""


def a_request() -> KeyedRequest:
    return KeyedRequest(str(uuid4()), f"token POST /api/collections {uuid4()}", "digest")


def no_response() -> str:
    raise AssertionError("the request is not made a second time")


class IdempotentAnswersContract:
    @pytest.fixture
    def answers(self) -> IdempotentAnswers:
        raise NotImplementedError

    def test_the_first_answer_is_given_again_as_it_was(self, answers: IdempotentAnswers):
        request = a_request()
        assert answers.answer(request, LONG, lambda: ANSWER) == (ANSWER, False)
        for _ in range(2):
            assert answers.answer(request, LONG, no_response) == (ANSWER, True)

    @pytest.mark.parametrize("characters", ["a", "\u4e2d", '"\\\n', "".join(map(chr, range(0x4E00, 0x9FFF)))])
    def test_the_largest_answer_of_any_characters_is_kept(self, answers: IdempotentAnswers, characters: str):
        bytes_each = len(characters.encode()) // len(characters)
        largest = "".join(Random(1).choices(characters, k=ANSWER_LIMIT // bytes_each))
        request = a_request()
        assert answers.answer(request, LONG, lambda: largest) == (largest, False)
        assert answers.answer(request, LONG, no_response) == (largest, True)

    def test_another_key_or_account_is_another_request(self, answers: IdempotentAnswers):
        request = a_request()
        answers.answer(request, LONG, lambda: ANSWER)
        for other in (replace(request, key="another"), replace(request, account=str(uuid4()))):
            assert answers.answer(other, LONG, lambda: "another") == ("another", False)

    def test_a_key_with_another_payload_is_refused(self, answers: IdempotentAnswers):
        request = a_request()
        answers.answer(request, LONG, lambda: ANSWER)
        with pytest.raises(IdempotencyKeyReused):
            answers.answer(replace(request, payload="another"), LONG, no_response)

    def test_a_request_in_progress_is_not_made_a_second_time(self, answers: IdempotentAnswers):
        request = a_request()

        def respond() -> str:
            with pytest.raises(IdempotencyKeyInUse):
                answers.answer(request, LONG, no_response)
            return ANSWER

        assert answers.answer(request, LONG, respond) == (ANSWER, False)

    @pytest.mark.parametrize("error", [NotFound("no"), Unavailable("later"), RuntimeError("a bug")])
    def test_an_error_is_not_kept_and_the_key_is_free_again(self, answers: IdempotentAnswers, error: Exception):
        request = a_request()

        def fail() -> str:
            raise error

        with pytest.raises(type(error)):
            answers.answer(request, LONG, fail)
        assert answers.answer(request, LONG, lambda: ANSWER) == (ANSWER, False)

    def test_a_function_that_died_holds_the_key_no_longer_than_its_time(self, answers: IdempotentAnswers):
        request = a_request()

        def die() -> str:
            raise Killed

        with pytest.raises(Killed):
            answers.answer(request, LONG, die)
        with pytest.raises(IdempotencyKeyInUse):
            answers.answer(request, LONG, no_response)
        over = replace(request, key="of a function whose time is over")
        with pytest.raises(Killed):
            answers.answer(over, -1000, die)
        assert answers.answer(over, LONG, lambda: ANSWER) == (ANSWER, False)


class TestFake(IdempotentAnswersContract):
    @pytest.fixture
    def answers(self) -> FakeIdempotentAnswers:
        return FakeIdempotentAnswers(FakeClock())

    def test_an_answer_is_kept_for_a_day(self) -> None:
        clock, request = FakeClock(), a_request()
        answers = FakeIdempotentAnswers(clock)
        answers.answer(request, LONG, lambda: ANSWER)
        clock.pass_by(ANSWERS_KEPT)
        assert answers.answer(request, LONG, lambda: "anew") == ("anew", False)


@pytest.fixture(scope="module")
def table(aws: Callable[..., Any]) -> str:
    return make_table(aws("dynamodb"), "AccountsTable")


class TestDynamoDBOnTheEmulator(IdempotentAnswersContract):
    @pytest.fixture
    def answers(self, aws: Callable[..., Any], table: str) -> DynamoDBIdempotentAnswers:
        return DynamoDBIdempotentAnswers(aws("dynamodb"), table)

    def test_the_item_is_the_accounts_and_dynamodb_deletes_it_a_day_later(
        self, answers: DynamoDBIdempotentAnswers, aws: Callable[..., Any], table: str
    ):
        request = a_request()
        answers.answer(request, LONG, lambda: ANSWER)
        owned = {":pk": {"S": f"account#{request.account}"}}
        (item,) = aws("dynamodb").query(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=owned
        )["Items"]
        assert item["sk"]["S"].startswith("idempotency#")
        assert request.key not in str(item)
        kept_for = int(item["purge_at"]["N"]) - int(item["in_progress_expiration"]["N"]) // 1000
        assert abs(kept_for + LONG // 1000 - ANSWERS_KEPT.total_seconds()) <= 60
