"""DynamoDB transactions: all writes or none, repeated while they conflict with other transactions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, attempts
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

CONDITION_FAILED = "ConditionalCheckFailed"
_CONFLICT = "TransactionConflict"

Response = TypeVar("Response")


def transact(client: "DynamoDBClient", parts: list[Any]) -> dict[int, str]:
    """Write all parts, or none if a condition fails.

    Returns:
        The reason why each failed part failed, by its position; empty when all parts are written.

    Raises:
        Unavailable: other transactions kept writing the same items.
    """
    try:
        retry_conflicts(lambda: client.transact_write_items(TransactItems=parts))
    except client.exceptions.TransactionCanceledException as error:
        failures = _failed_parts(error)
        if CONDITION_FAILED not in failures.values():
            raise
        return failures
    return {}


def retry_conflicts(call: Callable[[], Response]) -> Response:
    """Make a call that writes, again while it conflicts with a transaction.

    Raises:
        Unavailable: each attempt was a conflict.
    """
    conflict: ClientError | None = None
    for _ in attempts():
        try:
            return call()
        except ClientError as error:
            if not _is_conflict(error):
                raise
            conflict = error
    raise Unavailable(DATABASE_BUSY) from conflict


def _is_conflict(error: ClientError) -> bool:
    """Whether a repeated call can succeed; it cannot where a condition failed as well."""
    reasons = _failed_parts(error).values()
    if error.response["Error"]["Code"] == f"{_CONFLICT}Exception":
        return True
    return _CONFLICT in reasons and CONDITION_FAILED not in reasons


def _failed_parts(error: ClientError) -> dict[int, str]:
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    codes = [reason.get("Code", "None") for reason in reasons]
    return {position: code for position, code in enumerate(codes) if code != "None"}
