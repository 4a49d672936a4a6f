"""Tables as the template defines them, made on any endpoint that speaks DynamoDB."""

from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

TEMPLATE = Path(__file__).parents[2] / "infra" / "template.yaml"
OF_A_TABLE = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


class _Loader(yaml.SafeLoader):
    """Reads what matters here; CloudFormation's own tags stay unread."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: tag)


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)["Resources"]
    return resources


def make_table(client: Any, resource: str) -> str:
    """Make the table of this name in the template; answers its name, which is new."""
    properties = _resources()[resource]["Properties"]
    name = f"{resource}-{uuid4().hex[:12]}"
    client.create_table(TableName=name, **{key: properties[key] for key in OF_A_TABLE if key in properties})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name
