"""Messages whose handling failed: postponed in their queue, their reasons kept for as long as dead letters are."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.adapters.items import from_item, to_item
from chalicelib.services.ports import Delivery

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_sqs.client import SQSClient

MEMORY = timedelta(days=14)  # as the dead-letter queues keep messages


class SQSTroubles:
    """A message keeps its identifier when SQS moves it to the dead letters, so its reason is found by that.

    Args:
        urls: of the queues, by name.
    """

    def __init__(self, sqs: "SQSClient", urls: dict[str, str], dynamodb: "DynamoDBClient", syncs_table: str) -> None:
        self._sqs = sqs
        self._urls = urls
        self._dynamodb = dynamodb
        self._table = syncs_table

    def note(self, delivery: Delivery, reason: str, now: datetime) -> None:
        values = {
            **_key(delivery.id),
            "reason": reason,
            "noted_at": now,
            "received": delivery.received,
            "expires_at": int((now + MEMORY).timestamp()),
        }
        self._dynamodb.put_item(TableName=self._table, Item=to_item(values))

    def postpone(self, delivery: Delivery, seconds: int) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._urls[delivery.queue], ReceiptHandle=delivery.handle, VisibilityTimeout=seconds
        )

    def reason(self, message: str) -> str | None:
        found = self._dynamodb.get_item(TableName=self._table, Key=to_item(_key(message)), ConsistentRead=True)
        return str(from_item(found["Item"])["reason"]) if "Item" in found else None


def _key(message: str) -> dict[str, str]:
    return {"sync": f"message/{message}", "item": "trouble"}
