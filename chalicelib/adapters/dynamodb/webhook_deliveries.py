"""Deliveries of webhooks in DynamoDB, in a partition of their own for each account of the table of syncs.

They come by the thousand and expire within days, as all of that table does, and no scan reads it: those of the table of
accounts look at everything that lies there. The sort key is the endpoint and the delivery's id, which sorts by time.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, nested_values, optional_time, to_item
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.webhook_deliveries import (
    DELIVERY_RETENTION,
    DeliveryPage,
    DeliveryPosition,
    DeliveryState,
    WebhookAnswer,
    WebhookDelivery,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


class DynamoDBWebhookDeliveries:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, delivery: WebhookDelivery) -> bool:
        try:
            is_new = {"ConditionExpression": "attribute_not_exists(#s)", "ExpressionAttributeNames": {"#s": "sync"}}
            self._put(delivery, is_new)
        except StaleWrite:
            return False
        return True

    def get(self, account: str, endpoint: str, delivery: str) -> WebhookDelivery | None:
        key = _key(account, endpoint, delivery)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return _delivery(account, from_item(item)) if item else None

    def save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> None:
        expected = {
            ":state": previous.state,
            ":attempts": previous.attempts,
            ":first_attempt": previous.first_attempt,
        }
        condition = {
            "ConditionExpression": "#state = :state AND attempts = :attempts AND first_attempt = :first_attempt",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item(expected),
        }
        self._put(delivery, condition)

    def page(
        self, account: str, endpoint: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        names, values = {"#s": "sync", "#i": "item"}, {":s": _partition(account), ":prefix": f"{endpoint}/"}
        options: Any = {}
        if state is not None:
            options = {"FilterExpression": "#state = :state"}
            names["#state"], values[":state"] = "state", state.value
        if after is not None:
            options["ExclusiveStartKey"] = _key(account, endpoint, after)
        response = self._client.query(
            TableName=self._table,
            ConsistentRead=True,
            ScanIndexForward=False,
            KeyConditionExpression="#s = :s AND begins_with(#i, :prefix)",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
            Limit=limit,
            **options,
        )
        deliveries = [_delivery(account, from_item(item)) for item in response["Items"]]
        last = response.get("LastEvaluatedKey")
        return DeliveryPage(deliveries, from_item(last)["item"].rpartition("/")[2] if last else None)

    def of_account(
        self, account: str, after: DeliveryPosition | None, limit: int
    ) -> tuple[list[WebhookDelivery], DeliveryPosition | None]:
        start: Any = {"ExclusiveStartKey": _key(account, *after)} if after is not None else {}
        names = {"#s": "sync"}
        response = self._client.query(**self._all(account), ExpressionAttributeNames=names, Limit=limit, **start)
        last = response.get("LastEvaluatedKey")
        endpoint, _, delivery = from_item(last)["item"].partition("/") if last else ("", "", "")
        found = [_delivery(account, from_item(item)) for item in response["Items"]]
        return found, (endpoint, delivery) if last else None

    def delete_page(self, account: str) -> bool:
        keys = self._client.query(
            **self._all(account),
            ProjectionExpression="#s, #i",
            ExpressionAttributeNames={"#s": "sync", "#i": "item"},
            Limit=batches.MAX_DELETIONS_PER_WRITE,
        )["Items"]
        if keys:
            batches.delete(self._client, self._table, keys)
        return bool(keys)

    def _all(self, account: str) -> Any:
        """The query for all deliveries of an account."""
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#s = :s",
            "ExpressionAttributeValues": to_item({":s": _partition(account)}),
        }

    def _put(self, delivery: WebhookDelivery, condition: Mapping[str, Any]) -> None:
        values = asdict(delivery)
        del values["account"]
        values["answers"] = [nested_values(asdict(answer)) for answer in delivery.answers]
        expires_at = int((max(delivery.at, delivery.next_at or delivery.at) + DELIVERY_RETENTION).timestamp())
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_key(delivery.account, delivery.endpoint, delivery.id)
                | to_item({**values, "expires_at": expires_at}),
                **condition,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite from error


def _delivery(account: str, values: Mapping[str, Any]) -> WebhookDelivery:
    names = ("endpoint", "id", "type", "body", "attempts", "first_attempt")
    return WebhookDelivery(
        account=account,
        **{name: values[name] for name in names},
        at=datetime.fromisoformat(values["at"]),
        collection=values.get("collection"),
        state=DeliveryState(values["state"]),
        next_at=optional_time(values.get("next_at")),
        answers=tuple(map(_answer, values["answers"])),
    )


def _answer(values: Mapping[str, Any]) -> WebhookAnswer:
    return WebhookAnswer(**{**values, "at": datetime.fromisoformat(values["at"])})


def _key(account: str, endpoint: str, delivery: str) -> dict[str, Any]:
    return to_item({"sync": _partition(account), "item": f"{endpoint}/{delivery}"})


def _partition(account: str) -> str:
    """The partition of an account's deliveries; ``infra/template/permissions.yaml`` names it."""
    return f"deliveries/{account}"
