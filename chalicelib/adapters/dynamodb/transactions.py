"""DynamoDB transactions: all writes or none, repeated while DynamoDB refuses them for now.

A call may have written although its answer was lost. So each repetition has the token of the first call: for ten
minutes DynamoDB answers that it is written, and does not check conditions against what the call itself has written.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb.refusals import CONDITION_FAILED, failed_parts, is_passing
from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, OF_A_REQUEST, Retries
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

Response = TypeVar("Response")


def transact(client: "DynamoDBClient", parts: list[Any], retries: Retries = OF_A_REQUEST) -> dict[int, str]:
    """Write all parts once, or none if a condition fails.

    Returns:
        The reason why each failed part failed, by its position; empty when all parts are written.

    Raises:
        Unavailable: DynamoDB throttled it, or other transactions kept writing the same items.
    """
    token = str(uuid.uuid4())  # botocore makes one for each call, which covers its own repetitions only
    try:
        repeat(lambda: client.transact_write_items(TransactItems=parts, ClientRequestToken=token), retries)
    except client.exceptions.TransactionCanceledException as error:
        failures = failed_parts(error)
        if CONDITION_FAILED not in failures.values():
            raise
        return failures
    return {}


def repeat(call: Callable[[], Response], retries: Retries = OF_A_REQUEST) -> Response:
    """Make a call that writes, again while it is refused for now.

    Raises:
        Unavailable: each attempt was refused.
    """
    refusal: Exception | None = None
    for _ in retries.attempts():
        try:
            return call()
        except Unavailable as error:
            refusal = error
        except ClientError as error:
            if not is_passing(error):
                raise
            refusal = error
    raise Unavailable(DATABASE_BUSY) from refusal
