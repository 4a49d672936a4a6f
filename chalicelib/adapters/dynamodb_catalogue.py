"""The catalogue in DynamoDB: a partition for each collection, sorted by key, with each object's state and embedding."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.items import CONDITION_FAILED, CONFLICT, cancellation_codes, from_item, time, to_item, to_value
from chalicelib.adapters.retrying import with_retries
from chalicelib.domain.errors import NotFound, StaleWrite, Unavailable
from chalicelib.domain.files import FileRecord, FileState, Picture

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

GET_LIMIT = 100  # keys a BatchGetItem takes
_PICTURE = ("model", "vector", "picture_size", "md5", "width", "height", "format")
# The walk of a sync reads every record: without the vectors it costs a tenth.
_WITHOUT_PICTURE = ("account", "collection", "key", "state", "etag", "size", "version", "updated_at", "sequencer")


class DynamoDBCatalogue:
    def __init__(self, client: "DynamoDBClient", table: str, collections_table: str) -> None:
        self._client = client
        self._table = table
        self._collections = collections_table

    def get(self, collection: str, key: str) -> FileRecord | None:
        found = self._client.get_item(TableName=self._table, Key=_key(collection, key), ConsistentRead=True).get("Item")
        return _record(found) if found else None

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        records: dict[str, FileRecord] = {}
        unique = list(dict.fromkeys(keys))
        for start in range(0, len(unique), GET_LIMIT):
            for item in self._batch_get([_key(collection, key) for key in unique[start : start + GET_LIMIT]]):
                record = _record(item)
                records[record.key] = record
        return records

    def find(self, uuid: str) -> FileRecord | None:
        hits = self._client.query(
            TableName=self._table,
            IndexName="by-uuid",
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "uuid"},
            ExpressionAttributeValues={":u": to_value(uuid)},
        )["Items"]
        if not hits:
            return None
        where = from_item(hits[0])
        return self.get(where["collection"], where["key"])

    def walk(self, collection: str, after: str | None) -> Iterator[FileRecord]:
        condition, values = "#n1 = :c", {":c": collection}
        if after is not None:
            condition, values = "#n1 = :c AND #n2 > :after", {":c": collection, ":after": after}
        names = {f"#n{place}": name for place, name in enumerate(_WITHOUT_PICTURE)}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
        )
        for page in pages:
            yield from map(_record, page["Items"])

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        put: Any = {"TableName": self._table, "Item": _item(record), "ExpressionAttributeNames": {"#v": "version"}}
        if previous is None:
            put["ConditionExpression"] = "attribute_not_exists(#v)"
        else:
            put["ConditionExpression"] = "#v = :v"
            put["ExpressionAttributeValues"] = {":v": to_value(previous.version)}
        was = previous.counted if previous else (0, 0)
        values = {":files": record.counted[0] - was[0], ":size": record.counted[1] - was[1]}
        update: Any = {
            "TableName": self._collections,
            "Key": to_item({"account": record.account, "uuid": record.collection}),
            "UpdateExpression": "ADD total_files :files, total_size :size",
            "ConditionExpression": "attribute_exists(#u)",
            "ExpressionAttributeNames": {"#u": "uuid"},
            "ExpressionAttributeValues": to_item(values),
        }

        def transact() -> None:
            try:
                self._client.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])
            except self._client.exceptions.TransactionCanceledException as error:
                codes = cancellation_codes(error)
                if codes[:1] == [CONDITION_FAILED]:
                    raise StaleWrite from error
                if codes[1:] == [CONDITION_FAILED]:
                    raise NotFound("The collection is gone.") from error
                raise

        with_retries(transact, _is_conflict)

    def _batch_get(self, keys: list[Any]) -> Iterator[Any]:
        request: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for _ in range(8):
            answer = self._client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self._table, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
        raise Unavailable("The catalogue is busy. Try again in a moment.")


def _key(collection: str, key: str) -> dict[str, Any]:
    return {"collection": to_value(collection), "key": to_value(key)}


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ClientError) and CONFLICT in cancellation_codes(error)


def _item(record: FileRecord) -> dict[str, Any]:
    picture = record.picture
    return to_item(
        {
            "account": record.account,
            "collection": record.collection,
            "key": record.key,
            "uuid": record.uuid,
            "state": record.state,
            "etag": record.etag,
            "size": record.size,
            "version": record.version,
            "updated_at": record.updated_at,
            "reason": record.reason,
            "detail": record.detail,
            "sequencer": record.sequencer,
            **({name: getattr(picture, _FIELDS.get(name, name)) for name in _PICTURE} if picture else {}),
        }
    )


_FIELDS = {"picture_size": "size"}


def _record(item: Any) -> FileRecord:
    values = from_item(item)
    updated = time(values["updated_at"])
    assert updated is not None
    picture = Picture(**{_FIELDS.get(name, name): values[name] for name in _PICTURE}) if "vector" in values else None
    return FileRecord(
        account=values["account"],
        collection=values["collection"],
        key=values["key"],
        state=FileState(values["state"]),
        etag=values["etag"],
        size=values["size"],
        version=values["version"],
        updated_at=updated,
        picture=picture,
        reason=values.get("reason"),
        detail=values.get("detail"),
        sequencer=values.get("sequencer"),
    )
