"""Why messages failed, in DynamoDB, kept as long as the dead-letter queues keep messages."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.domain.messages import ReceivedMessage

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

FAILURE_RETENTION = timedelta(days=14)  # as the dead-letter queues keep messages


class DynamoDBFailureLog:
    """The message id is the key, because SQS keeps it when it moves a message to the dead-letter queue."""

    def __init__(self, client: "DynamoDBClient", syncs_table: str) -> None:
        self._client = client
        self._table = syncs_table

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None:
        values = {
            **_key(message.id),
            "reason": reason,
            "recorded_at": now,
            "received": message.received,
            "expires_at": int((now + FAILURE_RETENTION).timestamp()),
        }
        self._client.put_item(TableName=self._table, Item=to_item(values))

    def reason(self, message: str) -> str | None:
        response = self._client.get_item(TableName=self._table, Key=to_item(_key(message)), ConsistentRead=True)
        return str(from_item(response["Item"])["reason"]) if "Item" in response else None


def _key(message: str) -> dict[str, str]:
    return {"sync": f"message/{message}", "item": "failure"}
