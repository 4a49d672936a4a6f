"""Collections in DynamoDB: one item each, with the state of its latest sync."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_item
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus, Trigger
from chalicelib.domain.selection import DEFAULT_EXCLUDE
from chalicelib.domain.storage_servers import ETagMeaning, StorageServer
from chalicelib.domain.syncs import Progress, Tally

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

DEFAULT_PATTERNS: Mapping[str, tuple[str, ...]] = {"include": (), "exclude": DEFAULT_EXCLUDE}
# Each reason has a counter of its own at the top level: ADD cannot make an item's map and count in it at once.
_UNINDEXED = "unindexed#"
# Figures of the latest sync, each a counter attribute ``sync_NAME``.
SYNC_COUNTS = ("listed", "to_do", "to_remove", "done", "failed", "removed", "skipped", "ignored")


class DynamoDBCollections:
    """Reads collections; ``registry`` creates, changes and deletes them."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, account: str, uuid: str) -> Collection | None:
        key = to_item({"account": account, "uuid": uuid})
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return collection_from_item(item) if item and not _is_deleted(item) else None

    def of_account(self, account: str) -> list[Collection]:
        return [collection_from_item(item) for item in self._query("account", account, ConsistentRead=True)]

    def on_bucket(self, bucket: str) -> list[Collection]:
        found = self._by_index("by-source-bucket", "bucket", bucket)
        on_bucket = (collection for collection in found if collection.bucket == bucket)
        return sorted(on_bucket, key=lambda collection: collection.uuid)

    def due(self, interval: AutoSync) -> Iterator[Collection]:
        found = self._by_index("by-schedule", "auto_sync_interval", interval.value)
        return (collection for collection in found if collection.auto_sync is interval)

    def has_files(self) -> bool:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="total_files > :none AND attribute_not_exists(deleted_at)",
            ProjectionExpression="total_files",
            ExpressionAttributeValues=to_item({":none": 0}),
        )
        return any(page["Items"] for page in pages)

    def _by_index(self, index: str, attribute: str, value: str) -> Iterator[Collection]:
        """The collections with this value, read from the table: an index has keys only, and may lag behind."""
        keys = (
            {name: item[name] for name in ("account", "uuid")}
            for item in self._query(attribute, value, IndexName=index)
        )
        while some := list(islice(keys, batches.MAX_KEYS_PER_READ)):
            items = batches.read(self._client, self._table, some)
            yield from (collection_from_item(item) for item in items if not _is_deleted(item))

    def _query(self, attribute: str, value: str, **options: Any) -> Iterator[Any]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#k = :k",
            ExpressionAttributeNames={"#k": attribute},
            ExpressionAttributeValues=to_item({":k": value}),
            **options,
        )
        for page in pages:
            yield from (item for item in page["Items"] if not _is_deleted(item))


def patterns_to_values(patterns: Mapping[str, tuple[str, ...]]) -> dict[str, list[str] | None]:
    """Return the attributes' values. A default list is None, so that a later version's default applies to it."""
    return {name: list(value) if value != DEFAULT_PATTERNS[name] else None for name, value in patterns.items()}


def server_to_values(server: StorageServer | None) -> dict[str, Any]:
    """Return the attributes' values; a bucket on AWS has none."""
    if server is None:
        return {}
    return {
        "endpoint": server.url,
        "access_key_id": server.access_key_id,
        "sealed_secret": server.sealed_secret,
        "etags": server.etags,
    }


def _server_from_values(values: Mapping[str, Any]) -> StorageServer | None:
    if "endpoint" not in values:
        return None
    return StorageServer(
        values["endpoint"], values["access_key_id"], values["sealed_secret"], ETagMeaning(values["etags"])
    )


def _is_deleted(item: Any) -> bool:
    """Whether the deletion has begun; only the worker that deletes the collection still reads it."""
    return "deleted_at" in item


def collection_to_item(collection: Collection) -> dict[str, Any]:
    """Return the item of a new collection; the attributes of its sync follow with the first one."""
    sync = collection.sync
    return to_item(
        {
            "account": collection.account,
            "uuid": collection.uuid,
            "name": collection.name,
            "type": collection.type,
            "bucket": collection.bucket,
            "prefix": collection.prefix,
            "region": collection.region,
            "created_at": collection.created_at,
            "role_arn": collection.role_arn,
            "external_id": collection.external_id,
            # Left out without a schedule, so that the index by interval has only collections with one.
            "auto_sync_interval": collection.auto_sync if collection.auto_sync is not AutoSync.MANUAL else None,
            "auto_sync_at": collection.auto_sync_at,
            **patterns_to_values({"include": collection.include, "exclude": collection.exclude}),
            **server_to_values(collection.server),
            "total_files": collection.total_files,
            "total_size": collection.total_size,
            "sync_status": sync.status,
            "last_sync": sync.last_sync,
        }
    )


def collection_from_item(item: Any) -> Collection:
    values = from_item(item)
    return Collection(
        uuid=values["uuid"],
        account=values["account"],
        name=values["name"],
        type=CollectionType(values["type"]),
        bucket=values["bucket"],
        prefix=values["prefix"],
        region=values["region"],
        created_at=datetime.fromisoformat(values["created_at"]),
        role_arn=values.get("role_arn"),
        external_id=values.get("external_id"),
        auto_sync=AutoSync(values.get("auto_sync_interval", AutoSync.MANUAL)),
        auto_sync_at=values.get("auto_sync_at"),
        total_files=values["total_files"],
        total_size=values["total_size"],
        **{name: tuple(values[name]) for name in DEFAULT_PATTERNS if name in values},
        unindexed=_unindexed(values),
        server=_server_from_values(values),
        sync=_sync_state(values),
    )


def count_attribute(unindexed: str) -> str:
    """Return the attribute that counts the files that are not indexed for this reason."""
    return f"{_UNINDEXED}{unindexed}"


def _unindexed(values: dict[str, Any]) -> dict[str, int]:
    counts = {name.removeprefix(_UNINDEXED): value for name, value in values.items() if name.startswith(_UNINDEXED)}
    return {name: count for name, count in counts.items() if count}


def _sync_state(values: dict[str, Any]) -> SyncState:
    """Read what ``chalicelib.adapters.dynamodb.syncs`` writes."""
    count = {name: values.get(f"sync_{name}", 0) for name in SYNC_COUNTS}
    return SyncState(
        status=SyncStatus(values["sync_status"]),
        id=values.get("sync_id"),
        trigger=Trigger(values["sync_trigger"]) if "sync_trigger" in values else None,
        lease_until=optional_time(values.get("sync_lease_until")),
        started_at=optional_time(values.get("sync_started_at")),
        confirmed=values.get("sync_confirmed", False),
        retry=values.get("sync_retry", False),
        files_before=values.get("sync_files_before", 0),
        open_key_ranges=values.get("sync_open_key_ranges", 0),
        listed=values.get("sync_all_sent", False),
        outstanding=values.get("sync_outstanding", 0),
        progress=Progress(
            listed=count["listed"],
            to_do=count["to_do"],
            to_remove=count["to_remove"],
            tally=Tally(count["done"], count["failed"], count["removed"], count["skipped"]),
            ignored=count["ignored"],
        ),
        reason=values.get("sync_reason"),
        last_sync=optional_time(values.get("last_sync")),
        last_manual_sync=optional_time(values.get("last_manual_sync")),
        last_auto_sync=optional_time(values.get("last_auto_sync")),
        scheduled_for=optional_time(values.get("sync_scheduled_for")),
        cancelled=values.get("sync_cancelled", 0),
        cancelled_since=optional_time(values.get("sync_cancelled_since")),
        ended_at=optional_time(values.get("sync_ended_at")),
    )
