"""How fast a sync plans, beside a bare loop that reads the same pages and looks at nothing.

Each ratio is taken side by side, in turns, by processor time. Each turn over a million keys has a process of its own,
two at a time on the machine's processors: while one plans first, the other reads bare first, so neither has the better
half. What such a process held at most when it had planned is the memory.
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
from tests.bench.sync.answers import CHANGED, COLLECTION, NOW, PAGE, Queues, World, walk_over
from tests.fakes.collections import FakeCollections
from tests.fakes.syncs import FakeSyncs

SMALL = {"10k": (10_000, 7), "100k": (100_000, 3)}  # keys, and turns
MILLION = 1_000_000
ORDERS = ("plan-first", "bare-first")


def main() -> None:
    warm()
    for name, (keys, turns) in SMALL.items():
        world = World(keys)
        ratio(name, keys, [(_seconds(bare, world, keys), _seconds(plan, world, keys)) for _ in range(turns)])
    figure("plan_rss_mb_100k", turn(SMALL["100k"][0], ORDERS[0])["rss_mb"], "MB")
    with ThreadPoolExecutor(min(len(ORDERS), os.cpu_count() or 1)) as pool:
        turns_taken = list(pool.map(lambda order: turn(MILLION, order), ORDERS))
    ratio("1m", MILLION, [(taken["bare"], taken["plan"]) for taken in turns_taken])
    figure("plan_rss_mb_1m", turns_taken[0]["rss_mb"], "MB")
    in_parts()


def ratio(name: str, keys: int, seconds: list[tuple[float, float]]) -> None:
    """Of so many keys, by the seconds of the bare loop and of a plan, a pair a turn."""
    figure(f"plan_ratio_{name}", median(alone / planned for alone, planned in seconds), "x")
    figure(f"plan_objects_per_s_{name}", keys / median(planned for _, planned in seconds), "1/s")


def warm() -> None:
    """Nothing is imported or compiled in what counts."""
    plan(World(10_000), 10_000)


def turn(keys: int, order: str) -> dict[str, float]:
    """One turn in a process of its own: seconds of each, and the most memory held after the first of them."""
    command = [sys.executable, "-m", "tests.bench.sync", "--turn", str(keys), order]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken: dict[str, float] = json.loads(done.stdout)
    return taken


def take_turn(keys: int, order: str) -> None:
    """What such a process does; writes what it took as JSON."""
    world, taken = World(keys), dict[str, float]()
    warm()
    ways = {"plan": plan, "bare": bare}
    for way in ways if order == ORDERS[0] else reversed(ways):
        taken[way] = _seconds(ways[way], world, keys)
        taken.setdefault("rss_mb", peak_mb())
    print(json.dumps(taken))


def plan(world: World, keys: int) -> None:
    """One sync from its first message to the last batch that it sends."""
    collections = FakeCollections()
    collections.put(COLLECTION)
    syncs, queues = FakeSyncs(collections), Queues()
    walk = walk_over(world, collections, syncs, queues)
    state = SyncState(
        SyncStatus.IN_PROGRESS, "a-sync", Trigger.MANUAL, NOW + SYNC_LEASE, started_at=NOW, open_key_ranges=1
    )
    assert syncs.begin(COLLECTION, state, key_ranges_between([]), NOW)
    walk.run(SyncStep(COLLECTION.account, COLLECTION.uuid, "a-sync"), lambda: 900.0)
    assert queues.objects == keys // CHANGED


def bare(world: World, keys: int) -> None:
    """The same pages, asked for and parsed by the same clients, and nothing done with them."""
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=COLLECTION.bucket, Prefix=COLLECTION.prefix)
    listed = sum(len(page["Contents"]) for page in pages)
    pages = world.dynamodb.get_paginator("query").paginate(
        TableName="catalogue",
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames={"#c": "collection"},
        ExpressionAttributeValues={":c": {"S": COLLECTION.uuid}},
    )
    known = sum(len(page["Items"]) for page in pages)
    assert listed == known == keys


def in_parts() -> None:
    """A million keys, cut at the quantiles of a walk before: the parts walked by two processes, against by one."""
    parts = [
        key_range
        for key_range in key_ranges_between(next_splits([met_before(MILLION)]))
        if key_range.number != REMOVAL_PHASE
    ]
    taken = []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers) as pool:
            began = time.perf_counter()
            listed = list(pool.map(walked, parts))
            taken.append(time.perf_counter() - began)
        assert sum(listed) == MILLION
        assert max(listed) < 1.1 * MILLION / len(parts), f"cut unevenly: {listed}"
    figure("plan_parts_1m", len(parts), "parts")
    figure("plan_two_processes_1m", taken[0] / taken[1], "x")


def met_before(keys: int) -> KeyRange:
    """What a walk over all keys notes on its way."""
    part = KeyRange(0)
    for page in range(keys // PAGE):
        part = part.advance(f"photos/{page:06}-{PAGE - 1:03}.jpg", PAGE)
    return part


def walked(part: KeyRange) -> int:
    """How many of a million objects lie in a part."""
    walk = walk_over(World(MILLION), FakeCollections(), None, None)
    return sum(chunk.listed for chunk in walk.chunks(COLLECTION, part))


def _seconds(act: Callable[[World, int], None], world: World, keys: int) -> float:
    began = time.process_time()
    act(world, keys)
    return time.process_time() - began
