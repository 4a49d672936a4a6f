"""The catalogue in DynamoDB: a partition for each collection, sorted by key, with each object's state and embedding."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.collections import count_attribute
from chalicelib.adapters.dynamodb.items import from_item, to_attribute, to_item
from chalicelib.adapters.dynamodb.pace import UNPACED, WritePace, transaction_units
from chalicelib.adapters.dynamodb.records import (
    list_query,
    record_content_key,
    record_from_item,
    record_key,
    record_to_item,
    removal_keys,
)
from chalicelib.adapters.dynamodb.refusals import CONDITION_FAILED
from chalicelib.adapters.dynamodb.retries import OF_A_REQUEST, Retries
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import PLAN_FULL, usage_update
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.files import CatalogueEntry, FileCounts, FilePage, FileRecord, FileState, PendingWrite
from chalicelib.domain.plans import Plan

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

RECORDS_PER_QUERY = 200  # that a list reads at once, those included that it leaves out
RECORDS_PER_PAGE = 1000  # that a list reads at most; each has a vector, so about 3 MB
MAX_PARALLEL_QUERIES = 8  # below the ten connections that urllib3 keeps for a client
MAX_CONTENT_CANDIDATES = 3  # the index may lag behind, but not for each of several records
_ENTRY_ATTRIBUTES = ("key", "state", "etag", "size", "model", "reason", "retry_at", "modified")
_STATES = {state.value: state for state in FileState}


class DynamoDBCatalogue:
    """Args:
    retries: of refused writes; a worker that has embedded pictures waits longer to save them than a request may.
    pace: of writes to a collection's partition.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        collections_table: str,
        accounts_table: str,
        retries: Retries = OF_A_REQUEST,
        pace: WritePace = UNPACED,
    ) -> None:
        self._retries = retries
        self._pace = pace
        self._client = client
        self._table = table
        self._collections = collections_table
        self._accounts = accounts_table

    def get(self, collection: str, key: str) -> FileRecord | None:
        item = self._client.get_item(
            TableName=self._table, Key=record_key(collection, key), ConsistentRead=True
        ).get("Item")  # fmt: skip
        return record_from_item(item) if item else None

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        primary_keys = [record_key(collection, key) for key in dict.fromkeys(keys)]
        records = map(record_from_item, batches.read(self._client, self._table, primary_keys))
        return {record.key: record for record in records}

    def get_each(self, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRecord]:
        primary_keys = [record_key(collection, key) for collection, key in dict.fromkeys(files)]
        records = map(record_from_item, batches.read(self._client, self._table, primary_keys))
        return {(record.collection, record.key): record for record in records}

    def find(self, uuid: str) -> FileRecord | None:
        return next(self._by_index("by-uuid", "uuid", uuid), None)

    def find_many(self, uuids: Sequence[str]) -> dict[str, FileRecord]:
        def keys_of(uuid: str) -> list[Any]:
            query: Any = self._index_query("by-uuid", "uuid", uuid)
            items = self._client.query(**query)["Items"]
            return [record_key(keys["collection"]["S"], keys["key"]["S"]) for keys in items]

        with ThreadPoolExecutor(MAX_PARALLEL_QUERIES) as pool:  # a client of boto3 may be shared by threads
            primary_keys = [key for found in pool.map(keys_of, dict.fromkeys(uuids)) for key in found]
        records = map(record_from_item, batches.read(self._client, self._table, primary_keys))
        return {record.uuid: record for record in records}

    def entries(self, collection: str, after: str | None, limit: int | None = None) -> Iterator[CatalogueEntry]:
        condition, values = "#n1 = :c", {":c": collection}
        names = {"#n1": "collection"} | {f"#p{number}": name for number, name in enumerate(_ENTRY_ATTRIBUTES)}
        if after is not None:
            condition, values = "#n1 = :c AND #p0 > :after", {":c": collection, ":after": after}
        limits: Any = {"PageSize": limit, "MaxItems": limit} if limit is not None else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ProjectionExpression=", ".join(f"#p{number}" for number in range(len(_ENTRY_ATTRIBUTES))),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
            PaginationConfig=limits,
        )
        for page in pages:
            for item in page["Items"]:
                # Not by ``from_item``, which takes ten times as long: this runs for every object of every sync.
                model = item.get("model")
                yield CatalogueEntry(
                    item["key"]["S"],
                    _STATES[item["state"]["S"]],
                    item["etag"]["S"],
                    int(item["size"]["N"]),
                    model["S"] if model else None,
                    item["reason"].get("S") if "reason" in item else None,
                    datetime.fromisoformat(item["retry_at"]["S"]) if "retry_at" in item else None,
                    datetime.fromisoformat(item["modified"]["S"]) if "modified" in item else None,
                )

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, FileRecord]:
        records: dict[str, FileRecord] = {}
        for content_key in content_keys:
            for record in self._by_index("by-content", "content", content_key, limit=MAX_CONTENT_CANDIDATES):
                if record.embedding is not None and record_content_key(record) == content_key:
                    records[content_key] = record
                    break
        return records

    def page(
        self, collection: str, state: FileState | None, *, after: str | None, limit: int, reason: str | None = None
    ) -> FilePage:
        query = list_query(self._table, collection, state, after, reason)
        records: list[FileRecord] = []
        read = 0
        while read < RECORDS_PER_PAGE:
            # At first no more than the page has: mostly nothing lies between that it leaves out.
            at_once = min(max(limit + 1 - len(records), read), RECORDS_PER_QUERY, RECORDS_PER_PAGE - read)
            response = self._client.query(**query, Limit=at_once)
            read += response["ScannedCount"]
            records.extend(map(record_from_item, response["Items"]))
            if len(records) > limit:
                return FilePage(records[:limit], records[limit - 1].key)
            if "LastEvaluatedKey" not in response:
                return FilePage(records, None)
            query["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        # Much that it leaves out lies between: the next page continues where this request has stopped.
        return FilePage(records, from_item(query["ExclusiveStartKey"])["key"])

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        if self.save_all([PendingWrite(record, previous)]):
            raise StaleWrite

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        remaining, stale_keys = list(writes), set[str]()
        while remaining:
            stale = self._write(remaining, plan)
            stale_keys |= {remaining[position].record.key for position in stale}
            remaining = [write for position, write in enumerate(remaining) if position not in stale] if stale else []
        return stale_keys

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        for number in range((last - first).days + 1):
            for removal_key in removal_keys(shard, first + timedelta(days=number)):
                yield from self._by_index("by-removal", "removed_on", removal_key)

    def delete(self, record: FileRecord) -> bool:
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=record_key(record.collection, record.key),
                ConditionExpression="#v = :v AND #s = :removed",
                ExpressionAttributeNames={"#v": "version", "#s": "state"},
                ExpressionAttributeValues=to_item({":v": record.version, ":removed": FileState.REMOVED}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete_page(self, collection: str) -> bool:
        keys = self._client.query(
            TableName=self._table,
            KeyConditionExpression="#c = :c",
            ProjectionExpression="#c, #k",
            ExpressionAttributeNames={"#c": "collection", "#k": "key"},
            ExpressionAttributeValues=to_item({":c": collection}),
            ConsistentRead=True,
            Limit=batches.MAX_DELETIONS_PER_WRITE,
        )["Items"]
        if keys:
            batches.delete(self._client, self._table, keys, self._retries)
        return bool(keys)

    def fix_statistics(self, collection: Collection, stated: FileCounts, counted: FileCounts) -> bool:
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
            self._client.update_item(
                TableName=self._collections,
                Key=to_item({"account": collection.account, "uuid": collection.uuid}),
                UpdateExpression=f"SET {', '.join(assignments)}",
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames={placeholder: name for name, placeholder in placeholders.items()},
                ExpressionAttributeValues=to_item(values),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _write(self, writes: Sequence[PendingWrite], plan: Plan | None) -> set[int]:
        """Write all records; or none, and return the positions of the stale ones."""
        record = writes[0].record
        deltas = [write.usage_delta for write in writes]
        files, size = (sum(amounts) for amounts in zip(*deltas, strict=True))
        unindexed: Counter[str] = Counter()
        for write in writes:
            unindexed.update(write.unindexed_delta)
        puts = [self._put(write) for write in writes]
        parts = [*puts, self._statistics_update(record, files, size, unindexed)]
        if plan is not None and (files or size):
            parts.append({"Update": usage_update(self._accounts, record.account, plan, files, size)})
        self._pace.wait(record.collection, sum(transaction_units(put["Put"]["Item"]) for put in puts))
        failures = transact(self._client, parts, self._retries)
        statistics, usage = len(puts), len(puts) + 1  # positions
        if failures.get(statistics) == CONDITION_FAILED:
            raise NotFound("The collection is deleted.")
        stale = {position for position in range(len(puts)) if failures.get(position) == CONDITION_FAILED}
        if not stale and failures.get(usage) == CONDITION_FAILED:
            raise QuotaExceeded(PLAN_FULL)
        return stale

    def _statistics_update(self, record: FileRecord, files: int, size: int, unindexed: Mapping[str, int]) -> Any:
        """Return the part of a transaction that counts a record's collection, and fails if the collection is gone."""
        on_collection: dict[str, Any] = {
            "TableName": self._collections,
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

    def _put(self, write: PendingWrite) -> Any:
        put: Any = {
            "TableName": self._table,
            "Item": record_to_item(write.record),
            "ExpressionAttributeNames": {"#v": "version"},
            "ConditionExpression": "attribute_not_exists(#v)",
        }
        if write.previous is not None:
            put["ConditionExpression"] = "#v = :v"
            put["ExpressionAttributeValues"] = {":v": to_attribute(write.previous.version)}
        return {"Put": put}

    def _index_query(self, index: str, attribute: str, value: str) -> Any:
        return {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": to_attribute(value)},
        }

    def _by_index(self, index: str, attribute: str, value: str, limit: int | None = None) -> Iterator[FileRecord]:
        """Return records with this value, read from the table: the index has keys only, and may lag behind."""
        query = self._index_query(index, attribute, value)
        if limit is not None:
            pages: Any = [self._client.query(**query, Limit=limit)]
        else:
            pages = self._client.get_paginator("query").paginate(**query)
        for page in pages:
            for keys in page["Items"]:
                record = self.get(keys["collection"]["S"], keys["key"]["S"])
                if record is not None:
                    yield record


def _count_values(counts: FileCounts) -> dict[str, int]:
    """The values of a collection's attributes that count its files."""
    unindexed = {count_attribute(name): count for name, count in counts.unindexed.items()}
    return {"total_files": counts.files, "total_size": counts.bytes, **unindexed}
