"""The buckets of tokens' rates in DynamoDB: an item each in the account's partition, ``rate#TOKEN#LIMIT``.

Its ``full_at`` is when the bucket will be full, in microseconds since 1970; a bucket without an item is full. One
conditional update takes a chunk, or two where the bucket is not full, and no other process can come between.
"""

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, OF_A_REQUEST
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.rates import RateLimit, Taking

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# DynamoDB deletes an item this long after its bucket is full: a bucket in use is not deleted and made anew.
RETENTION_SECONDS = 3600


class DynamoDBRateBuckets:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def take(self, account: str, token: str, limit: RateLimit, now: int) -> Taking:
        key = to_item({"pk": f"account#{account}", "sk": f"rate#{token}#{limit.name}"})
        of_full = "SET full_at = :full_at, purge_at = :purge_at", "attribute_not_exists(full_at) OR full_at < :now"
        of_other = "SET full_at = full_at + :cost, purge_at = :purge_at", "full_at BETWEEN :now AND :newest"
        # The time at which a bucket that has just a chunk will be full.
        newest = now - limit.chunk_at(0)
        for _ in OF_A_REQUEST.attempts():
            taking = self._update(key, *of_full, {":full_at": now + limit.chunk_cost, ":now": now}, now)
            if not taking.taken and now <= taking.full_at <= newest:
                taking = self._update(
                    key, *of_other, {":cost": limit.chunk_cost, ":now": now, ":newest": newest}, taking.full_at
                )
            if taking.taken or taking.full_at > newest:
                return taking
            # DynamoDB has just deleted the item of a bucket that has been full for long.
        raise Unavailable(DATABASE_BUSY)

    def _update(self, key: Any, update: str, condition: str, values: dict[str, int], full_at: int) -> Taking:
        """Take a chunk on a condition; without it, the outcome has the ``full_at`` that did not meet it."""
        purge_at = full_at // 1_000_000 + RETENTION_SECONDS
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item({**values, ":purge_at": purge_at}),
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            item: Any = error.response.get("Item", {})
            return Taking(False, from_item(item).get("full_at", 0))
        return Taking(True, from_item(response["Attributes"])["full_at"])
