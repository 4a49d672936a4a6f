"""What DynamoDB refuses for now, in all its forms: throttled, in conflict, or out of order.

A throttled transaction is cancelled with a reason for each part. botocore repeats most refusals, but not that one:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, random_delay
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

CONDITION_FAILED = "ConditionalCheckFailed"
CONFLICT_ATTEMPTS = 8
# Reasons of a cancelled transaction end so, or in ``Error``; codes of a call end so, or in ``Exception``.
_PASSING = frozenset(
    {
        "InternalServer",
        "ProvisionedThroughputExceeded",
        "ReplicatedWriteConflict",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "TransactionConflict",
        "TransactionInProgress",
    }
)


def passes(code: str) -> bool:
    """Whether a repeated call can succeed that was refused with this code or reason."""
    return code.removesuffix("Exception").removesuffix("Error") in _PASSING


def failed_parts(error: ClientError) -> dict[int, str]:
    """The reason why each failed part of a cancelled transaction failed, by its position."""
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    codes = [reason.get("Code", "None") for reason in reasons]
    return {position: code for position, code in enumerate(codes) if code != "None"}


def is_passing(error: ClientError) -> bool:
    """Whether a repeated call can succeed; a transaction cannot where a part failed for another reason as well."""
    reasons = failed_parts(error).values()
    return passes(error.response["Error"]["Code"]) or (bool(reasons) and all(map(passes, reasons)))


def translate_refusals(client: "DynamoDBClient") -> None:
    """Have each call raise Unavailable once it was repeated in vain; a cancelled transaction is the caller's to repeat.

    botocore repeats what is throttled, but not a single write that meets a transaction.
    """

    def repeat_conflict(response: Any, attempts: int, **_: Any) -> float | None:
        """Seconds until the call is repeated, if it is."""
        code = response[1].get("Error", {}).get("Code") if response else None
        if code != "TransactionConflictException" or attempts >= CONFLICT_ATTEMPTS:
            return None
        return random_delay(attempts - 1)

    def check_response(parsed: dict[str, Any], **_: Any) -> None:
        if passes(parsed.get("Error", {}).get("Code", "")):
            raise Unavailable(DATABASE_BUSY) from ClientError(parsed, "DynamoDB")  # type: ignore[arg-type]

    def check_error(exception: Exception, **_: Any) -> None:
        if isinstance(exception, HTTPClientError | ConnectionError):
            raise Unavailable(DATABASE_BUSY) from exception

    # A handler of this event returns seconds, which the stubs do not know.
    client.meta.events.register("needs-retry.dynamodb", repeat_conflict, unique_id="similarix-conflicts")  # type: ignore[arg-type]
    client.meta.events.register("after-call.dynamodb", check_response, unique_id="similarix-refusals")
    client.meta.events.register("after-call-error.dynamodb", check_error, unique_id="similarix-errors")
