"""Syncs in DynamoDB: lease and figures on the collection's item, key ranges and batches in a table of their own.

That table's items, by ``sync`` and ``item``: ``key_range.NNN``, the progress of a key range; ``sent.NNN.N`` and
``deferred.NNN.N`` under ``SYNC#NNN``, its batches with their content, so that the next worker can send a batch that was
stored but not sent; and ``splits`` under the collection's uuid. Each key range has its batches in a partition of its
own, because sixteen workers store more than one partition takes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.collections import SYNC_COUNTS
from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.adapters.dynamodb.transactions import repeat, transact
from chalicelib.domain.collections import (
    CANCELLATIONS_PERIOD,
    MAX_CANCELLATIONS,
    Collection,
    SyncState,
    SyncStatus,
    Trigger,
)
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import IndexBatch, SyncStep
from chalicelib.domain.syncs import (
    REMOVAL_PHASE,
    SYNC_RECORD_RETENTION,
    BatchRecord,
    KeyRange,
    PendingBatch,
    Progress,
    Tally,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

_RUNNING = "sync_id = :sync AND sync_status = :running"
# Batches of a sync that waits for confirmation or has failed are still in the queue, and count.
_COUNTING = "sync_id = :sync AND sync_status IN (:running, :needs_confirmation, :failed_sync, :begun)"
_FEW_CANCELLATIONS = (
    "attribute_not_exists(sync_cancelled_since) OR sync_cancelled_since <= :period_start "
    "OR sync_cancelled < :max_cancelled"
)
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
            "sync_open_key_ranges": sync.open_key_ranges,
            "sync_all_sent": False,
            "sync_outstanding": 0,
            **{f"sync_{name}": 0 for name in SYNC_COUNTS},
        }
        ended = "sync_status <> :sync_status OR sync_lease_until < :now"
        if sync.trigger is Trigger.MANUAL:
            ended += " OR sync_started_at > :now"  # a scheduled one waits for its time
        condition = f"attribute_exists(#u) AND ({ended})"
        limits: dict[str, Any] = {}
        if sync.scheduled_for is not None:
            values["sync_scheduled_for"] = sync.scheduled_for
            condition += " AND (attribute_not_exists(sync_scheduled_for) OR sync_scheduled_for < :sync_scheduled_for)"
        if sync.trigger is Trigger.MANUAL:
            condition += f" AND ({_FEW_CANCELLATIONS})"
            limits = {":period_start": now - CANCELLATIONS_PERIOD, ":max_cancelled": MAX_CANCELLATIONS}
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        update = self._collection_update(
            collection.account,
            collection.uuid,
            f"SET {assignments}, sync_files_before = total_files REMOVE sync_reason, sync_ended_at",
            condition,
            {":now": now, **limits, **{f":{name}": value for name, value in values.items()}},
        ) | {"ExpressionAttributeNames": {"#u": "uuid"}}
        puts = [
            {"Put": {"TableName": self._syncs, "Item": _key_range_item(sync.id, key_range, now)}}
            for key_range in key_ranges
        ]
        return not transact(self._client, [{"Update": update}, *puts])

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        if not self._set_lease(step.account, step.collection, step.sync, lease):
            return None
        try:
            item = self._client.update_item(
                TableName=self._syncs,
                Key=_key_range_key(step.sync, step.key_range),
                UpdateExpression="SET continuation = :continuation ADD fencing_token :one",
                ConditionExpression="continuation <= :continuation",
                ExpressionAttributeValues=to_item({":continuation": step.continuation, ":one": 1}),
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return _key_range(item)

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        progress: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        values = {name: getattr(key_range, name) for name in _PROGRESS_FIELDS}
        values["split_samples"] = list(key_range.split_samples)
        assigned = [name for name, value in values.items() if value is not None]
        range_update: Any = {
            "TableName": self._syncs,
            "Key": _key_range_key(step.sync, key_range.number),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in assigned),
            "ConditionExpression": "fencing_token = :fencing_token",
            "ExpressionAttributeNames": {f"#{name}": name for name in assigned},
            "ExpressionAttributeValues": to_item(
                {":fencing_token": key_range.fencing_token, **{f":{name}": values[name] for name in assigned}}
            ),
        }
        figures = {
            "outstanding": len(pending_batches),
            "open_key_ranges": -1 if key_range.finished else 0,
            "listed": progress.listed,
            "to_do": progress.to_do,
            "to_remove": progress.to_remove,
            "ignored": progress.ignored,
        }
        figures_update = self._figures_update(step.account, step.collection, step.sync, figures, lease, _RUNNING)
        puts = [
            {"Put": {"TableName": self._syncs, "Item": _batch_item(pending.batch, lease)}}
            for pending in pending_batches
        ]
        if transact(self._client, [{"Update": range_update}, {"Update": figures_update}, *puts]):
            raise StaleWrite("Another worker has acquired this key range, or the sync has ended.")

    def unsent_batches(self, step: SyncStep, key_range: KeyRange) -> list[IndexBatch]:
        if not key_range.unsent_count:
            return []
        first, last = (
            f"sent.{key_range.number:03}.{number:09}"
            for number in (key_range.sent - key_range.unsent_count, key_range.sent - 1)
        )
        return list(self._batches(_partition(step.sync, key_range.number), first, last))

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        for number in self._numbers(step.sync):
            # With a dot appended, the lowest key above the batch itself.
            first = max(f"deferred.{number:03}.", f"{after}." if after is not None else "")
            last = f"deferred.{number:03}.~"
            if first <= last:
                yield from self._batches(_partition(step.sync, number), first, last)

    def key_ranges(self, sync: str) -> list[KeyRange]:
        return [_key_range(item) for item in self._items(sync, "key_range.", "key_range.~")]

    def batch_records(self, sync: str) -> Iterator[BatchRecord]:
        for kind in ("deferred", "sent"):
            for number in self._numbers(sync):
                for item in self._items(_partition(sync, number), f"{kind}.", f"{kind}.~"):
                    yield BatchRecord(IndexBatch.from_json(item["batch"]["S"]), item["done"]["BOOL"])

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None:
        self._set_lease(account, collection, sync, lease)

    def mark_listed(self, step: SyncStep) -> None:
        self._update(step.account, step.collection, "SET sync_all_sent = :yes", {":yes": True, ":sync": step.sync})

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        assert batch.sync is not None
        batch_update: Any = {
            "TableName": self._syncs,
            "Key": _batch_key(batch),
            "UpdateExpression": "SET done = :yes",
            "ConditionExpression": "done = :no",
            "ExpressionAttributeValues": to_item({":yes": True, ":no": False}),
        }
        figures = {"outstanding": -1, **asdict(tally)}
        figures_update = self._figures_update(batch.account, batch.collection, batch.sync, figures, lease, _COUNTING)
        # Of a cancelled sync, those count that a worker had begun; the others were dropped, and have no outcomes.
        begun = SyncStatus.CANCELLED if tally != Tally() else SyncStatus.IN_PROGRESS
        figures_update["ExpressionAttributeValues"] |= to_item(
            {":needs_confirmation": SyncStatus.NEEDS_CONFIRMATION, ":failed_sync": SyncStatus.FAILED, ":begun": begun}
        )
        # Nothing is written for a batch that is done already, or of a sync that no longer counts.
        transact(self._client, [{"Update": batch_update}, {"Update": figures_update}])

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        change = "SET sync_status = :status, sync_ended_at = :now"
        values: dict[str, Any] = {":status": status, ":sync": sync, ":now": now}
        if reason is not None:
            change, values = f"{change}, sync_reason = :reason", {**values, ":reason": reason}
        if status is SyncStatus.CANCELLED:
            return self._cancel(account, collection, change, {**values, ":period_start": now - CANCELLATIONS_PERIOD})
        if status is not SyncStatus.COMPLETED:
            return self._update(account, collection, change, values)
        # The trigger decides which of the two times is set. It cannot change while the sync runs.
        times = {Trigger.AUTO: "last_auto_sync", Trigger.MANUAL: "last_manual_sync"}
        return any(
            self._update(
                account,
                collection,
                f"{change}, last_sync = :now, {name} = :now",
                {**values, ":trigger": trigger},
                " AND sync_trigger = :trigger",
            )
            for trigger, name in times.items()
        )

    def delete_page(self, collection: str, sync: str | None) -> bool:
        partitions = [_partition(sync, number) for number in self._numbers(sync)] if sync is not None else []
        # The key ranges after the batches: they say where batches are.
        partitions += [partition for partition in (sync, collection) if partition is not None]
        return any(map(self._delete_from, partitions))

    def _delete_from(self, partition: str) -> bool:
        """Delete a page of a partition; False if nothing was left."""
        keys = self._client.query(
            TableName=self._syncs,
            ConsistentRead=True,
            KeyConditionExpression="#s = :s",
            ProjectionExpression="#s, #i",
            ExpressionAttributeNames={"#s": "sync", "#i": "item"},
            ExpressionAttributeValues=to_item({":s": partition}),
            Limit=batches.MAX_DELETIONS_PER_WRITE,
        )["Items"]
        if keys:
            batches.delete(self._client, self._syncs, keys)
        return bool(keys)

    def _cancel(self, account: str, collection: str, change: str, values: dict[str, Any]) -> bool:
        """End the sync and count the cancellation, in the present period or as the first of another."""
        counted, first = "sync_cancelled_since > :period_start", "sync_cancelled = :one, sync_cancelled_since = :now"
        values[":one"] = 1
        return self._update(
            account, collection, f"{change} ADD sync_cancelled :one", values, f" AND {counted}"
        ) or self._update(
            account,
            collection,
            f"{change}, {first}",
            values,
            f" AND (attribute_not_exists(sync_cancelled_since) OR NOT {counted})",
        )

    def splits(self, collection: str) -> list[str]:
        item = self._client.get_item(
            TableName=self._syncs, Key=to_item({"sync": collection, "item": "splits"}), ConsistentRead=True
        ).get("Item")
        return list(from_item(item)["splits"]) if item else []

    def save_splits(self, collection: str, splits: Sequence[str]) -> None:
        item = to_item({"sync": collection, "item": "splits", "splits": list(splits)})
        self._client.put_item(TableName=self._syncs, Item=item)

    def _set_lease(self, account: str, collection: str, sync: str, lease: datetime) -> bool:
        return self._update(account, collection, "SET sync_lease_until = :lease", {":lease": lease, ":sync": sync})

    def _figures_update(
        self, account: str, collection: str, sync: str, figures: dict[str, int], lease: datetime, condition: str
    ) -> dict[str, Any]:
        """Return the part of a transaction that adds to the sync's figures and renews its lease."""
        added = {name: value for name, value in figures.items() if value}
        change = "SET sync_lease_until = :lease"
        if added:
            change += " ADD " + ", ".join(f"sync_{name} :{name}" for name in added)
        values = {":lease": lease, ":sync": sync, ":running": SyncStatus.IN_PROGRESS}
        values |= {f":{name}": value for name, value in added.items()}
        return self._collection_update(account, collection, change, condition, values)

    def _collection_update(
        self, account: str, collection: str, change: str, condition: str, values: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "TableName": self._collections,
            "Key": to_item({"account": account, "uuid": collection}),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
        }

    def _update(
        self, account: str, collection: str, change: str, values: dict[str, Any], and_condition: str = ""
    ) -> bool:
        """Update the collection of a running sync; False if the sync does not run any more.

        The call is repeated when its answer is lost, and then refused where it has ended the sync itself.
        """
        values = {**values, ":running": SyncStatus.IN_PROGRESS}
        update = self._collection_update(account, collection, change, _RUNNING + and_condition, values)
        update["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            repeat(lambda: self._client.update_item(**update))
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return ":status" in values and _is_ended_so(error.response.get("Item", {}), update)
        return True

    def _numbers(self, sync: str) -> list[int]:
        """The numbers of the key ranges that may have batches."""
        return [key_range.number for key_range in self.key_ranges(sync) if key_range.number != REMOVAL_PHASE]

    def _batches(self, partition: str, first: str, last: str) -> Iterator[IndexBatch]:
        for item in self._items(partition, first, last):
            if not item["done"]["BOOL"]:
                yield IndexBatch.from_json(item["batch"]["S"])

    def _items(self, partition: str, first: str, last: str) -> Iterator[Any]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._syncs,
            ConsistentRead=True,
            KeyConditionExpression="#s = :s AND #i BETWEEN :first AND :last",
            ExpressionAttributeNames={"#s": "sync", "#i": "item"},
            ExpressionAttributeValues=to_item({":s": partition, ":first": first, ":last": last}),
        )
        for page in pages:
            yield from page["Items"]


def _is_ended_so(item: Any, update: Any) -> bool:
    """Whether an update of a collection has ended its sync: no other call has its time, to the microsecond."""
    attributes = {"sync_id": ":sync", "sync_status": ":status", "sync_ended_at": ":now"}
    values = update["ExpressionAttributeValues"]
    return all(item.get(name) == values[value] for name, value in attributes.items())


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
    stored = {field.name: values[field.name] for field in fields(KeyRange) if field.name in values}
    return KeyRange(**{**stored, "split_samples": tuple(values["split_samples"])})


def _batch_item(batch: IndexBatch, lease: datetime) -> dict[str, Any]:
    values = {
        "done": False,
        "batch": batch.to_json(),
        "expires_at": int((lease + SYNC_RECORD_RETENTION).timestamp()),
    }
    return _batch_key(batch) | to_item(values)


def _batch_key(batch: IndexBatch) -> dict[str, Any]:
    assert batch.sync is not None and batch.batch_id is not None
    _, number, _ = batch.batch_id.split(".")
    return to_item({"sync": _partition(batch.sync, int(number)), "item": batch.batch_id})


def _partition(sync: str, number: int) -> str:
    """The partition of a key range's batches."""
    return f"{sync}#{number:03}"
