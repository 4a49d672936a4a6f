"""Tables as the template defines them, created on any endpoint that speaks DynamoDB."""

from functools import cache
from typing import Any
from uuid import uuid4

from chalicelib.adapters.dynamodb.collections import collection_to_item
from chalicelib.domain.collections import Collection
from infra.template import read_template

TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = read_template()["Resources"]
    return resources


def make_table(client: Any, resource: str) -> str:
    """Create the template's table under a new name, and return the name."""
    properties = _resources()[resource]["Properties"]
    name = f"{resource}-{uuid4().hex[:12]}"
    client.create_table(TableName=name, **{key: properties[key] for key in TABLE_PROPERTIES if key in properties})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


def put_collection(client: Any, table: str, collection: Collection) -> None:
    """Store a collection as it is, without the checks of the registry."""
    client.put_item(TableName=table, Item=collection_to_item(collection))
