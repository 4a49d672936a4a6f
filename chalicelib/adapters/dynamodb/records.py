"""A record of the catalogue as an item of its table, and the query that lists records."""

from typing import Any

from chalicelib.adapters.dynamodb.items import from_item, time, to_attribute, to_item
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo, content_key

_PICTURE = ("model", "vector", "picture_size", "md5", "width", "height", "format")
_FIELDS = {"picture_size": "size"}
# What a list shows of a record: all but the vector.
_OF_A_RECORD = ("account", "collection", "key", "state", "etag", "size", "version", "updated_at", "reason", "detail")
_LISTED = (*_OF_A_RECORD, "sequencer", "event_at", "model", "picture_size", "md5", "width", "height", "format")
_APART = (FileState.FAILED, FileState.PENDING)


def key_of(collection: str, key: str) -> dict[str, Any]:
    """The table's key of a record."""
    return {"collection": to_attribute(collection), "key": to_attribute(key)}


def item_of(record: FileRecord) -> dict[str, Any]:
    picture = record.embedding
    return to_item(
        {
            "account": record.account,
            "collection": record.collection,
            "key": record.key,
            "uuid": record.uuid,
            "state": record.state,
            "listed_as": f"{record.collection}#{record.state}" if record.state in _APART else None,
            "etag": record.etag,
            "size": record.size,
            "version": record.version,
            "updated_at": record.updated_at,
            "reason": record.reason,
            "detail": record.detail,
            "sequencer": record.sequencer,
            "event_at": record.event_at,
            "thumbnail": record.thumbnail,
            "model": record.model,
            "content": content_of(record) if picture else None,
            "removed_on": record.updated_at.date().isoformat() if record.state is FileState.REMOVED else None,
            **({name: getattr(picture, _FIELDS.get(name, name)) for name in _PICTURE} if picture else {}),
        }
    )


def content_of(record: FileRecord) -> str:
    """What an indexed record's object holds, as ``files.content_key`` names it."""
    assert record.embedding is not None
    return content_key(record.account, record.embedding.model, ObjectInfo(record.key, record.etag, record.size))


def record_of(item: Any) -> FileRecord:
    values = from_item(item)
    updated = time(values["updated_at"])
    assert updated is not None
    shown = {_FIELDS.get(name, name): values.get(name, b"") for name in _PICTURE}
    picture = ImageEmbedding(**shown) if "md5" in values else None
    return FileRecord(
        account=values["account"],
        collection=values["collection"],
        key=values["key"],
        state=FileState(values["state"]),
        etag=values["etag"],
        size=values["size"],
        version=values["version"],
        updated_at=updated,
        embedding=picture,
        reason=values.get("reason"),
        detail=values.get("detail"),
        sequencer=values.get("sequencer"),
        model=values.get("model"),
        event_at=time(values.get("event_at")),
        thumbnail=values.get("thumbnail"),
    )


def listing(table: str, collection: str, state: FileState | None, after: str | None) -> Any:
    """The query for a collection's records of a state, or of all but the removed, in the order of their keys.

    The few that failed or are pending have an index of their own.
    """
    names = {f"#n{place}": name for place, name in enumerate(_LISTED)}
    values: dict[str, Any] = {":after": after} if after is not None else {}
    query: dict[str, Any] = {"TableName": table, "ProjectionExpression": ", ".join(names)}
    if state in _APART:
        query["IndexName"] = "by-state"
        names["#partition"], values[":partition"] = "listed_as", f"{collection}#{state}"
    else:
        names |= {"#partition": "collection", "#state": "state"}
        query |= {"ConsistentRead": True, "FilterExpression": "#state = :state" if state else "#state <> :state"}
        values |= {":partition": collection, ":state": state or FileState.REMOVED}
    condition = "#partition = :partition"
    if after is not None:
        condition += " AND #key > :after"
        names["#key"] = "key"
    return query | {
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item(values),
    }
