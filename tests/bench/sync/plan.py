"""How fast a sync plans, beside a bare loop that reads the same pages and compares nothing.

Each ratio is measured side by side, in turns, by processor time. Each turn over a million keys has a process of its
own, two at a time on the machine's processors: one plans first, the other reads bare first, so that neither way has the
better half of the time. The memory is the peak of such a process after its plan.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from statistics import median

from chalicelib.domain.collections import SyncState, SyncStatus, Trigger
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.syncs import REMOVAL_PHASE, KeyRange, key_ranges_between, next_splits
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.bench.figures import figure
from tests.bench.resident import peak_mb
from tests.bench.sync.synthetic_bucket import (
    COLLECTION,
    NOW,
    OBJECTS_PER_CHANGE,
    OBJECTS_PER_PAGE,
    CountingQueues,
    SyntheticBucket,
    sync_worker_on,
)
from tests.fakes.collections import FakeCollections
from tests.fakes.syncs import FakeSyncs

SMALL_SIZES = {"10k": (10_000, 7), "100k": (100_000, 3)}  # keys, and turns
MILLION = 1_000_000
ORDERS = ("plan-first", "bare-first")


def main() -> None:
    warm_up()
    for name, (keys, turns) in SMALL_SIZES.items():
        bucket = SyntheticBucket(keys)
        print_ratio(
            name, keys, [(_seconds(read_bare, bucket, keys), _seconds(plan, bucket, keys)) for _ in range(turns)]
        )
    figure("plan_rss_mb_100k", turn_in_process(SMALL_SIZES["100k"][0], ORDERS[0])["rss_mb"], "MB")
    with ThreadPoolExecutor(min(len(ORDERS), os.cpu_count() or 1)) as pool:
        turns_of_million = list(pool.map(lambda order: turn_in_process(MILLION, order), ORDERS))
    print_ratio("1m", MILLION, [(turn["bare"], turn["plan"]) for turn in turns_of_million])
    figure("plan_rss_mb_1m", turns_of_million[0]["rss_mb"], "MB")
    measure_key_ranges()


def print_ratio(name: str, keys: int, seconds: list[tuple[float, float]]) -> None:
    """Print the figures of so many keys; ``seconds`` are those of the bare loop and of a plan, a pair a turn."""
    figure(f"plan_ratio_{name}", median(bare / planned for bare, planned in seconds), "x")
    figure(f"plan_objects_per_s_{name}", keys / median(planned for _, planned in seconds), "1/s")


def warm_up() -> None:
    """Import and compile everything before the measurement."""
    plan(SyntheticBucket(10_000), 10_000)


def turn_in_process(keys: int, order: str) -> dict[str, float]:
    """Run one turn in a process of its own; returns the seconds of each way, and the peak memory after the first."""
    command = [sys.executable, "-m", "tests.bench.sync", "--turn", str(keys), order]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(process.stdout)
    return result


def run_turn(keys: int, order: str) -> None:
    """Be the process of one turn: print its result as JSON."""
    bucket, result = SyntheticBucket(keys), dict[str, float]()
    warm_up()
    ways = {"plan": plan, "bare": read_bare}
    for way in ways if order == ORDERS[0] else reversed(ways):
        result[way] = _seconds(ways[way], bucket, keys)
        result.setdefault("rss_mb", peak_mb())
    print(json.dumps(result))


def plan(bucket: SyntheticBucket, keys: int) -> None:
    """Run one sync from its first message to the last batch that it sends."""
    collections, queues = FakeCollections(), CountingQueues()
    collections.put(COLLECTION)
    syncs = FakeSyncs(collections)
    worker = sync_worker_on(bucket, collections=collections, syncs=syncs, queues=queues)
    state = SyncState(
        SyncStatus.IN_PROGRESS, "a-sync", Trigger.MANUAL, NOW + SYNC_LEASE, started_at=NOW, open_key_ranges=1
    )
    assert syncs.begin(COLLECTION, state, key_ranges_between([]), NOW)
    worker.run(SyncStep(COLLECTION.account, COLLECTION.uuid, "a-sync"), lambda: 900.0)
    assert queues.objects == keys // OBJECTS_PER_CHANGE


def read_bare(bucket: SyntheticBucket, keys: int) -> None:
    """Read and parse the same pages by the same clients, and do nothing with them."""
    pages = bucket.s3.get_paginator("list_objects_v2").paginate(Bucket=COLLECTION.bucket, Prefix=COLLECTION.prefix)
    listed = sum(len(page["Contents"]) for page in pages)
    pages = bucket.dynamodb.get_paginator("query").paginate(
        TableName="catalogue",
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames={"#c": "collection"},
        ExpressionAttributeValues={":c": {"S": COLLECTION.uuid}},
    )
    records = sum(len(page["Items"]) for page in pages)
    assert listed == records == keys


def measure_key_ranges() -> None:
    """Compare a million keys, split at the quantiles of an earlier scan, by two processes and by one."""
    key_ranges = [
        key_range
        for key_range in key_ranges_between(next_splits([scanned_range(MILLION)]))
        if key_range.number != REMOVAL_PHASE
    ]
    durations = []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers) as pool:
            started = time.perf_counter()
            listed = list(pool.map(compare, key_ranges))
            durations.append(time.perf_counter() - started)
        assert sum(listed) == MILLION
        assert max(listed) < 1.1 * MILLION / len(key_ranges), f"split unevenly: {listed}"
    figure("plan_parts_1m", len(key_ranges), "parts")
    figure("plan_two_processes_1m", durations[0] / durations[1], "x")


def scanned_range(keys: int) -> KeyRange:
    """Return a key range as the scan of all keys leaves it."""
    key_range = KeyRange(0)
    for page in range(keys // OBJECTS_PER_PAGE):
        key_range = key_range.advance(f"photos/{page:06}-{OBJECTS_PER_PAGE - 1:03}.jpg", OBJECTS_PER_PAGE)
    return key_range


def compare(key_range: KeyRange) -> int:
    """Compare a key range of a million objects; returns how many objects it has."""
    worker = sync_worker_on(SyntheticBucket(MILLION))
    retries = worker.retry_budget(COLLECTION, key_range)
    return sum(chunk.listed for chunk in worker.chunks(COLLECTION, key_range, retries))


def _seconds(act: Callable[[SyntheticBucket, int], None], bucket: SyntheticBucket, keys: int) -> float:
    started = time.process_time()
    act(bucket, keys)
    return time.process_time() - started
