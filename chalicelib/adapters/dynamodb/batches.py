"""DynamoDB's batches: what one did not do, for want of room or capacity, is asked for again until it is done.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html: an answer has 16 MB at most, and
names the keys that it left out.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.retries import attempts
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

GET_LIMIT = 100  # keys a BatchGetItem takes
DELETE_LIMIT = 25  # items a BatchWriteItem takes


def read(client: "DynamoDBClient", table: str, keys: Sequence[Any]) -> Iterator[Any]:
    """The items of these keys that there are, in no order, as they stand now; each key is named once.

    Raises:
        Unavailable: DynamoDB left keys out however often it was asked.
    """
    for start in range(0, len(keys), GET_LIMIT):
        wanted: Any = {table: {"Keys": keys[start : start + GET_LIMIT], "ConsistentRead": True}}
        for _ in attempts():
            answer = client.batch_get_item(RequestItems=wanted)
            yield from answer["Responses"].get(table, [])
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                break
        else:
            raise Unavailable("The database is busy. Try again in a moment.")


def delete(client: "DynamoDBClient", table: str, keys: Sequence[Any]) -> None:
    """Delete the items of these keys, 25 at most; raises Unavailable as ``read`` does."""
    wanted: Any = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
    for _ in attempts():
        wanted = client.batch_write_item(RequestItems=wanted).get("UnprocessedItems")
        if not wanted:
            return
    raise Unavailable("The database is busy. Try again in a moment.")
