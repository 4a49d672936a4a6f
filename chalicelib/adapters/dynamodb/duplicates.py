"""The duplicates of collections in DynamoDB, beside the records of syncs.

The item ``scan`` of ``duplicates#COLLECTION`` is the latest scan. Below ``…#GENERATION`` are the partitions of what the
scan has read and written: ``#files``, sorted by content; ``#claims``, the contents that have a group; and for each tier
its groups, the largest waste first. The first two expire by themselves.
"""

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_item
from chalicelib.adapters.dynamodb.transactions import repeat, transact
from chalicelib.domain.duplicate_groups import (
    DELETED_GENERATION,
    GROUP_CONTENTS_MAX,
    SCAN_LEASE,
    SCAN_LIMIT,
    SCAN_RECORD_RETENTION,
    DuplicateGroup,
    DuplicatesScan,
    GroupFile,
    ScanPhase,
)
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import DuplicatesStep

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

FILES_PER_QUERY = 100  # a worker compares some at a time, and reads on from there
_HELD = "generation = :generation AND fencing_token = :token"
_FILE_FIELDS = ("uuid", "key", "md5", "size", "width", "height")
_STALE = "Another worker has acquired this scan, or another scan has begun."


class DynamoDBDuplicates:
    def __init__(self, client: "DynamoDBClient", syncs_table: str) -> None:
        self._client = client
        self._table = syncs_table

    def scan(self, collection: str) -> DuplicatesScan | None:
        item = self._client.get_item(TableName=self._table, Key=_scan_key(collection), ConsistentRead=True).get("Item")
        return _scan(item) if item else None

    def begin(self, collection: str, generation: str, now: datetime) -> bool:
        previous = self.scan(collection)
        change = (
            "SET generation = :new, started_at = :now, lease_until = :lease, phase = :files, continuation = :zero, "
            "fencing_token = :zero, files = :zero REMOVE #after"
        )
        values = {":new": generation, ":now": now, ":lease": now + SCAN_LEASE, ":files": ScanPhase.FILES, ":zero": 0}
        condition = "attribute_not_exists(generation)"
        if previous is not None:
            condition = "generation = :previous AND (phase = :ended OR lease_until <= :now)"
            values |= {":previous": previous.generation, ":ended": ScanPhase.ENDED}
            if previous.served != previous.generation:
                change += " ADD replaced :abandoned"
                values[":abandoned"] = {previous.generation}
        if self._update(collection, change, condition, values, {"#after": "after"}) is not None:
            return True
        # The call is repeated when its answer is lost, and then refused because of what it has written itself.
        current = self.scan(collection)
        return current is not None and current.generation == generation

    def stop(self, collection: str, generation: str, now: datetime) -> None:
        values = {":generation": generation, ":now": now}
        self._update(collection, "SET lease_until = :now", "generation = :generation", values)

    def acquire(self, step: DuplicatesStep, now: datetime) -> DuplicatesScan | None:
        values = {
            ":generation": step.generation,
            ":continuation": step.continuation,
            ":lease": now + SCAN_LEASE,
            ":begun": now - SCAN_LIMIT,
            ":one": 1,
        }
        item = self._update(
            step.collection,
            "SET continuation = :continuation, lease_until = :lease ADD fencing_token :one",
            "generation = :generation AND continuation <= :continuation AND started_at > :begun",
            values,
        )
        return _scan(item) if item is not None else None

    def save(self, collection: str, scan: DuplicatesScan, now: datetime) -> None:
        values = {":phase": scan.phase, ":files": scan.files, ":lease": now + SCAN_LEASE}
        change = "SET phase = :phase, files = :files, lease_until = :lease"
        if scan.after is None:
            change += " REMOVE #after"
        else:
            change, values[":after"] = f"{change}, #after = :after", scan.after
        self._update_held(collection, scan, change, values, {"#after": "after"})

    def add_files(self, collection: str, scan: DuplicatesScan, files: Sequence[GroupFile]) -> None:
        partition, expires_at = _partition(collection, scan.generation, "files"), _expires_at(scan)
        items = [
            to_item(
                {
                    "sync": partition,
                    "item": f"{file.content}#{file.uuid}",
                    "expires_at": expires_at,
                    **{name: getattr(file, name) for name in _FILE_FIELDS},
                }
            )
            for file in files
        ]
        batches.write(self._client, self._table, items)

    def files(self, collection: str, scan: DuplicatesScan, after: str | None) -> Iterator[GroupFile]:
        partition = _partition(collection, scan.generation, "files")
        for item in self._items(partition, f"{after}#~" if after is not None else "", "~", FILES_PER_QUERY):
            yield _file(item)

    def files_of(self, collection: str, scan: DuplicatesScan, content: str, limit: int) -> list[GroupFile]:
        partition = _partition(collection, scan.generation, "files")
        return [_file(item) for item in islice(self._items(partition, f"{content}#", f"{content}#~", limit), limit)]

    def claimed(
        self, collection: str, scan: DuplicatesScan, claims: Sequence[tuple[Tier, str]]
    ) -> set[tuple[Tier, str]]:
        partition = _partition(collection, scan.generation, "claims")
        keys = [to_item({"sync": partition, "item": _claim(*claim)}) for claim in dict.fromkeys(claims)]
        found = (item["item"]["S"].partition("#") for item in batches.read(self._client, self._table, keys))
        return {(Tier(tier), content) for tier, _, content in found}

    def add_group(self, collection: str, scan: DuplicatesScan, group: DuplicateGroup, contents: Sequence[str]) -> None:
        assert len(contents) <= GROUP_CONTENTS_MAX
        held: Any = {
            "TableName": self._table,
            "Key": _scan_key(collection),
            "ConditionExpression": _HELD,
            "ExpressionAttributeValues": _held_values(scan),
        }
        claims_partition, expires_at = _partition(collection, scan.generation, "claims"), _expires_at(scan)
        items = [_group_item(collection, scan.generation, group)]
        items += [
            to_item({"sync": claims_partition, "item": _claim(group.tier, content), "expires_at": expires_at})
            for content in contents
        ]
        puts: list[Any] = [{"Put": {"TableName": self._table, "Item": item}} for item in items]
        if transact(self._client, [{"ConditionCheck": held}, *puts]):
            raise StaleWrite(_STALE)

    def finish(self, collection: str, scan: DuplicatesScan, now: datetime) -> DuplicatesScan:
        change = "SET phase = :ended, served = :generation, finished_at = :now REMOVE #after"
        values: dict[str, Any] = {":ended": ScanPhase.ENDED, ":now": now}
        if scan.served is not None and scan.served != scan.generation:
            change, values[":served"] = f"{change} ADD replaced :served", {scan.served}
        return _scan(self._update_held(collection, scan, change, values, {"#after": "after"}))

    def groups(
        self, collection: str, generation: str, tiers: Sequence[Tier], after: str | None, limit: int
    ) -> list[DuplicateGroup]:
        pages = [
            [
                _group(item)
                for item in islice(self._behind(_partition(collection, generation, tier), after, limit), limit)
            ]
            for tier in tiers
        ]
        return list(islice(heapq.merge(*pages, key=lambda group: group.position), limit))

    def delete_replaced_page(self, collection: str, scan: DuplicatesScan) -> bool:
        for generation in sorted(scan.replaced):
            if any(self._delete_from(_partition(collection, generation, tier)) for tier in Tier):
                return True
            self._update(collection, "DELETE replaced :gone", "attribute_exists(generation)", {":gone": {generation}})
        return False

    def delete_page(self, collection: str) -> bool:
        scan = self.scan(collection)
        if scan is None:
            return False
        if scan.generation != DELETED_GENERATION:
            # First, so that a worker that has the scan writes no group where all was deleted.
            values = {":deleted": DELETED_GENERATION, ":present": scan.generation, ":replaced": {scan.generation}}
            change = "SET generation = :deleted ADD replaced :replaced"
            self._update(collection, change, "generation = :present", values)
            return True
        for generation in scan.replaced | ({scan.served} if scan.served else set()):
            for kind in ("files", "claims", *Tier):
                if self._delete_from(_partition(collection, generation, kind)):
                    return True
        self._client.delete_item(TableName=self._table, Key=_scan_key(collection))
        return True

    def _delete_from(self, partition: str) -> bool:
        """Delete a page of a partition; False if nothing was left."""
        at_once = batches.MAX_DELETIONS_PER_WRITE
        items = list(islice(self._items(partition, "", "~", at_once, keys=True), at_once))
        if items:
            batches.delete(self._client, self._table, items)
        return bool(items)

    def _behind(self, partition: str, after: str | None, page: int) -> Iterator[Any]:
        return self._items(partition, f"{after} " if after is not None else "", "~", page)

    def _items(
        self, partition: str, first: str, last: str, page: int | None = None, *, keys: bool = False
    ) -> Iterator[Any]:
        """The items of a partition from one key to another, read so many at once; ``first`` may be empty."""
        limits: Any = {} if page is None else {"PageSize": page}
        projection: Any = {"ProjectionExpression": "#s, #i"} if keys else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="#s = :s AND #i BETWEEN :first AND :last",
            ExpressionAttributeNames={"#s": "sync", "#i": "item"},
            ExpressionAttributeValues=to_item({":s": partition, ":first": first or " ", ":last": last}),
            PaginationConfig=limits,
            **projection,
        )
        for read in pages:
            yield from read["Items"]

    def _update_held(
        self, collection: str, scan: DuplicatesScan, change: str, values: dict[str, Any], names: dict[str, str]
    ) -> Any:
        values = {**values, ":generation": scan.generation, ":token": scan.fencing_token}
        item = self._update(collection, change, _HELD, values, names)
        if item is None:
            raise StaleWrite(_STALE)
        return item

    def _update(
        self,
        collection: str,
        change: str,
        condition: str,
        values: dict[str, Any],
        names: dict[str, str] | None = None,
    ) -> Any:
        """Update the item of a collection's scan and return it; None if the condition fails."""
        update: Any = {
            "TableName": self._table,
            "Key": _scan_key(collection),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ReturnValues": "ALL_NEW",
        } | ({"ExpressionAttributeNames": names} if names else {})
        try:
            return repeat(lambda: self._client.update_item(**update))["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None


def _scan_key(collection: str) -> dict[str, Any]:
    return to_item({"sync": f"duplicates#{collection}", "item": "scan"})


def _partition(collection: str, generation: str, kind: str) -> str:
    return f"duplicates#{collection}#{generation}#{kind}"


def _claim(tier: Tier, content: str) -> str:
    return f"{tier}#{content}"


def _held_values(scan: DuplicatesScan) -> dict[str, Any]:
    return to_item({":generation": scan.generation, ":token": scan.fencing_token})


def _expires_at(scan: DuplicatesScan) -> int:
    return int((scan.started_at + SCAN_RECORD_RETENTION).timestamp())


def _scan(item: Any) -> DuplicatesScan:
    values = from_item(item)
    return DuplicatesScan(
        generation=values["generation"],
        started_at=datetime.fromisoformat(values["started_at"]),
        lease_until=datetime.fromisoformat(values["lease_until"]),
        phase=ScanPhase(values["phase"]),
        after=values.get("after"),
        continuation=values["continuation"],
        fencing_token=values["fencing_token"],
        files=values["files"],
        served=values.get("served"),
        finished_at=optional_time(values.get("finished_at")),
        replaced=frozenset(values.get("replaced", ())),
    )


def _file(item: Any) -> GroupFile:
    values = from_item(item)
    return GroupFile(**{name: values[name] for name in _FILE_FIELDS})


def _group_item(collection: str, generation: str, group: DuplicateGroup) -> dict[str, Any]:
    # As one text: a list of maps would take several times as much of the 400 KB that an item may have.
    files = json.dumps([astuple(file) for file in group.files], ensure_ascii=False, separators=(",", ":"))
    return to_item(
        {
            "sync": _partition(collection, generation, group.tier),
            "item": group.position,
            "id": group.id,
            "tier": group.tier,
            "files": files,
            "count": group.count,
            "waste": group.waste,
        }
    )


def _group(item: Any) -> DuplicateGroup:
    values = from_item(item)
    files = tuple(GroupFile(**dict(zip(_FILE_FIELDS, stored, strict=True))) for stored in json.loads(values["files"]))
    return DuplicateGroup(values["id"], Tier(values["tier"]), files, values["count"], values["waste"])
