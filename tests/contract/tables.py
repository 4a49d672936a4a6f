"""Tables as the template defines them, made on any endpoint that speaks DynamoDB."""

from functools import cache
from typing import Any
from uuid import uuid4

from infra.template import read_template

OF_A_TABLE = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = read_template()["Resources"]
    return resources


def make_table(client: Any, resource: str) -> str:
    """Make the table of this name in the template; answers its name, which is new."""
    properties = _resources()[resource]["Properties"]
    name = f"{resource}-{uuid4().hex[:12]}"
    client.create_table(TableName=name, **{key: properties[key] for key in OF_A_TABLE if key in properties})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name
