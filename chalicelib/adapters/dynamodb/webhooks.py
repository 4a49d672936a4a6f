"""Webhooks in DynamoDB, in a partition of their own for each account.

The worker that sends requests reaches these partitions alone, and its writes do not add to those of the account's
usage. ``webhooks`` has all endpoints of the account, which are few and read together: a pipeline that asks whether
anybody wants an event makes one read. ``webhook-delivery#ENDPOINT#ID`` is a delivery; its id sorts by time.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_item
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.webhooks import (
    DELIVERY_RETENTION,
    DeliveryPage,
    DeliveryState,
    EventType,
    WebhookAnswer,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpoints,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

ENDPOINTS_SORT_KEY = "webhooks"
_SECRETS = ("secret", "previous_secret")


class DynamoDBWebhookEndpoints:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def of_account(self, account: str) -> WebhookEndpoints:
        key = _key(account, ENDPOINTS_SORT_KEY)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not item:
            return WebhookEndpoints(account)
        values = from_item(item)
        return WebhookEndpoints(account, values["revision"], tuple(map(_endpoint, values["endpoints"])))

    def save(self, endpoints: WebhookEndpoints) -> None:
        values = {
            "revision": endpoints.revision + 1,
            "endpoints": [_endpoint_values(endpoint) for endpoint in endpoints.endpoints],
        }
        is_first = endpoints.revision == 0
        expected: Any = {} if is_first else {"ExpressionAttributeValues": to_item({":revision": endpoints.revision})}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_key(endpoints.account, ENDPOINTS_SORT_KEY) | to_item(values),
                ConditionExpression="attribute_not_exists(pk)" if is_first else "revision = :revision",
                **expected,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite from error


class DynamoDBWebhookDeliveries:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, delivery: WebhookDelivery) -> bool:
        try:
            self._put(delivery, "attribute_not_exists(pk)", {})
        except StaleWrite:
            return False
        return True

    def get(self, account: str, endpoint: str, delivery: str) -> WebhookDelivery | None:
        key = _key(account, _sort_key(endpoint, delivery))
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return _delivery(account, from_item(item)) if item else None

    def save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> None:
        expected = {
            ":state": previous.state,
            ":attempts": previous.attempts,
            ":first_attempt": previous.first_attempt,
        }
        condition = "#state = :state AND attempts = :attempts AND first_attempt = :first_attempt"
        self._put(delivery, condition, expected)

    def page(
        self, account: str, endpoint: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        values = {":pk": webhooks_partition(account), ":prefix": _sort_key(endpoint, "")}
        options: Any = {}
        if state is not None:
            options = {"FilterExpression": "#state = :state", "ExpressionAttributeNames": {"#state": "state"}}
            values[":state"] = state.value
        if after is not None:
            options["ExclusiveStartKey"] = _key(account, _sort_key(endpoint, after))
        response = self._client.query(
            TableName=self._table,
            ConsistentRead=True,
            ScanIndexForward=False,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues=to_item(values),
            Limit=limit,
            **options,
        )
        deliveries = [_delivery(account, from_item(item)) for item in response["Items"]]
        last = response.get("LastEvaluatedKey")
        return DeliveryPage(deliveries, from_item(last)["sk"].rpartition("#")[2] if last else None)

    def _put(self, delivery: WebhookDelivery, condition: str, expected: Mapping[str, Any]) -> None:
        values = asdict(delivery)
        del values["account"]
        values["answers"] = [_plain(asdict(answer)) for answer in delivery.answers]
        purge_at = int((max(delivery.at, delivery.next_at or delivery.at) + DELIVERY_RETENTION).timestamp())
        named: Any = {}
        if expected:
            named = {
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": to_item(expected),
            }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_key(delivery.account, _sort_key(delivery.endpoint, delivery.id))
                | to_item({**values, "purge_at": purge_at}),
                ConditionExpression=condition,
                **named,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite from error


def webhooks_partition(account: str) -> str:
    """The partition that has an account's webhooks and deliveries; ``infra/template/permissions.yaml`` names it."""
    return f"webhooks#{account}"


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the endpoints' item without what signs."""
    endpoints = [{name: e[name] for name in e if name not in _SECRETS} for e in values["endpoints"]]
    return {**values, "endpoints": endpoints}


def _endpoint_values(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return _plain(asdict(endpoint))


def _endpoint(values: Mapping[str, Any]) -> WebhookEndpoint:
    times = ("previous_until", "failing_since", "last_failure", "disabled_at")
    return WebhookEndpoint(
        **{
            **values,
            "events": tuple(map(EventType, values["events"])),
            "collections": tuple(values["collections"]) if "collections" in values else None,
            "created_at": datetime.fromisoformat(values["created_at"]),
            **{name: optional_time(values.get(name)) for name in times},
        }
    )


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


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a nested map, as ``to_item`` makes those of an item."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def _key(account: str, sort_key: str) -> dict[str, Any]:
    return to_item({"pk": webhooks_partition(account), "sk": sort_key})


def _sort_key(endpoint: str, delivery: str) -> str:
    return f"webhook-delivery#{endpoint}#{delivery}"
