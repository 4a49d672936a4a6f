"""Collections in DynamoDB, one item each, with the state of their sync."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, time, to_attribute, to_item
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus, Trigger
from chalicelib.domain.syncs import Progress, Tally

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# Figures of the latest sync, each an attribute of its own that is added to.
SYNC_COUNTS = ("listed", "to_do", "to_remove", "done", "failed", "removed", "skipped")


class DynamoDBCollections:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, collection: Collection) -> None:
        self._client.put_item(
            TableName=self._table, Item=from_collection(collection), ConditionExpression="attribute_not_exists(#u)",
            ExpressionAttributeNames={"#u": "uuid"},
        )  # fmt: skip

    def get(self, account: str, uuid: str) -> Collection | None:
        found = self._client.get_item(TableName=self._table, Key=_key(account, uuid), ConsistentRead=True).get("Item")
        return to_collection(found) if found and _is_living(found) else None

    def of_account(self, account: str) -> list[Collection]:
        return list(self._query("#k = :k", {"#k": "account"}, {":k": account}, ConsistentRead=True))

    def on_bucket(self, bucket: str) -> list[Collection]:
        return list(self._query("#k = :k", {"#k": "bucket"}, {":k": bucket}, IndexName="by-bucket"))

    def due(self, interval: AutoSync) -> Iterator[Collection]:
        names = {"#k": "auto_sync_interval"}
        return self._query("#k = :k", names, {":k": interval.value}, IndexName="by-interval")

    def _query(
        self, condition: str, names: dict[str, str], values: dict[str, Any], **options: Any
    ) -> Iterator[Collection]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
            **options,
        )
        for page in pages:
            yield from (to_collection(item) for item in page["Items"] if _is_living(item))


def _key(account: str, uuid: str) -> dict[str, Any]:
    return {"account": to_attribute(account), "uuid": to_attribute(uuid)}


def _is_living(item: Any) -> bool:
    """A collection whose deletion has begun is gone for all but the worker that clears it away."""
    return "deleted_at" not in item


def from_collection(collection: Collection) -> dict[str, Any]:
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
            # Left out where no schedule applies, so that the index by interval holds only what is due some day.
            "auto_sync_interval": collection.auto_sync if collection.auto_sync is not AutoSync.MANUAL else None,
            "total_files": collection.total_files,
            "total_size": collection.total_size,
            "sync_status": sync.status,
            "last_sync": sync.last_sync,
        }
    )


def to_collection(item: Any) -> Collection:
    values = from_item(item)
    created = time(values["created_at"])
    assert created is not None
    return Collection(
        uuid=values["uuid"],
        account=values["account"],
        name=values["name"],
        type=CollectionType(values["type"]),
        bucket=values["bucket"],
        prefix=values["prefix"],
        region=values["region"],
        created_at=created,
        role_arn=values.get("role_arn"),
        external_id=values.get("external_id"),
        auto_sync=AutoSync(values.get("auto_sync_interval", AutoSync.MANUAL)),
        total_files=values["total_files"],
        total_size=values["total_size"],
        sync=_sync_state(values),
    )


def _sync_state(values: dict[str, Any]) -> SyncState:
    """Written by chalicelib.adapters.dynamodb.syncs."""
    count = {name: values.get(f"sync_{name}", 0) for name in SYNC_COUNTS}
    return SyncState(
        status=SyncStatus(values["sync_status"]),
        id=values.get("sync_id"),
        trigger=Trigger(values["sync_trigger"]) if "sync_trigger" in values else None,
        lease_until=time(values.get("sync_lease_until")),
        started_at=time(values.get("sync_started_at")),
        confirmed=values.get("sync_confirmed", False),
        retry=values.get("sync_retry", False),
        files_before=values.get("sync_files_before", 0),
        open_key_ranges=values.get("sync_key_ranges", 0),
        listed=values.get("sync_all_sent", False),
        outstanding=values.get("sync_outstanding", 0),
        progress=Progress(
            listed=count["listed"],
            to_do=count["to_do"],
            to_remove=count["to_remove"],
            tally=Tally(count["done"], count["failed"], count["removed"], count["skipped"]),
        ),
        reason=values.get("sync_reason"),
        last_sync=time(values.get("last_sync")),
        last_manual_sync=time(values.get("last_manual_sync")),
        last_auto_sync=time(values.get("last_auto_sync")),
    )
