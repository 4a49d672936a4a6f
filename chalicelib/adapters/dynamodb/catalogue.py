"""The catalogue in DynamoDB: a partition for each collection, sorted by key, with each object's state and embedding."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import CONDITION_FAILED, from_item, to_attribute, to_item
from chalicelib.adapters.dynamodb.records import content_of, item_of, key_of, listing, record_of
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import PLAN_FULL, usage_update
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.files import OVER_PLAN, CatalogueEntry, FilePage, FileRecord, FileState, PendingWrite
from chalicelib.domain.plans import Plan

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

QUERY_PAGE_RECORDS, MAX_PAGES_PER_REQUEST = 200, 20  # records looked at, removed ones among them
MAX_CONTENT_CANDIDATES = 3  # an index may lag behind, but not at every one of them
_KNOWN = ("key", "state", "etag", "size", "model", "reason")
_STATES = {state.value: state for state in FileState}


class DynamoDBCatalogue:
    def __init__(self, client: "DynamoDBClient", table: str, collections_table: str, accounts_table: str) -> None:
        self._client = client
        self._table = table
        self._collections = collections_table
        self._accounts = accounts_table

    def get(self, collection: str, key: str) -> FileRecord | None:
        where = key_of(collection, key)
        found = self._client.get_item(TableName=self._table, Key=where, ConsistentRead=True).get("Item")
        return record_of(found) if found else None

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        wanted = [key_of(collection, key) for key in dict.fromkeys(keys)]
        records = map(record_of, batches.read(self._client, self._table, wanted))
        return {record.key: record for record in records}

    def find(self, uuid: str) -> FileRecord | None:
        hits = self._client.query(
            TableName=self._table,
            IndexName="by-uuid",
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "uuid"},
            ExpressionAttributeValues={":u": to_attribute(uuid)},
        )["Items"]
        if not hits:
            return None
        where = from_item(hits[0])
        return self.get(where["collection"], where["key"])

    def entries(self, collection: str, after: str | None) -> Iterator[CatalogueEntry]:
        condition, values = "#n1 = :c", {":c": collection}
        names = {"#n1": "collection"} | {f"#p{place}": name for place, name in enumerate(_KNOWN)}
        if after is not None:
            condition, values = "#n1 = :c AND #p0 > :after", {":c": collection, ":after": after}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ProjectionExpression=", ".join(f"#p{place}" for place in range(len(_KNOWN))),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
        )
        for page in pages:
            for item in page["Items"]:
                # By hand: this runs for every object of every sync, and the general way takes ten times as long.
                model = item.get("model")
                yield CatalogueEntry(
                    item["key"]["S"],
                    _STATES[item["state"]["S"]],
                    item["etag"]["S"],
                    int(item["size"]["N"]),
                    model["S"] if model else None,
                    "reason" in item and item["reason"].get("S") == OVER_PLAN,
                )

    def find_by_content(self, contents: Sequence[str]) -> dict[str, FileRecord]:
        found: dict[str, FileRecord] = {}
        for name in contents:
            for record in self._by_index("by-content", "content", name, Limit=MAX_CONTENT_CANDIDATES):
                if record.embedding is not None and content_of(record) == name:
                    found[name] = record
                    break
        return found

    def page(self, collection: str, state: FileState | None, *, after: str | None, limit: int) -> FilePage:
        query = listing(self._table, collection, state, after)
        records: list[FileRecord] = []
        for _ in range(MAX_PAGES_PER_REQUEST):
            answer = self._client.query(**query, Limit=QUERY_PAGE_RECORDS)
            records.extend(map(record_of, answer["Items"]))
            if len(records) > limit:
                return FilePage(records[:limit], records[limit - 1].key)
            if "LastEvaluatedKey" not in answer:
                return FilePage(records, None)
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        # Many removed ones lie between: as far as this request has come, the next goes on.
        return FilePage(records, from_item(query["ExclusiveStartKey"])["key"])

    def remove_page(self, collection: str) -> bool:
        found = self._client.query(
            TableName=self._table,
            KeyConditionExpression="#c = :c",
            ProjectionExpression="#c, #k",
            ExpressionAttributeNames={"#c": "collection", "#k": "key"},
            ExpressionAttributeValues=to_item({":c": collection}),
            ConsistentRead=True,
            Limit=batches.DELETE_LIMIT,
        )["Items"]
        if found:
            batches.delete(self._client, self._table, found)
        return bool(found)

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        if self.save_all([PendingWrite(record, previous)]):
            raise StaleWrite

    def save_all(self, drafts: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        left, stale = list(drafts), set[str]()
        while left:
            refused = self._transact(left, plan)
            stale |= {left[place].record.key for place in refused}
            left = [draft for place, draft in enumerate(left) if place not in refused] if refused else []
        return stale

    def fix_statistics(self, collection: Collection, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        names = (":was_files", ":was_size", ":files", ":size")
        try:
            self._client.update_item(
                TableName=self._collections,
                Key=to_item({"account": collection.account, "uuid": collection.uuid}),
                UpdateExpression="SET total_files = :files, total_size = :size",
                ConditionExpression="total_files = :was_files AND total_size = :was_size",
                ExpressionAttributeValues=to_item(dict(zip(names, (*stated, *counted), strict=True))),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def removed_on(self, day: date) -> Iterator[FileRecord]:
        return self._by_index("by-removal", "removed_on", day.isoformat())

    def forget(self, record: FileRecord) -> bool:
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=key_of(record.collection, record.key),
                ConditionExpression="#v = :v AND #s = :removed",
                ExpressionAttributeNames={"#v": "version", "#s": "state"},
                ExpressionAttributeValues=to_item({":v": record.version, ":removed": FileState.REMOVED}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transact(self, drafts: Sequence[PendingWrite], plan: Plan | None) -> set[int]:
        """Write all, or answer the places of those that are stale and write none."""
        record = drafts[0].record
        files, size = (sum(each) for each in zip(*(draft.usage_delta for draft in drafts), strict=True))
        where = {"Key": to_item({"account": record.account, "uuid": record.collection})}
        there = {
            "ConditionExpression": "attribute_exists(#u) AND attribute_not_exists(deleted_at)",
            "ExpressionAttributeNames": {"#u": "uuid"},
        }
        if files or size:
            counted: Any = {
                "Update": {
                    "TableName": self._collections,
                    "UpdateExpression": "ADD total_files :files, total_size :size",
                    "ExpressionAttributeValues": to_item({":files": files, ":size": size}),
                    **where,
                    **there,
                }
            }
        else:  # nothing to count: a check does not lock other writers out
            counted = {"ConditionCheck": {"TableName": self._collections, **where, **there}}
        puts: list[Any] = [self._put(draft) for draft in drafts]
        counts = [counted]
        if plan is not None and (files or size):
            counts.append({"Update": usage_update(self._accounts, record.account, plan, files, size)})
        codes = transact(self._client, [*puts, *counts])
        of_records, of_counts = codes[: len(puts)], codes[len(puts) :]
        if of_counts[:1] == [CONDITION_FAILED]:
            raise NotFound("The collection is gone.")
        refused = {place for place, code in enumerate(of_records) if code == CONDITION_FAILED}
        if not refused and of_counts[1:] == [CONDITION_FAILED]:
            raise QuotaExceeded(PLAN_FULL)
        return refused

    def _put(self, draft: PendingWrite) -> Any:
        put: Any = {
            "TableName": self._table,
            "Item": item_of(draft.record),
            "ExpressionAttributeNames": {"#v": "version"},
            "ConditionExpression": "attribute_not_exists(#v)",
        }
        if draft.previous is not None:
            put["ConditionExpression"] = "#v = :v"
            put["ExpressionAttributeValues"] = {":v": to_attribute(draft.previous.version)}
        return {"Put": put}

    def _by_index(self, index: str, attribute: str, value: str, **options: Any) -> Iterator[FileRecord]:
        """Records that an index of keys points to, read again from the table."""
        query: Any = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": to_attribute(value)},
        }
        if "Limit" in options:
            pages: Any = [self._client.query(**query, **options)]
        else:
            pages = self._client.get_paginator("query").paginate(**query)
        for page in pages:
            for hit in page["Items"]:
                record = self.get(hit["collection"]["S"], hit["key"]["S"])
                if record is not None:
                    yield record
