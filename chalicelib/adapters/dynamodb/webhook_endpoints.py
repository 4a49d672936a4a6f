"""Endpoints of webhooks in DynamoDB: all of an account in one item of the table of accounts.

They are few and read together: a pipeline that asks whether anybody wants an event makes one read. The item has the
partition ``webhooks#ACCOUNT`` to itself, which is all that the worker that sends requests reaches of the table.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, nested_values, optional_time, to_item
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.webhook_endpoints import WebhookEndpoint, WebhookEndpoints
from chalicelib.domain.webhook_events import EventType

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

ENDPOINTS_SORT_KEY = "webhooks"
_SECRETS = ("secret", "previous_secret")


class DynamoDBWebhookEndpoints:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def of_account(self, account: str) -> WebhookEndpoints:
        key = _key(account)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not item:
            return WebhookEndpoints(account)
        values = from_item(item)
        return WebhookEndpoints(account, values["revision"], tuple(map(_endpoint, values["endpoints"])))

    def save(self, endpoints: WebhookEndpoints) -> None:
        values = {
            "revision": endpoints.revision + 1,
            "endpoints": [nested_values(asdict(endpoint)) for endpoint in endpoints.endpoints],
        }
        is_first = endpoints.revision == 0
        expected: Any = {} if is_first else {"ExpressionAttributeValues": to_item({":revision": endpoints.revision})}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_key(endpoints.account) | to_item(values),
                ConditionExpression="attribute_not_exists(pk)" if is_first else "revision = :revision",
                **expected,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite from error


def webhooks_partition(account: str) -> str:
    """The partition that has an account's webhooks; ``infra/template/permissions.yaml`` names it."""
    return f"webhooks#{account}"


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the endpoints' item without what signs."""
    endpoints = [{name: e[name] for name in e if name not in _SECRETS} for e in values["endpoints"]]
    return {**values, "endpoints": endpoints}


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


def _key(account: str) -> dict[str, Any]:
    return to_item({"pk": webhooks_partition(account), "sk": ENDPOINTS_SORT_KEY})
