"""DynamoDB's transactions: all of it or nothing, tried again where two of them met."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb.items import CONDITION_FAILED, cancellation_codes, is_conflict
from chalicelib.adapters.dynamodb.retries import with_retries
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


def transact(client: "DynamoDBClient", parts: list[Any]) -> list[str]:
    """Write all parts, or none because a condition fails.

    Returns:
        Why each part was refused, in the order of the parts; empty once all are written.

    Raises:
        Unavailable: others kept writing the same items.
    """
    refused: list[str] = []

    def attempt() -> None:
        try:
            client.transact_write_items(TransactItems=parts)
        except client.exceptions.TransactionCanceledException as error:
            codes = cancellation_codes(error)
            if CONDITION_FAILED not in codes:
                raise
            refused.extend(codes)

    try:
        with_retries(attempt, is_conflict)
    except ClientError as error:
        if is_conflict(error):
            raise Unavailable("The account is busy with other requests. Try again in a moment.") from error
        raise
    return refused
