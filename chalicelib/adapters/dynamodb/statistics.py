"""How many files a collection has, counted in its own item."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.collections import count_attribute
from chalicelib.adapters.dynamodb.items import to_item
from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileCounts, FileRecord

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


def statistics_update(collections: str, record: FileRecord, files: int, size: int, unindexed: Mapping[str, int]) -> Any:
    """Return the part of a transaction that counts a record's collection, and fails if the collection is gone."""
    on_collection: dict[str, Any] = {
        "TableName": collections,
        "Key": to_item({"account": record.account, "uuid": record.collection}),
        "ConditionExpression": "attribute_exists(#u) AND attribute_not_exists(deleted_at)",
        "ExpressionAttributeNames": {"#u": "uuid"},
    }
    changes = {"total_files": files, "total_size": size}
    changes |= {count_attribute(name): change for name, change in unindexed.items()}
    changes = {name: change for name, change in changes.items() if change}
    if not changes:
        # Nothing to count: a check, unlike an update, does not conflict with those of other writers.
        return {"ConditionCheck": on_collection}
    names = {f"#c{number}": name for number, name in enumerate(changes)}
    return {
        "Update": {
            **on_collection,
            "UpdateExpression": "ADD " + ", ".join(f"{name} :{name[1:]}" for name in names),
            "ExpressionAttributeNames": {**on_collection["ExpressionAttributeNames"], **names},
            "ExpressionAttributeValues": to_item({f":{name[1:]}": changes[names[name]] for name in names}),
        }
    }


def fix_statistics(
    client: "DynamoDBClient", collections: str, collection: Collection, stated: FileCounts, counted: FileCounts
) -> bool:
    attributes = ["total_files", "total_size", *map(count_attribute, {**stated.unindexed, **counted.unindexed})]
    placeholders = {name: f"#c{number}" for number, name in enumerate(attributes)}
    before, after = _count_values(stated), _count_values(counted)
    conditions, values = ["attribute_exists(total_files)"], dict[str, int]()
    for number, (name, placeholder) in enumerate(placeholders.items()):
        values |= {f":before{number}": before.get(name, 0), f":after{number}": after.get(name, 0)}
        condition = f"{placeholder} = :before{number}"
        if not before.get(name):  # what has never been counted has no attribute
            condition = f"(attribute_not_exists({placeholder}) OR {condition})"
        conditions.append(condition)
    assignments = (f"{placeholder} = :after{number}" for number, placeholder in enumerate(placeholders.values()))
    try:
        client.update_item(
            TableName=collections,
            Key=to_item({"account": collection.account, "uuid": collection.uuid}),
            UpdateExpression=f"SET {', '.join(assignments)}",
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames={placeholder: name for name, placeholder in placeholders.items()},
            ExpressionAttributeValues=to_item(values),
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _count_values(counts: FileCounts) -> dict[str, int]:
    """The values of a collection's attributes that count its files."""
    unindexed = {count_attribute(name): count for name, count in counts.unindexed.items()}
    return {"total_files": counts.files, "total_size": counts.bytes, **unindexed}
