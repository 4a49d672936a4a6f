"""Batch reads, writes and deletions in DynamoDB, repeated until nothing is left unprocessed.

A response has 16 MB at most and names the keys that it left out, for their size or for want of capacity:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, OF_A_REQUEST, Retries
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

MAX_KEYS_PER_READ = 100  # of a BatchGetItem
MAX_DELETIONS_PER_WRITE = MAX_PUTS_PER_WRITE = 25  # of a BatchWriteItem


def read(
    client: "DynamoDBClient",
    table: str,
    keys: Sequence[Any],
    retries: Retries = OF_A_REQUEST,
    *,
    consistent: bool = True,
    attributes: Sequence[str] | None = None,
) -> Iterator[Any]:
    """Return the items with these keys, in no order. The keys must be distinct.

    Args:
        consistent: sees every write that has returned, and costs twice as much.
        attributes: that are returned, the keys among them; None for all.

    Raises:
        Unavailable: DynamoDB has left out all keys, as often as it was asked again.
    """
    options: dict[str, Any] = {"ConsistentRead": consistent}
    if attributes is not None:
        names = {f"#a{number}": name for number, name in enumerate(attributes)}
        options |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    for start in range(0, len(keys), MAX_KEYS_PER_READ):
        request: Any = {table: {"Keys": keys[start : start + MAX_KEYS_PER_READ], **options}}
        while request:
            asked = len(request[table]["Keys"])
            for _ in retries.attempts():
                response = client.batch_get_item(RequestItems=request)
                yield from response["Responses"].get(table, [])
                request = response.get("UnprocessedKeys")
                if not request or len(request[table]["Keys"]) < asked:  # to exceed a response is no refusal
                    break
            else:
                raise Unavailable(DATABASE_BUSY)


def write(client: "DynamoDBClient", table: str, items: Sequence[Any], retries: Retries = OF_A_REQUEST) -> None:
    """Write items whose keys are distinct; raises Unavailable as ``read`` does."""
    for start in range(0, len(items), MAX_PUTS_PER_WRITE):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + MAX_PUTS_PER_WRITE]]
        _write_requests(client, {table: puts}, retries)


def delete(client: "DynamoDBClient", table: str, keys: Sequence[Any], retries: Retries = OF_A_REQUEST) -> None:
    """Delete the items with these keys, 25 at most; raises Unavailable as ``read`` does."""
    _write_requests(client, {table: [{"DeleteRequest": {"Key": key}} for key in keys]}, retries)


def _write_requests(client: "DynamoDBClient", request: Any, retries: Retries) -> None:
    for _ in retries.attempts():
        request = client.batch_write_item(RequestItems=request).get("UnprocessedItems")
        if not request:
            return
    raise Unavailable(DATABASE_BUSY)
