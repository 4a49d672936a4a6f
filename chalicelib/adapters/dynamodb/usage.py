"""An account's usage of its plan's files and bytes: two counters of its ``usage`` item.

Every transaction that changes what is counted updates them too.
"""

from typing import Any

from chalicelib.adapters.dynamodb.items import to_item
from chalicelib.domain.errors import QuotaExceeded
from chalicelib.domain.plans import Plan

TOTAL_NAMES = {"#files": "files", "#bytes": "bytes"}  # placeholders: "bytes" is a reserved word of DynamoDB
ADD_TOTALS = "#files :files, #bytes :bytes"  # the part of an update expression that adds to both
PLAN_FULL = "The plan allows no more files or bytes. Delete some files, or change the plan."


def usage_key(account: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": "usage"})


def usage_update(table: str, account: str, plan: Plan, files: int, size: int) -> dict[str, Any]:
    """Return the part of a transaction that adds to both counters, on condition that the plan allows any growth.

    Raises:
        QuotaExceeded: the plan allows less than the growth alone.
    """
    values, conditions = {":files": files, ":bytes": size}, []
    for counter, growth, limit in (("files", files, plan.files), ("bytes", size, plan.bytes)):
        if growth > limit:
            raise QuotaExceeded(PLAN_FULL)
        if growth > 0:
            conditions.append(f"(attribute_not_exists(#{counter}) OR #{counter} <= :{counter}_before)")
            values[f":{counter}_before"] = limit - growth
    return {
        "TableName": table,
        "Key": usage_key(account),
        "UpdateExpression": f"ADD {ADD_TOTALS}",
        "ExpressionAttributeNames": TOTAL_NAMES,
        "ExpressionAttributeValues": to_item(values),
        **({"ConditionExpression": " AND ".join(conditions)} if conditions else {}),
    }
