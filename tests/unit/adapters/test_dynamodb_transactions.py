"""Transactions in DynamoDB: what a refused one returns, and when it is repeated."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from chalicelib.adapters.dynamodb.retries import Retries
from chalicelib.adapters.dynamodb.transactions import repeat, transact
from chalicelib.domain.errors import Unavailable

PARTS = [{"Put": {"TableName": "a-table", "Item": {"pk": {"S": name}}}} for name in ("a", "b", "c")]
PASSING_REASONS = (
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "TransactionInProgress",
    "RequestLimitExceeded",
    "InternalServerError",
)
PASSING_CODES = (
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "ServiceUnavailable",
)


class Time:
    """Time that passes only while it is slept."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.delays: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.delays.append(seconds)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def patient(clock: Time) -> Retries:
    """Retries for half a minute, in which no time passes."""
    return Retries(30, clock.sleep, clock.now)


@pytest.fixture
def dynamodb() -> Iterator[Stubber]:
    """A client whose responses the test sets."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with Stubber(boto3.client("dynamodb", region_name="eu-central-1", **keys)) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def cancel(dynamodb: Stubber, *codes: str) -> None:
    """Set a response that refuses the transaction, with the reason of each part."""
    reasons = [{"Code": code} for code in codes]
    dynamodb.add_client_error(
        "transact_write_items", "TransactionCanceledException", modeled_fields={"CancellationReasons": reasons}
    )


def test_a_written_transaction_has_no_failed_parts(dynamodb: Stubber) -> None:
    dynamodb.add_response("transact_write_items", {})
    assert transact(dynamodb.client, PARTS) == {}


def test_the_parts_whose_condition_fails_are_returned_by_position(dynamodb: Stubber) -> None:
    cancel(dynamodb, "None", "ConditionalCheckFailed", "ConditionalCheckFailed")
    assert transact(dynamodb.client, PARTS) == {1: "ConditionalCheckFailed", 2: "ConditionalCheckFailed"}


@pytest.mark.parametrize("reason", PASSING_REASONS)
def test_a_transaction_that_is_cancelled_for_a_passing_reason_is_repeated_until_it_is_written(
    dynamodb: Stubber, patient: Retries, reason: str
) -> None:
    cancel(dynamodb, reason, "None", "None")
    cancel(dynamodb, "None", "TransactionConflict", reason)
    dynamodb.add_response("transact_write_items", {})
    assert transact(dynamodb.client, PARTS, patient) == {}


@pytest.mark.parametrize("code", PASSING_CODES)
def test_a_call_that_is_refused_as_a_whole_for_now_is_repeated(dynamodb: Stubber, patient: Retries, code: str) -> None:
    dynamodb.add_client_error("transact_write_items", code)
    dynamodb.add_response("transact_write_items", {})
    assert transact(dynamodb.client, PARTS, patient) == {}


def test_a_repeated_transaction_has_the_token_of_its_first_call_and_another_one_has_its_own(
    dynamodb: Stubber, patient: Retries
) -> None:
    tokens: list[str] = []

    def record_token(params: dict[str, Any], **_: Any) -> None:
        tokens.append(params["ClientRequestToken"])

    dynamodb.client.meta.events.register("provide-client-params.dynamodb.TransactWriteItems", record_token)
    dynamodb.add_client_error("transact_write_items", "ServiceUnavailable")
    cancel(dynamodb, "ThrottlingError", "None", "None")
    for _ in range(2):
        dynamodb.add_response("transact_write_items", {})
        transact(dynamodb.client, PARTS, patient)
    first, *repeated, other = tokens
    assert repeated == [first, first] and other != first


@pytest.mark.parametrize("reason", PASSING_REASONS)
def test_a_passing_reason_beside_a_failed_condition_is_not_repeated(dynamodb: Stubber, reason: str) -> None:
    cancel(dynamodb, reason, "None", "ConditionalCheckFailed")
    assert transact(dynamodb.client, PARTS) == {0: reason, 2: "ConditionalCheckFailed"}


def test_attempts_are_repeated_after_random_growing_delays_until_patience_ends(clock: Time, patient: Retries) -> None:
    attempts = list(patient.attempts())
    assert attempts == list(range(len(clock.delays) + 1))
    assert all(delay <= min(2, 0.02 * 2**number) for number, delay in enumerate(clock.delays))
    assert 30 - 2 <= clock.seconds <= 30
    assert len(set(clock.delays)) == len(clock.delays) > 15


@pytest.mark.parametrize("reason", PASSING_REASONS)
def test_a_transaction_that_is_refused_in_each_attempt_is_unavailable(reason: str, patient: Retries) -> None:
    response = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [{"Code": reason}]}

    def refuse() -> None:
        raise ClientError(response, "TransactWriteItems")  # type: ignore[arg-type]

    with pytest.raises(Unavailable):
        repeat(refuse, patient)


def test_any_other_refusal_is_raised_at_once(dynamodb: Stubber) -> None:
    for reasons in (
        ("None", "ItemCollectionSizeLimitExceeded", "None"),
        ("ThrottlingError", "ValidationError", "None"),
    ):
        cancel(dynamodb, *reasons)
        with pytest.raises(ClientError):
            transact(dynamodb.client, PARTS)
