"""Images that no record names, in the table of the catalogue: they are found by reading all of it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.images import image_from_key, image_key
from chalicelib.adapters.dynamodb.items import number_to_time, time_to_number, to_attribute
from chalicelib.adapters.dynamodb.records import image_of_item, record_key
from chalicelib.adapters.dynamodb.retries import OF_A_REQUEST, Retries
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.domain.file_images import OrphanedImage, OrphanPage

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# Of a record: what names its image.
_NAMING = ("collection", "key", "image", "model", "etag", "size", "version")


class DynamoDBImageInventory:
    """A page of 1 MB, some 380 files, takes 128 read units, as it is read without consistency.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
    """

    def __init__(self, client: "DynamoDBClient", table: str, retries: Retries = OF_A_REQUEST) -> None:
        self._client = client
        self._table = table
        self._retries = retries

    def orphans(self, stored_before: datetime, after: str | None) -> OrphanPage:
        scan: Any = {
            "TableName": self._table,
            # Only images have that time.
            "FilterExpression": "stored_at < :before",
            "ExpressionAttributeValues": {":before": to_attribute(time_to_number(stored_before))},
            "ProjectionExpression": "#p, #i, file_collection, file_key, stored_at",
            "ExpressionAttributeNames": {"#p": "collection", "#i": "key"},
        }
        if after is not None:
            scan["ExclusiveStartKey"] = _decode_position(after)
        page = self._client.scan(**scan)
        last = page.get("LastEvaluatedKey")
        orphans = self._without_named([_orphan(item) for item in page["Items"]])
        return OrphanPage(orphans, page["ScannedCount"], _encode_position(last) if last else None)

    def delete_orphan(self, orphan: OrphanedImage) -> bool:
        key = record_key(orphan.collection, orphan.key)
        record = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if record is not None and image_of_item(record) == orphan.image:
            return False
        check = {"TableName": self._table, "Key": key, **_unchanged(record)}
        deletion = {
            "TableName": self._table,
            "Key": image_key(orphan.image),
            "ConditionExpression": "stored_at = :stored_at",
            "ExpressionAttributeValues": {":stored_at": to_attribute(time_to_number(orphan.stored_at))},
        }
        return not transact(self._client, [{"ConditionCheck": check}, {"Delete": deletion}], self._retries)

    def _without_named(self, images: Sequence[OrphanedImage]) -> list[OrphanedImage]:
        places = dict.fromkeys((image.collection, image.key) for image in images)
        keys = [record_key(*place) for place in places]
        records = batches.read(self._client, self._table, keys, self._retries, attributes=_NAMING)
        named = {image_of_item(record) for record in records}
        return [image for image in images if image.image not in named]


def _unchanged(record: Any) -> dict[str, Any]:
    """The condition that a record is as it was read.

    A renewal gives a record of an earlier version its image without another version.
    """
    if record is None:
        return {"ConditionExpression": "attribute_not_exists(#v)", "ExpressionAttributeNames": {"#v": "version"}}
    condition, values = "#v = :v AND attribute_not_exists(#i)", {":v": record["version"]}
    if "image" in record:
        condition, values = "#v = :v AND #i = :i", {**values, ":i": record["image"]}
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#v": "version", "#i": "image"},
        "ExpressionAttributeValues": values,
    }


def _orphan(item: Any) -> OrphanedImage:
    return OrphanedImage(
        image_from_key(item),
        item["file_collection"]["S"],
        item["file_key"]["S"],
        number_to_time(item["stored_at"]["N"]),
    )


def _encode_position(key: Any) -> str:
    """A primary key of the table as a word that a command line takes."""
    return urlsafe_b64encode(f"{key['collection']['S']} {key['key']['S']}".encode()).decode()


def _decode_position(position: str) -> Any:
    try:
        collection, _, key = urlsafe_b64decode(position).decode().partition(" ")
    except ValueError:
        collection = key = ""
    if not collection or not key:
        raise ValueError("This is no position that an earlier run has printed.")
    return record_key(collection, key)
