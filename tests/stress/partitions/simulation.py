"""What a sync of a million objects that all differ writes to each partition of DynamoDB, second by second.

The adapters' own code writes the items, on a client that counts units instead of sending requests: the sync worker
stores batches at the rate at which it lists, the index workers save 16 records at a time and complete their batches.
Each worker has a clock of its own, which passes while it embeds, while it waits for its pace, and with each call. The
partitions are those of the template's tables and indexes; a key that DynamoDB would split counts as one partition.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.pace import TRANSACTION_FACTOR, UNIT_BYTES, WritePace, item_bytes
from chalicelib.adapters.dynamodb.syncs import DynamoDBSyncs
from chalicelib.domain.files import OVER_PLAN, PendingWrite
from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch, ObjectHint, SyncStep
from chalicelib.domain.plans import PLANS
from chalicelib.domain.sync_diff import CHUNK_KEYS
from chalicelib.domain.syncs import KeyRange, PendingBatch, Progress, Tally
from infra.template import read_template
from tests.factories import LEASE, a_collection, a_record, an_embedding
from tests.stress.continuations.simulation import SECONDS_PER_COMPARED_OBJECT

PARTITION_UNITS = 1_000  # write units a second of one partition
# The partition's units of the last five minutes that were not used may be used later, so a mean counts:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
WINDOW_SECONDS = 10
AIM = 0.8 * PARTITION_UNITS  # in any such window
CALL_SECONDS = 0.01
TABLES = {
    "collections": "CollectionsTable",
    "catalogue": "CatalogueTable",
    "accounts": "AccountsTable",
    "syncs": "SyncsTable",
}


@dataclass
class Timeline:
    """One worker's clock."""

    seconds: float

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Load:
    """Write units by partition (the table or index, and the key) and second."""

    units: defaultdict[tuple[str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, partition: tuple[str, str], second: float, units: int) -> None:
        self.units[partition][int(second)] += units

    def busiest(self, name: str, seconds: int = 1) -> float:
        """Units a second of the busiest so many seconds of any partition of a table or index."""
        return max(
            sum(units[second + number] for number in range(seconds)) / seconds
            for (owner, _), units in self.units.items()
            if owner == name
            for second in list(units)
        )

    @property
    def names(self) -> list[str]:
        """The tables and indexes that were written."""
        return sorted({name for name, _ in self.units})

    @property
    def seconds(self) -> int:
        return max(max(seconds) for seconds in self.units.values())


class CountingClient:
    """Counts the units of transactions, at the time of one worker's clock; every condition holds.

    ``sizes`` are those of the items that were put, for later updates of them.
    """

    exceptions = SimpleNamespace(TransactionCanceledException=KeyError)

    def __init__(self, clock: Timeline, load: Load, sizes: dict[str, int]) -> None:
        self._clock, self._load, self._sizes = clock, load, sizes

    def transact_write_items(
        self,
        TransactItems: list[Any],  # noqa: N803  # as boto3 names it
        ClientRequestToken: str,  # noqa: N803
    ) -> None:
        for part in TransactItems:
            ((kind, request),) = part.items()
            table, item = request["TableName"], request.get("Item") or request["Key"]
            identity = f"{table} {[item[name] for name in _key_names(table)]}"
            if kind == "Put":
                self._sizes[identity] = item_bytes(item)
            units = TRANSACTION_FACTOR * ceil(self._sizes.get(identity, UNIT_BYTES) / UNIT_BYTES)
            self._load.add((table, next(iter(item[_key_names(table)[0]].values()))), self._clock.seconds, units)
            for index, (name, whole) in _indexes(table).items():
                if kind == "Put" and name in item:
                    size = TRANSACTION_FACTOR * (ceil(item_bytes(item) / UNIT_BYTES) if whole else 1)
                    self._load.add((f"{table}/{index}", item[name]["S"]), self._clock.seconds, size)
        self._clock.sleep(CALL_SECONDS)


def sync_load(
    objects: int,
    *,
    workers: int,
    units: int | None,
    seconds_per_batch: float,
    over_plan: bool = False,
    key_ranges: int = 1,
) -> Load:
    """The load of a sync that finds every object new or changed.

    Args:
        workers: index workers at once.
        units: the pace of each, a second; None without one.
        seconds_per_batch: from receiving a batch until its records are saved, without waiting.
        over_plan: whether the plan allows none of the objects, so that all are recorded as failed.
        key_ranges: that are compared at once; a first sync has one.
    """
    load, sizes, chance = Load(), dict[str, int](), random.Random(1)
    collection, sync = a_collection(), str(uuid4())
    step = SyncStep(collection.account, collection.uuid, sync)
    listers = []
    for number in range(key_ranges):
        clock = Timeline(chance.random())
        lister: Any = CountingClient(clock, load, sizes)
        listers.append((KeyRange(number), clock, DynamoDBSyncs(lister, "collections", "syncs")))
    timelines = [Timeline(chance.random()) for _ in range(workers)]
    stores = []
    for clock in timelines:
        client: Any = CountingClient(clock, load, sizes)
        pace = WritePace(units, clock.sleep, clock.now)
        catalogue = DynamoDBCatalogue(client, "catalogue", "collections", "accounts", pace=pace)
        stores.append((clock, catalogue, DynamoDBSyncs(client, "collections", "syncs")))
    for chunk, first in enumerate(range(0, objects, CHUNK_KEYS)):
        key_range, lister_clock, syncs = listers[chunk % key_ranges]
        batches = list(_batches(step, key_range.number, first, min(first + CHUNK_KEYS, objects)))
        lister_clock.sleep(SECONDS_PER_COMPARED_OBJECT * CHUNK_KEYS)
        syncs.save_progress(step, key_range, Progress(), [PendingBatch(batch, False) for batch in batches], LEASE)
        for batch in batches:
            # The batch goes to the worker that is free first, once it was sent.
            clock, catalogue, worker_syncs = min(stores, key=lambda store: store[0].seconds)
            clock.seconds = max(clock.seconds, lister_clock.seconds) + seconds_per_batch * chance.uniform(0.8, 1.2)
            writes = [PendingWrite(_record(collection, hint.key, over_plan=over_plan), None) for hint in batch.hints]
            assert catalogue.save_all(writes, PLANS["business"]) == set()
            worker_syncs.complete_batch(batch, Tally(done=len(batch.hints)), LEASE)
    return load


def _batches(step: SyncStep, key_range: int, first: int, until: int) -> Iterator[IndexBatch]:
    for start in range(first, until, INDEX_BATCH_SIZE):
        hints = tuple(
            ObjectHint(f"2026/summer holidays/IMG_{number:07}.jpg", etag=f"{number:032x}", size=4_000_000)
            for number in range(start, min(start + INDEX_BATCH_SIZE, until))
        )
        batch_id = f"sent.{key_range:03}.{start:09}"
        yield IndexBatch(step.account, step.collection, hints, step.sync, batch_id)


def _record(collection: Any, key: str, *, over_plan: bool) -> Any:
    record = a_record(
        collection, key, etag=uuid4().hex, embedding=an_embedding(md5=uuid4().hex), version=1_790_000_000_000
    )
    record = replace(record, thumbnail=f"{record.uuid}/{uuid4().hex[:16]}")
    return record.as_failed("lite-1+d3", OVER_PLAN, "x" * 120) if over_plan else record


def _key_names(table: str) -> list[str]:
    return [key["AttributeName"] for key in _properties(table)["KeySchema"]]


def _indexes(table: str) -> Mapping[str, tuple[str, bool]]:
    """The indexes of a table: the attribute of the partition, and whether they have the whole item."""
    return {
        index["IndexName"]: (
            index["KeySchema"][0]["AttributeName"],
            index["Projection"]["ProjectionType"] == "ALL",
        )
        for index in _properties(table).get("GlobalSecondaryIndexes", [])
    }


def _properties(table: str) -> Any:
    return _RESOURCES[TABLES[table]]["Properties"]


_RESOURCES: Mapping[str, Any] = read_template()["Resources"]
