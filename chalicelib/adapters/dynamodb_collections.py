"""Collections in DynamoDB, one item each, with the state of their sync; and the batches that a sync waits for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.items import CONDITION_FAILED, CONFLICT, cancellation_codes, from_item, time, to_item, to_value
from chalicelib.adapters.retrying import with_retries
from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import AutoSync, Collection, CollectionType, SyncState, SyncStatus, Trigger

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

BATCH_MEMORY = timedelta(days=14)  # as long as a message may live in a queue and its dead-letter queue


class DynamoDBCollections:
    def __init__(self, client: "DynamoDBClient", table: str, syncs_table: str) -> None:
        self._client = client
        self._table = table
        self._syncs = syncs_table

    def add(self, collection: Collection) -> None:
        self._client.put_item(
            TableName=self._table, Item=_item(collection), ConditionExpression="attribute_not_exists(#u)",
            ExpressionAttributeNames={"#u": "uuid"},
        )  # fmt: skip

    def get(self, account: str, uuid: str) -> Collection | None:
        found = self._client.get_item(TableName=self._table, Key=_key(account, uuid), ConsistentRead=True).get("Item")
        return _collection(found) if found else None

    def of_account(self, account: str) -> list[Collection]:
        return list(self._query("#k = :k", {"#k": "account"}, {":k": account}, ConsistentRead=True))

    def on_bucket(self, bucket: str) -> list[Collection]:
        return list(self._query("#k = :k", {"#k": "bucket"}, {":k": bucket}, IndexName="by-bucket"))

    def due(self, interval: AutoSync) -> Iterator[Collection]:
        names = {"#k": "auto_sync_interval"}
        return self._query("#k = :k", names, {":k": interval.value}, IndexName="by-interval")

    def begin_sync(self, collection: Collection, sync: str, trigger: Trigger, now: datetime, lease: datetime) -> bool:
        return self._update(
            collection.account,
            collection.uuid,
            "SET sync_status = :running, sync_id = :sync, sync_trigger = :trigger, sync_lease_until = :lease, "
            "sync_listed = :no, sync_outstanding = :zero",
            "attribute_exists(#u) AND (sync_status <> :running OR sync_lease_until < :now)",
            {
                ":running": SyncStatus.IN_PROGRESS,
                ":sync": sync,
                ":trigger": trigger,
                ":lease": lease,
                ":now": now,
                ":no": False,
                ":zero": 0,
            },
            {"#u": "uuid"},
        )

    def extend_lease(self, step: SyncStep, lease: datetime) -> bool:
        values = {":lease": lease, ":sync": step.sync, ":running": SyncStatus.IN_PROGRESS}
        return self._update(step.account, step.collection, "SET sync_lease_until = :lease", _RUNNING, values)

    def listing_done(self, step: SyncStep) -> None:
        values = {":yes": True, ":sync": step.sync, ":running": SyncStatus.IN_PROGRESS}
        self._update(step.account, step.collection, "SET sync_listed = :yes", _RUNNING, values)

    def end_sync(self, account: str, uuid: str, sync: str, now: datetime, *, succeeded: bool) -> None:
        values: dict[str, Any] = {":sync": sync, ":running": SyncStatus.IN_PROGRESS}
        if not succeeded:
            values[":status"] = SyncStatus.FAILED
            self._update(account, uuid, "SET sync_status = :status", _RUNNING, values)
            return
        collection = self.get(account, uuid)
        if collection is None:
            return
        which = "last_auto_sync" if collection.sync.trigger is Trigger.AUTO else "last_manual_sync"
        values |= {":status": SyncStatus.COMPLETED, ":now": now}
        self._update(account, uuid, f"SET sync_status = :status, last_sync = :now, {which} = :now", _RUNNING, values)

    def open_batch(self, batch: IndexBatch, lease: datetime) -> None:
        expires = int((lease + BATCH_MEMORY).timestamp())
        marker = {"sync": batch.sync, "item": batch.id, "done": False, "expires_at": expires}
        put = {
            "TableName": self._syncs,
            "Item": to_item(marker),
            "ConditionExpression": "attribute_not_exists(#i)",
            "ExpressionAttributeNames": {"#i": "item"},
        }
        self._count(batch, {"Put": put}, 1, lease)

    def close_batch(self, batch: IndexBatch, lease: datetime) -> None:
        update = {
            "TableName": self._syncs,
            "Key": to_item({"sync": batch.sync, "item": batch.id}),
            "UpdateExpression": "SET done = :yes",
            "ConditionExpression": "done = :no",
            "ExpressionAttributeValues": to_item({":yes": True, ":no": False}),
        }
        self._count(batch, {"Update": update}, -1, lease)

    def _count(self, batch: IndexBatch, marker: Any, step: int, lease: datetime) -> None:
        """Move the marker and the count together; once the marker has moved, or the sync has ended, do nothing."""
        values = {":step": step, ":lease": lease, ":sync": batch.sync, ":running": SyncStatus.IN_PROGRESS}
        update: Any = {
            "TableName": self._table,
            "Key": _key(batch.account, batch.collection),
            "UpdateExpression": "ADD sync_outstanding :step SET sync_lease_until = :lease",
            "ConditionExpression": _RUNNING,
            "ExpressionAttributeValues": to_item(values),
        }

        def transact() -> None:
            try:
                self._client.transact_write_items(TransactItems=[marker, {"Update": update}])
            except self._client.exceptions.TransactionCanceledException as error:
                if CONDITION_FAILED not in cancellation_codes(error):
                    raise

        with_retries(transact, _is_conflict)

    def _update(
        self,
        account: str,
        uuid: str,
        update: str,
        condition: str,
        values: dict[str, Any],
        names: dict[str, str] | None = None,
    ) -> bool:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(account, uuid),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item(values),
                **({"ExpressionAttributeNames": names} if names else {}),  # type: ignore[arg-type]  # an empty one is refused
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

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
            yield from map(_collection, page["Items"])


_RUNNING = "sync_id = :sync AND sync_status = :running"


def _key(account: str, uuid: str) -> dict[str, Any]:
    return {"account": to_value(account), "uuid": to_value(uuid)}


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ClientError) and CONFLICT in cancellation_codes(error)


def _item(collection: Collection) -> dict[str, Any]:
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


def _collection(item: Any) -> Collection:
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
        sync=SyncState(
            status=SyncStatus(values["sync_status"]),
            id=values.get("sync_id"),
            trigger=Trigger(values["sync_trigger"]) if "sync_trigger" in values else None,
            lease_until=time(values.get("sync_lease_until")),
            listed=values.get("sync_listed", False),
            outstanding=values.get("sync_outstanding", 0),
            last_sync=time(values.get("last_sync")),
            last_manual_sync=time(values.get("last_manual_sync")),
            last_auto_sync=time(values.get("last_auto_sync")),
        ),
    )
