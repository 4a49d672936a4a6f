"""What an account has of its plan's files and bytes: two numbers of its ``usage``, moved with whatever they count."""

from typing import Any

from chalicelib.adapters.dynamodb.items import to_item
from chalicelib.domain.errors import QuotaExceeded
from chalicelib.domain.plans import Plan

TOTAL_NAMES = {"#files": "files", "#bytes": "bytes"}  # the second is a word of DynamoDB's own
PLAN_FULL = "The plan allows no more files, or no more bytes."
ADD_TOTALS = "#files :files, #bytes :bytes"  # what an update adds


def usage_key(account: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": "usage"})


def usage_update(table: str, account: str, plan: Plan, files: int, size: int) -> dict[str, Any]:
    """The part of a transaction that moves both, under the condition that the plan has room for what is more.

    Raises:
        QuotaExceeded: it would not have, were there nothing else.
    """
    values, conditions = {":files": files, ":bytes": size}, []
    for word, more, allowed in (("files", files, plan.files), ("bytes", size, plan.bytes)):
        if more > allowed:
            raise QuotaExceeded(PLAN_FULL)
        if more > 0:
            conditions.append(f"(attribute_not_exists(#{word}) OR #{word} <= :{word}_before)")
            values[f":{word}_before"] = allowed - more
    return {
        "TableName": table,
        "Key": usage_key(account),
        "UpdateExpression": f"ADD {ADD_TOTALS}",
        "ExpressionAttributeNames": TOTAL_NAMES,
        "ExpressionAttributeValues": to_item(values),
        **({"ConditionExpression": " AND ".join(conditions)} if conditions else {}),
    }
