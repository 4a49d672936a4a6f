"""The catalogue in DynamoDB: a partition for each collection, sorted by key, with each object's state.

What the embedder has made of an object is in a partition of its file (``images``).
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.images import (
    DynamoDBImages,
    is_image_key,
    record_content_key,
)
from chalicelib.adapters.dynamodb.items import from_item, to_attribute, to_item
from chalicelib.adapters.dynamodb.pace import UNPACED, WritePace, transaction_units
from chalicelib.adapters.dynamodb.records import (
    InlineEmbedding,
    image_of_item,
    list_query,
    record_from_item,
    record_key,
    record_put,
    removal_keys,
    time_from_attribute,
)
from chalicelib.adapters.dynamodb.refusals import CONDITION_FAILED
from chalicelib.adapters.dynamodb.renewal import renew_page
from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY, OF_A_REQUEST, Retries
from chalicelib.adapters.dynamodb.statistics import fix_statistics, statistics_update
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import PLAN_FULL, usage_update
from chalicelib.adapters.parallel import call_each
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import KnownImage
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite, Unavailable
from chalicelib.domain.file_images import FileImage
from chalicelib.domain.files import (
    CatalogueEntry,
    FileCounts,
    FilePage,
    FileRecord,
    FileState,
    PendingWrite,
    RenewedPage,
    file_uuid,
)
from chalicelib.domain.plans import Plan

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

RECORDS_PER_QUERY = 200  # that a list reads at once, those included that it leaves out
ENTRIES_PER_PAGE = 1500  # a page of 1 MB has thrice as many, and more live objects slow Python's garbage collector
RECORDS_PER_PAGE = 1000  # that a list reads at most
CHUNKS_READ_AHEAD = 3  # of whole records, while the caller works with one
REMOVALS_PER_READ = 25
READ_ATTEMPTS = 4  # at records that are replaced, and their images deleted, while they are read
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
        self._images = DynamoDBImages(client, table, retries)

    def get(self, collection: str, key: str) -> FileRecord | None:
        item = self._item(collection, key)
        return next(iter(self._complete([item])), None) if item else None

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        records = self._read([record_key(collection, key) for key in dict.fromkeys(keys)])
        return {record.key: record for record in records}

    def get_each(self, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRecord]:
        records = self._read([record_key(collection, key) for collection, key in dict.fromkeys(files)])
        return {(record.collection, record.key): record for record in records}

    def find(self, uuid: str) -> FileRecord | None:
        place, images = self._images.of_file(uuid)
        place = place or self._place_by_index(uuid)
        item = self._item(*place) if place is not None else None
        if item is None:
            return None
        image = image_of_item(item)
        if image is not None and image in images:
            return record_from_item(item, images[image])
        return next(iter(self._complete([item])), None)

    def find_many(self, uuids: Sequence[str]) -> dict[str, FileRecord]:
        places = call_each(self._place, dict.fromkeys(uuids))
        records = self._read([record_key(*place) for place in places if place is not None])
        return {record.uuid: record for record in records}

    def chunks(self, collection: str, size: int, limit: int | None = None) -> Iterator[list[FileRecord]]:
        with ThreadPoolExecutor(CHUNKS_READ_AHEAD) as pool:
            pending: deque[Future[list[FileRecord]]] = deque()
            for items in self._item_chunks(collection, size, limit):
                pending.append(pool.submit(self._complete, items))
                if len(pending) > CHUNKS_READ_AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def entries(self, collection: str, after: str | None, limit: int | None = None) -> Iterator[CatalogueEntry]:
        condition, values = "#n1 = :c", {":c": collection}
        names = {"#n1": "collection"} | {f"#p{number}": name for number, name in enumerate(_ENTRY_ATTRIBUTES)}
        if after is not None:
            condition, values = "#n1 = :c AND #p0 > :after", {":c": collection, ":after": after}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ProjectionExpression=", ".join(f"#p{number}" for number in range(len(_ENTRY_ATTRIBUTES))),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
            PaginationConfig=_limits(limit, page=ENTRIES_PER_PAGE),
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
                    time_from_attribute(item["retry_at"]) if "retry_at" in item else None,
                    time_from_attribute(item["modified"]) if "modified" in item else None,
                )

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        def candidates(content: str) -> list[Any]:
            query = self._index_query("by-content", "content", content)
            items = self._client.query(**query, Limit=MAX_CONTENT_CANDIDATES)["Items"]
            return [{name: item[name] for name in ("collection", "key")} for item in items]

        keys = [key for found in call_each(candidates, content_keys) for key in found]
        known = self._images.by_content([key for key in keys if is_image_key(key)])
        # Records of earlier versions have their image inside.
        for record in self._read([key for key in keys if not is_image_key(key)]):
            if record.embedding is not None and record.thumbnail is not None:
                image = KnownImage(record.embedding, record.thumbnail, record.collection)
                known.setdefault(record_content_key(record), image)
        return {content: known[content] for content in content_keys if content in known}

    def page(
        self, collection: str, state: FileState | None, *, after: str | None, limit: int, reason: str | None = None
    ) -> FilePage:
        query = list_query(self._table, collection, state, after, reason)
        items: list[Any] = []
        read = 0
        while read < RECORDS_PER_PAGE:
            # At first no more than the page has: mostly nothing lies between that it leaves out.
            at_once = min(max(limit + 1 - len(items), read), RECORDS_PER_QUERY, RECORDS_PER_PAGE - read)
            response = self._client.query(**query, Limit=at_once)
            read += response["ScannedCount"]
            items.extend(response["Items"])
            if len(items) > limit:
                return self._page(items[:limit], items[limit - 1]["key"]["S"])
            if "LastEvaluatedKey" not in response:
                return self._page(items, None)
            query["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        # Much that it leaves out lies between: the next page continues where this request has stopped.
        return self._page(items, from_item(query["ExclusiveStartKey"])["key"])

    def put_images(self, records: Sequence[FileRecord]) -> None:
        self._images.put(records)

    def delete_images(self, images: Sequence[FileImage]) -> None:
        self._images.delete(images)

    def images_of(self, files: Sequence[str]) -> list[FileImage]:
        return self._images.of_files(files)

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        if self.save_all([PendingWrite(record, previous)]):
            raise StaleWrite

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        # The next write of a record of an earlier version takes its image out of it.
        self._images.put(write.record for write in writes if isinstance(write.record.embedding, InlineEmbedding))
        remaining, stale_keys = list(writes), set[str]()
        while remaining:
            stale = self._write(remaining, plan)
            stale_keys |= {remaining[position].record.key for position in stale}
            remaining = [write for position, write in enumerate(remaining) if position not in stale] if stale else []
        return stale_keys

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        for number in range((last - first).days + 1):
            for removal_key in removal_keys(shard, first + timedelta(days=number)):
                query = self._index_query("by-removal", "removed_on", removal_key)
                pages = self._client.get_paginator("query").paginate(**query)
                keys = (key for page in pages for key in page["Items"])
                # The index has keys only, and may lag behind.
                while some := [
                    record_key(key["collection"]["S"], key["key"]["S"]) for key in islice(keys, REMOVALS_PER_READ)
                ]:
                    yield from self._read(some)

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
            # The images first: the records lead to them, whenever this is continued.
            files = [file_uuid(key["collection"]["S"], key["key"]["S"]) for key in keys]
            self._images.delete(self._images.of_files(files))
            batches.delete(self._client, self._table, keys, self._retries)
        return bool(keys)

    def renew_page(self, collection: str, after: str | None) -> RenewedPage:
        return renew_page(self._client, self._table, self._images, collection, after)

    def fix_statistics(self, collection: Collection, stated: FileCounts, counted: FileCounts) -> bool:
        return fix_statistics(self._client, self._collections, collection, stated, counted)

    def _write(self, writes: Sequence[PendingWrite], plan: Plan | None) -> set[int]:
        """Write all records; or none, and return the positions of the stale ones."""
        record = writes[0].record
        deltas = [write.usage_delta for write in writes]
        files, size = (sum(amounts) for amounts in zip(*deltas, strict=True))
        unindexed: Counter[str] = Counter()
        for write in writes:
            unindexed.update(write.unindexed_delta)
        puts = [{"Put": record_put(self._table, write.record, write.previous)} for write in writes]
        parts = [*puts, statistics_update(self._collections, record, files, size, unindexed)]
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

    def _index_query(self, index: str, attribute: str, value: str) -> Any:
        return {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": to_attribute(value)},
        }

    def _read(self, primary_keys: Sequence[Any]) -> list[FileRecord]:
        return self._complete(batches.read(self._client, self._table, primary_keys))

    def _complete(self, items: Iterable[Any], *, with_vectors: bool = True) -> list[FileRecord]:
        """Return the records of items with their images, in the order of the items.

        An image may be missing because the item was read before its record was replaced, or because images are read
        without consistency at first, which costs half. Such an item is read again; if it is gone, it is left out.

        Raises:
            Unavailable: other workers kept replacing a record.
        """
        left = {(item["collection"]["S"], item["key"]["S"]): item for item in items}
        order, records = list(left), dict[tuple[str, str], FileRecord]()
        for attempt in range(READ_ATTEMPTS):
            named = {key: image for key, item in left.items() if (image := image_of_item(item)) is not None}
            images = self._images.read(named.values(), consistent=attempt > 0, with_vectors=with_vectors)
            missing = [key for key, image in named.items() if image not in images]
            for key, item in left.items():
                if key not in named or named[key] in images:
                    records[key] = record_from_item(item, images[named[key]] if key in named else None)
            if not missing:
                return [records[key] for key in order if key in records]
            again = batches.read(self._client, self._table, [record_key(*key) for key in missing], self._retries)
            left = {(item["collection"]["S"], item["key"]["S"]): item for item in again}
        raise Unavailable(DATABASE_BUSY)

    def _item_chunks(self, collection: str, size: int, limit: int | None) -> Iterator[list[Any]]:
        """The items of a collection's records, in the order of their keys."""
        query = list_query(self._table, collection, None, None)
        del query["FilterExpression"]
        query["ExpressionAttributeNames"].pop("#state")
        query["ExpressionAttributeValues"].pop(":state")
        pages = self._client.get_paginator("query").paginate(**query, PaginationConfig=_limits(limit))
        items = (item for page in pages for item in page["Items"])
        while chunk := list(islice(items, size)):
            yield chunk

    def _page(self, items: Sequence[Any], after: str | None) -> FilePage:
        return FilePage(self._complete(items, with_vectors=False), after)

    def _item(self, collection: str, key: str) -> Any:
        response = self._client.get_item(TableName=self._table, Key=record_key(collection, key), ConsistentRead=True)
        return response.get("Item")

    def _place(self, uuid: str) -> tuple[str, str] | None:
        return self._images.place(uuid) or self._place_by_index(uuid)

    def _place_by_index(self, uuid: str) -> tuple[str, str] | None:
        """The collection and the key of a file without an image, or of a record of an earlier version."""
        items = self._client.query(**self._index_query("by-uuid", "uuid", uuid), Limit=1)["Items"]
        return next(((item["collection"]["S"], item["key"]["S"]) for item in items), None)


def _limits(limit: int | None, page: int | None = None) -> Any:
    """The configuration of a paginator that reads so many items at most, and so many a page if there is no limit."""
    if limit is not None:
        return {"PageSize": limit, "MaxItems": limit}
    return {"PageSize": page} if page is not None else {}
