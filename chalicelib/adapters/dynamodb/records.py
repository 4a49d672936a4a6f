"""The catalogue's records as DynamoDB items, and the query that lists them."""

from datetime import date, datetime
from typing import Any

from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_attribute, to_item
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo, content_key, removal_shard
from chalicelib.domain.metadata import metadata_from_json, metadata_to_json

_EMBEDDING_ATTRIBUTES = (
    "model", "vector", "picture_size", "md5", "width", "height", "format", "taken", "perceptual_hash",
)  # fmt: skip
_EMBEDDING_FIELDS = {"picture_size": "size"}  # where the field is named otherwise: the object has a size too
# A list reads all attributes but the vector.
_RECORD_ATTRIBUTES = (
    "account", "collection", "key", "state", "etag", "size", "version", "updated_at", "reason", "detail",
)  # fmt: skip
_LISTED_ATTRIBUTES = (
    *_RECORD_ATTRIBUTES, "sequencer", "event_at", "failed_since",
    "model", "picture_size", "md5", "width", "height", "format", "taken", "perceptual_hash",
    "modified", "metadata",
)  # fmt: skip
_STATES_WITH_INDEX = (FileState.FAILED, FileState.PENDING)


def record_key(collection: str, key: str) -> dict[str, Any]:
    """Return the primary key of a record."""
    return {"collection": to_attribute(collection), "key": to_attribute(key)}


def record_to_item(record: FileRecord) -> dict[str, Any]:
    embedding = record.embedding
    return to_item(
        {
            "account": record.account,
            "collection": record.collection,
            "key": record.key,
            "uuid": record.uuid,
            "state": record.state,
            "listed_as": f"{record.collection}#{record.state}" if record.state in _STATES_WITH_INDEX else None,
            "etag": record.etag,
            "size": record.size,
            "version": record.version,
            "updated_at": record.updated_at,
            "reason": record.reason,
            "detail": record.detail,
            "sequencer": record.sequencer,
            "event_at": record.event_at,
            "thumbnail": record.thumbnail,
            "failed_since": record.failed_since,
            "retry_at": record.retry_at,
            "modified": record.modified,
            "metadata": metadata_to_json(record.metadata) if record.metadata else None,
            "moved_to": record.moved_to,
            "model": record.model,
            "content": record_content_key(record) if embedding else None,
            "removed_on": removal_key(record) if record.state is FileState.REMOVED else None,
            **_embedding_values(embedding),
        }
    )


def removal_key(record: FileRecord) -> str:
    """Return the key by which the index of removals lists a removed record: the day and the shard.

    Without the shard, all removals of a day would be in one partition, which takes 1,000 write units a second.
    """
    return removal_keys(removal_shard(record.uuid), record.updated_at.date())[0]


def removal_keys(shard: int, day: date) -> list[str]:
    """Return the keys of a shard's removals of a day. Those of earlier versions have the day alone."""
    keys = [f"{day.isoformat()}#{shard:02}"]
    return [*keys, day.isoformat()] if shard == 0 else keys


def record_content_key(record: FileRecord) -> str:
    """Return the ``files.content_key`` of a record that has an embedding."""
    assert record.embedding is not None
    return content_key(record.account, record.embedding.model, ObjectInfo(record.key, record.etag, record.size))


def record_from_item(item: Any) -> FileRecord:
    values = from_item(item)
    # A list leaves out the vector, which is then empty.
    embedding = {_EMBEDDING_FIELDS.get(name, name): values.get(name, b"") for name in _EMBEDDING_ATTRIBUTES}
    embedding |= {"taken": optional_time(values.get("taken")), "perceptual_hash": values.get("perceptual_hash")}
    return FileRecord(
        account=values["account"],
        collection=values["collection"],
        key=values["key"],
        state=FileState(values["state"]),
        etag=values["etag"],
        size=values["size"],
        version=values["version"],
        updated_at=datetime.fromisoformat(values["updated_at"]),
        embedding=ImageEmbedding(**embedding) if "md5" in values else None,
        reason=values.get("reason"),
        detail=values.get("detail"),
        sequencer=values.get("sequencer"),
        model=values.get("model"),
        event_at=optional_time(values.get("event_at")),
        thumbnail=values.get("thumbnail"),
        failed_since=optional_time(values.get("failed_since")),
        modified=optional_time(values.get("modified")),
        metadata=metadata_from_json(values.get("metadata")),
        moved_to=values.get("moved_to"),
    )


def list_query(
    table: str, collection: str, state: FileState | None, after: str | None, reason: str | None = None
) -> Any:
    """Return the query for a collection's records in one state, or in all but removed, in the order of their keys.

    A reason is that of failed records. Failed and pending records are few and have an index of their own.
    """
    names = {f"#n{number}": name for number, name in enumerate(_LISTED_ATTRIBUTES)}
    values: dict[str, Any] = {":after": after} if after is not None else {}
    query: dict[str, Any] = {"TableName": table, "ProjectionExpression": ", ".join(names)}
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


def _embedding_values(embedding: ImageEmbedding | None) -> dict[str, Any]:
    if embedding is None:
        return {}
    return {name: getattr(embedding, _EMBEDDING_FIELDS.get(name, name)) for name in _EMBEDDING_ATTRIBUTES}
