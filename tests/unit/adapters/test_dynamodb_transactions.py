"""Transactions in DynamoDB: what a refused one returns, and when it is repeated."""

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from chalicelib.adapters.dynamodb import retries
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.domain.errors import Unavailable

PARTS = [{"Put": {"TableName": "a-table", "Item": {"pk": {"S": name}}}} for name in ("a", "b", "c")]


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A client whose responses the test sets; attempts follow each other without delay."""
    monkeypatch.setattr(retries, "FIRST_DELAY_SECONDS", 0)
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


def test_a_conflict_is_repeated_until_the_transaction_is_written(dynamodb: Stubber) -> None:
    cancel(dynamodb, "TransactionConflict", "None", "None")
    cancel(dynamodb, "None", "None", "TransactionConflict")
    dynamodb.add_response("transact_write_items", {})
    assert transact(dynamodb.client, PARTS) == {}


def test_a_conflict_beside_a_failed_condition_is_not_repeated(dynamodb: Stubber) -> None:
    cancel(dynamodb, "TransactionConflict", "None", "ConditionalCheckFailed")
    assert transact(dynamodb.client, PARTS) == {0: "TransactionConflict", 2: "ConditionalCheckFailed"}


def test_a_transaction_that_conflicts_in_each_attempt_is_unavailable(dynamodb: Stubber) -> None:
    for _ in range(retries.MAX_ATTEMPTS):
        cancel(dynamodb, "TransactionConflict", "None", "None")
    with pytest.raises(Unavailable):
        transact(dynamodb.client, PARTS)


def test_any_other_refusal_is_raised_at_once(dynamodb: Stubber) -> None:
    cancel(dynamodb, "None", "ItemCollectionSizeLimitExceeded", "None")
    with pytest.raises(ClientError):
        transact(dynamodb.client, PARTS)
