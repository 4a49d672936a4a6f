"""Syncs in DynamoDB: lease and figures on the collection's item, key_ranges and batches in a table of their own.

That table's items, by ``sync`` and ``item``: ``key_range.NNN``, how far a key_range has come; ``sent.PPP.N`` and ``deferred.PPP.N``,
its batches with their content, so that one that was put on record but never sent can be sent by the next worker; and
``splits`` under the collection's identifier.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.collections import SYNC_COUNTS
from chalicelib.adapters.dynamodb.items import (
    CONDITION_FAILED,
    cancellation_codes,
    from_item,
    is_conflict,
    to_attribute,
    to_item,
)
from chalicelib.adapters.dynamodb.retries import with_retries
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import IndexBatch, SyncStep
from chalicelib.domain.syncs import SYNC_RECORD_RETENTION, BatchRecord, KeyRange, PendingBatch, Progress, Tally

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

_RUNNING = "sync_id = :sync AND sync_status = :running"
# Its batches are still on their way, and count.
_COUNTING = "sync_id = :sync AND sync_status IN (:running, :asking)"
_PROGRESS_FIELDS = tuple(field.name for field in fields(KeyRange) if field.name not in ("number", "fencing_token"))


class DynamoDBSyncs:
    def __init__(self, client: "DynamoDBClient", collections_table: str, syncs_table: str) -> None:
        self._client = client
        self._collections = collections_table
        self._syncs = syncs_table

    def begin(self, collection: Collection, sync: SyncState, key_ranges: Sequence[KeyRange], now: datetime) -> bool:
        assert sync.id is not None and sync.lease_until is not None
        values = {
            "sync_status": sync.status,
            "sync_id": sync.id,
            "sync_trigger": sync.trigger,
            "sync_lease_until": sync.lease_until,
            "sync_started_at": sync.started_at,
            "sync_confirmed": sync.confirmed,
            "sync_retry": sync.retry,
            "sync_key_ranges": sync.open_key_ranges,
            "sync_all_sent": False,
            "sync_outstanding": 0,
            **{f"sync_{name}": 0 for name in SYNC_COUNTS},
        }
        settings = ", ".join(f"{name} = :{name}" for name in values)
        update = self._of_collection(
            collection.account,
            collection.uuid,
            f"SET {settings}, sync_files_before = total_files REMOVE sync_reason",
            "attribute_exists(#u) AND (sync_status <> :sync_status OR sync_lease_until < :now)",
            {":now": now, **{f":{name}": value for name, value in values.items()}},
        ) | {"ExpressionAttributeNames": {"#u": "uuid"}}
        puts = [
            {"Put": {"TableName": self._syncs, "Item": _key_range_item(sync.id, key_range, now)}}
            for key_range in key_ranges
        ]
        return self._transact([{"Update": update}, *puts])

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        if not self._extend(step.account, step.collection, step.sync, lease):
            return None
        try:
            taken = self._client.update_item(
                TableName=self._syncs,
                Key=_key_range_key(step.sync, step.key_range),
                UpdateExpression="SET continuation = :continuation ADD fencing_token :one",
                ConditionExpression="continuation <= :continuation",
                ExpressionAttributeValues=to_item({":continuation": step.continuation, ":one": 1}),
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return _key_range(taken)

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        made: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        where = {name: getattr(key_range, name) for name in _PROGRESS_FIELDS}
        where["split_samples"] = list(key_range.split_samples)
        settings = ", ".join(f"#{name} = :{name}" for name, value in where.items() if value is not None)
        walked: Any = {
            "TableName": self._syncs,
            "Key": _key_range_key(step.sync, key_range.number),
            "UpdateExpression": f"SET {settings}",
            "ConditionExpression": "fencing_token = :fencing_token",
            "ExpressionAttributeNames": {f"#{name}": name for name, value in where.items() if value is not None},
            "ExpressionAttributeValues": to_item(
                {":fencing_token": key_range.fencing_token, **{f":{name}": value for name, value in where.items()}}
            ),
        }
        figures = {
            "outstanding": len(pending_batches),
            "key_ranges": -1 if key_range.finished else 0,
            "listed": made.listed,
            "to_do": made.to_do,
            "to_remove": made.to_remove,
        }
        moved = self._moved(step.account, step.collection, step.sync, figures, lease, _RUNNING)
        puts = [{"Put": {"TableName": self._syncs, "Item": _batch_item(each.batch, lease)}} for each in pending_batches]
        if not self._transact([{"Update": walked}, {"Update": moved}, *puts]):
            raise StaleWrite("Another worker has taken this key_range of the sync, or the sync has ended.")

    def unsent_batches(self, step: SyncStep, key_range: KeyRange) -> list[IndexBatch]:
        if not key_range.unsent_count:
            return []
        first, last = (
            f"sent.{key_range.number:03}.{number:09}"
            for number in (key_range.sent - key_range.unsent_count, key_range.sent - 1)
        )
        return list(self._batches(step.sync, first, last))

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        # The lowest that stands after the mark.
        return self._batches(step.sync, f"{after}." if after is not None else "deferred.", "deferred.~")

    def key_ranges(self, sync: str) -> list[KeyRange]:
        return [_key_range(item) for item in self._items(sync, "key_range.", "key_range.~")]

    def batch_records(self, sync: str) -> Iterator[BatchRecord]:
        for kind in ("deferred", "sent"):
            for item in self._items(sync, f"{kind}.", f"{kind}.~"):
                yield BatchRecord(IndexBatch.from_json(item["batch"]["S"]), item["done"]["BOOL"])

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None:
        self._extend(account, collection, sync, lease)

    def mark_listed(self, step: SyncStep) -> None:
        self._update(step.account, step.collection, "SET sync_all_sent = :yes", {":yes": True, ":sync": step.sync})

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        assert batch.sync is not None
        marker: Any = {
            "TableName": self._syncs,
            "Key": to_item({"sync": batch.sync, "item": batch.batch_id}),
            "UpdateExpression": "SET done = :yes",
            "ConditionExpression": "done = :no",
            "ExpressionAttributeValues": to_item({":yes": True, ":no": False}),
        }
        figures = {"outstanding": -1, **asdict(tally)}
        moved = self._moved(batch.account, batch.collection, batch.sync, figures, lease, _COUNTING)
        moved["ExpressionAttributeValues"][":asking"] = to_attribute(SyncStatus.NEEDS_CONFIRMATION)
        self._transact([{"Update": marker}, {"Update": moved}])

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        change = "SET sync_status = :status"
        values: dict[str, Any] = {":status": status, ":sync": sync}
        if reason is not None:
            change, values = f"{change}, sync_reason = :reason", {**values, ":reason": reason}
        if status is not SyncStatus.COMPLETED:
            return self._update(account, collection, change, values)
        values[":now"] = now
        # The trigger decides which of the two times it is, and cannot change while the sync runs.
        which = {Trigger.AUTO: "last_auto_sync", Trigger.MANUAL: "last_manual_sync"}
        return any(
            self._update(
                account,
                collection,
                f"{change}, last_sync = :now, {name} = :now",
                {**values, ":trigger": trigger},
                " AND sync_trigger = :trigger",
            )
            for trigger, name in which.items()
        )

    def splits(self, collection: str) -> list[str]:
        found = self._client.get_item(
            TableName=self._syncs, Key=to_item({"sync": collection, "item": "splits"}), ConsistentRead=True
        ).get("Item")
        return list(from_item(found)["splits"]) if found else []

    def save_splits(self, collection: str, splits: Sequence[str]) -> None:
        item = to_item({"sync": collection, "item": "splits", "splits": list(splits)})
        self._client.put_item(TableName=self._syncs, Item=item)

    def _extend(self, account: str, collection: str, sync: str, lease: datetime) -> bool:
        return self._update(account, collection, "SET sync_lease_until = :lease", {":lease": lease, ":sync": sync})

    def _moved(
        self, account: str, collection: str, sync: str, figures: dict[str, int], lease: datetime, condition: str
    ) -> dict[str, Any]:
        added = {name: value for name, value in figures.items() if value}
        change = "SET sync_lease_until = :lease"
        if added:
            change += " ADD " + ", ".join(f"sync_{name} :{name}" for name in added)
        values = {":lease": lease, ":sync": sync, ":running": SyncStatus.IN_PROGRESS}
        values |= {f":{name}": value for name, value in added.items()}
        return self._of_collection(account, collection, change, condition, values)

    def _of_collection(
        self, account: str, collection: str, change: str, condition: str, values: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "TableName": self._collections,
            "Key": to_item({"account": account, "uuid": collection}),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
        }

    def _update(self, account: str, collection: str, change: str, values: dict[str, Any], also: str = "") -> bool:
        values = {**values, ":running": SyncStatus.IN_PROGRESS}
        wanted = self._of_collection(account, collection, change, _RUNNING + also, values)
        try:
            with_retries(lambda: self._client.update_item(**wanted), is_conflict)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transact(self, key_ranges: list[Any]) -> bool:
        """False where a condition did not hold, and nothing was written."""
        deferred = True

        def transact() -> None:
            nonlocal deferred
            try:
                self._client.transact_write_items(TransactItems=key_ranges)
            except self._client.exceptions.TransactionCanceledException as error:
                if CONDITION_FAILED not in cancellation_codes(error):
                    raise
                deferred = False

        with_retries(transact, is_conflict)
        return deferred

    def _batches(self, sync: str, first: str, last: str) -> Iterator[IndexBatch]:
        for item in self._items(sync, first, last):
            if not item["done"]["BOOL"]:
                yield IndexBatch.from_json(item["batch"]["S"])

    def _items(self, sync: str, first: str, last: str) -> Iterator[Any]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._syncs,
            ConsistentRead=True,
            KeyConditionExpression="#s = :s AND #i BETWEEN :first AND :last",
            ExpressionAttributeNames={"#s": "sync", "#i": "item"},
            ExpressionAttributeValues=to_item({":s": sync, ":first": first, ":last": last}),
        )
        for page in pages:
            yield from page["Items"]


def _key_range_key(sync: str, number: int) -> dict[str, Any]:
    return to_item({"sync": sync, "item": f"key_range.{number:03}"})


def _key_range_item(sync: str, key_range: KeyRange, now: datetime) -> dict[str, Any]:
    values = {
        **asdict(key_range),
        "split_samples": list(key_range.split_samples),
        "expires_at": int((now + SYNC_RECORD_RETENTION).timestamp()),
    }
    return _key_range_key(sync, key_range.number) | to_item(values)


def _key_range(item: Any) -> KeyRange:
    values = from_item(item)
    known = {field.name: values[field.name] for field in fields(KeyRange) if field.name in values}
    return KeyRange(**{**known, "split_samples": tuple(values["split_samples"])})


def _batch_item(batch: IndexBatch, lease: datetime) -> dict[str, Any]:
    values = {
        "sync": batch.sync,
        "item": batch.batch_id,
        "done": False,
        "batch": batch.to_json(),
        "expires_at": int((lease + SYNC_RECORD_RETENTION).timestamp()),
    }
    return to_item(values)
