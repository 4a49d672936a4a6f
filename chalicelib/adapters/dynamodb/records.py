"""The catalogue's records as DynamoDB items, and the query that lists them.

A sync reads every record of a collection, so a record has what a sync compares and what changes without the picture;
the rest is in its image (``images``). Times are whole microseconds since 1970 in place of texts, which takes half.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.adapters.dynamodb.images import StoredImage
from chalicelib.adapters.dynamodb.items import (
    from_item,
    number_to_time,
    optional_time,
    time_to_number,
    to_attribute,
    to_item,
)
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.file_images import FileImage, image_id, thumbnail_part
from chalicelib.domain.files import FileRecord, FileState, file_uuid, removal_shard
from chalicelib.domain.metadata import metadata_from_json, metadata_to_json

_STATES_WITH_INDEX = (FileState.FAILED, FileState.PENDING)


@dataclass(frozen=True, slots=True)
class InlineEmbedding(ImageEmbedding):
    """The embedding of a record whose item still has it inside, as earlier versions have written it.

    Its image is stored before the record is written again, whatever else of it changes.
    """


def record_key(collection: str, key: str) -> dict[str, Any]:
    """Return the primary key of a record."""
    return {"collection": to_attribute(collection), "key": to_attribute(key)}


def record_to_item(record: FileRecord) -> dict[str, Any]:
    """Return the item without its image, which also has the file's account and thumbnail."""
    has_image = record.embedding is not None
    return to_item(
        {
            "collection": record.collection,
            "key": record.key,
            "state": record.state,
            "listed_as": f"{record.collection}#{record.state}" if record.state in _STATES_WITH_INDEX else None,
            "etag": record.etag,
            "size": record.size,
            "version": record.version,
            "updated_at": time_to_number(record.updated_at),
            "reason": record.reason,
            "detail": record.detail,
            "sequencer": record.sequencer,
            "event_at": record.event_at,
            "failed_since": record.failed_since,
            "retry_at": record.retry_at,
            "modified": time_to_number(record.modified) if record.modified else None,
            "metadata": metadata_to_json(record.metadata) if record.metadata else None,
            "moved_to": record.moved_to,
            "model": record.embedding.model if record.embedding else record.model,
            "removed_on": removal_key(record) if record.state is FileState.REMOVED else None,
            "image": thumbnail_part(record.thumbnail) if has_image else None,
            # A file that has an image is found by that.
            "uuid": None if has_image else record.uuid,
            "account": None if has_image else record.account,
            "thumbnail": None if has_image else record.thumbnail,
        }
    )


def record_put(table: str, record: FileRecord, previous: FileRecord | None) -> Any:
    """Return the parameters of a write of a record, on condition that ``previous`` is still the stored one."""
    put: Any = {
        "TableName": table,
        "Item": record_to_item(record),
        "ExpressionAttributeNames": {"#v": "version"},
        "ConditionExpression": "attribute_not_exists(#v)",
    }
    if previous is not None:
        put["ConditionExpression"] = "#v = :v"
        put["ExpressionAttributeValues"] = {":v": to_attribute(previous.version)}
    return put


def image_of_item(item: Any) -> FileImage | None:
    """Return the image that an item refers to; None if it has none, or has it inside."""
    if "image" not in item:
        return None
    file = file_uuid(item["collection"]["S"], item["key"]["S"])
    model, etag, size = item["model"]["S"], item["etag"]["S"], int(item["size"]["N"])
    return FileImage(file, image_id(item["image"]["S"], model, etag, size))


def time_from_attribute(attribute: Any) -> datetime:
    """Return a time that is stored as a number, or as ISO 8601 by earlier versions."""
    return number_to_time(attribute["N"]) if "N" in attribute else datetime.fromisoformat(attribute["S"])


def removal_key(record: FileRecord) -> str:
    """Return the key by which the index of removals lists a removed record: the day and the shard.

    Without the shard, all removals of a day would be in one partition, which takes 1,000 write units a second.
    """
    return removal_keys(removal_shard(record.uuid), record.updated_at.date())[0]


def removal_keys(shard: int, day: date) -> list[str]:
    """Return the keys of a shard's removals of a day. Those of earlier versions have the day alone."""
    keys = [f"{day.isoformat()}#{shard:02}"]
    return [*keys, day.isoformat()] if shard == 0 else keys


def record_from_item(item: Any, image: StoredImage | None) -> FileRecord:
    """Return the record of an item and of the image that it refers to."""
    values = from_item(item)
    inline = _inline_embedding(values) if "md5" in values else None
    return FileRecord(
        account=image.account if image else values["account"],
        collection=values["collection"],
        key=values["key"],
        state=FileState(values["state"]),
        etag=values["etag"],
        size=values["size"],
        version=values["version"],
        updated_at=time_from_attribute(item["updated_at"]),
        embedding=image.embedding if image else inline,
        reason=values.get("reason"),
        detail=values.get("detail"),
        sequencer=values.get("sequencer"),
        model=values.get("model"),
        event_at=optional_time(values.get("event_at")),
        thumbnail=image.thumbnail if image else values.get("thumbnail"),
        failed_since=optional_time(values.get("failed_since")),
        modified=time_from_attribute(item["modified"]) if "modified" in item else None,
        metadata=metadata_from_json(values.get("metadata")),
        moved_to=values.get("moved_to"),
    )


def _inline_embedding(values: Mapping[str, Any]) -> InlineEmbedding:
    return InlineEmbedding(
        model=values["model"],
        vector=values["vector"],
        size=values["picture_size"],
        md5=values["md5"],
        width=values["width"],
        height=values["height"],
        format=values["format"],
        taken=optional_time(values.get("taken")),
        perceptual_hash=values.get("perceptual_hash"),
    )


def list_query(
    table: str, collection: str, state: FileState | None, after: str | None, reason: str | None = None
) -> Any:
    """Return the query for a collection's records in one state, or in all but removed, in the order of their keys.

    A reason is that of failed records. Failed and pending records are few and have an index of their own.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {":after": after} if after is not None else {}
    query: dict[str, Any] = {"TableName": table}
    if state in _STATES_WITH_INDEX:
        query["IndexName"] = "by-state"
        names["#partition"], values[":partition"] = "listed_as", f"{collection}#{state}"
    else:
        names |= {"#partition": "collection", "#state": "state"}
        query |= {"ConsistentRead": True, "FilterExpression": "#state = :state" if state else "#state <> :state"}
        values |= {":partition": collection, ":state": state or FileState.REMOVED}
    if reason is not None:
        names["#why"], values[":why"] = "reason", reason
        query["FilterExpression"] = "#why = :why"
    condition = "#partition = :partition"
    if after is not None:
        condition += " AND #key > :after"
        names["#key"] = "key"
    return query | {
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item(values),
    }
