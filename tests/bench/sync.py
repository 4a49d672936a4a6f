"""How fast a sync plans: ``make bench-sync``.

A bucket and a catalogue of any size, made page by page: real clients of S3 and DynamoDB parse answers that are put
before them instead of sent, with a thousand objects a page as S3 gives them and 1 MB of records as DynamoDB does. The
bare loop reads the same pages and looks at nothing. One object in a hundred differs from its record. Each ratio is
taken side by side, in turns, by processor time; memory by a process of its own.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from chalicelib.adapters.dynamodb_catalogue import DynamoDBCatalogue
from chalicelib.adapters.s3_sources import BucketSource
from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import Collection, CollectionType, SyncState, SyncStatus, Trigger
from chalicelib.domain.syncs import RELEASING, Part, parts_between, splits_after
from chalicelib.services.walking import LEASE, Walk
from tests.bench.figures import figure
from tests.fakes.collections import FakeCollections
from tests.fakes.syncs import FakeSyncs

PAGE = 1_000  # objects that S3 lists at once
RECORDS = ((0, 400), (400, 800), (800, 1_000))  # 1 MB of records of 2.6 KB each, of every thousand
CHANGED = 100  # of so many objects one differs
NUMBER = "@@@@@@"  # where a page's number goes
SIZES = {"10k": (10_000, 7), "100k": (100_000, 3), "1m": (1_000_000, 1)}  # keys, and turns
NOW = datetime(2026, 11, 24, tzinfo=UTC)
STAMP = "bench-1+d1"
COLLECTION = Collection(
    uuid="8ff9ef69-fd22-4308-ad1e-22c59500d944",
    account="an-account",
    name="Everything",
    type=CollectionType.S3,
    bucket="a-bucket",
    prefix="photos/",
    region="us-east-1",
    created_at=NOW,
)


class Raw(BytesIO):
    """An answer's body as botocore reads it."""

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()


class World:
    """Answers for so many keys, ``photos/NNNNNN-nnn.jpg``."""

    def __init__(self, keys: int) -> None:
        self._pages = keys // PAGE
        objects = "".join(
            f"<Contents><Key>photos/{NUMBER}-{n:03}.jpg</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{100_000 + n}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(PAGE)
        )
        self._listing = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>a-bucket</Name><Prefix>photos/</Prefix><KeyCount>{PAGE}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<EncodingType>url</EncodingType>%s{objects}</ListBucketResult>"
        )
        self._records = [json.dumps([_item(n) for n in range(first, last)]) for first, last in RECORDS]
        options: Any = {
            "region_name": "us-east-1",
            "aws_access_key_id": "bench",
            "aws_secret_access_key": "bench",
            "config": Config(retries={"max_attempts": 0}),
        }
        self.s3, self.dynamodb = boto3.client("s3", **options), boto3.client("dynamodb", **options)
        self.s3.meta.events.register("before-send.s3.ListObjectsV2", self._list)
        self.dynamodb.meta.events.register("before-send.dynamodb.Query", self._query)

    def _list(self, request: Any, **_: Any) -> AWSResponse:
        asked = parse_qs(urlsplit(request.url).query)
        page = (
            int(asked["continuation-token"][0]) if "continuation-token" in asked else _after(asked.get("start-after"))
        )
        more = page + 1 < self._pages
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        told += f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
        return _answer(request, self._listing.replace("%s", told, 1).replace(NUMBER, f"{page:06}"))

    def _query(self, request: Any, **_: Any) -> AWSResponse:
        asked = json.loads(request.body)
        start = asked.get("ExclusiveStartKey", {}).get("key") or asked["ExpressionAttributeValues"].get(":after")
        page, part = _after([start["S"]] if start else None), 0
        if start and (place := int(start["S"][14:17]) + 1) < PAGE:
            page, part = page - 1, next(n for n, (first, _) in enumerate(RECORDS) if first == place)
        last = f"photos/{page:06}-{RECORDS[part][1] - 1:03}.jpg"
        ended = page + 1 == self._pages and part + 1 == len(RECORDS)
        more = {} if ended else {"LastEvaluatedKey": {"collection": {"S": COLLECTION.uuid}, "key": {"S": last}}}
        body = f'{{"Items": {self._records[part].replace(NUMBER, f"{page:06}")}, {json.dumps(more)[1:]}'
        return _answer(request, body if more else body.replace(", }", "}"))


def _item(n: int) -> dict[str, Any]:
    etag = f"{n:032x}" if n % CHANGED else "0" * 31 + "x"
    values = {"key": f"photos/{NUMBER}-{n:03}.jpg", "state": "indexed", "etag": etag, "model": STAMP}
    return {name: {"S": value} for name, value in values.items()} | {"size": {"N": str(100_000 + n)}}


def _after(key: Sequence[str] | None) -> int:
    """The page behind a page's last key."""
    return int(key[0][7:13]) + 1 if key else 0


def _answer(request: Any, body: str) -> AWSResponse:
    return AWSResponse(request.url, 200, {"Content-Type": "application/xml"}, Raw(body.encode()))


class Sources:
    def __init__(self, world: World) -> None:
        self._source = BucketSource(world.s3, COLLECTION.bucket, COLLECTION.prefix, None)

    def of(self, _: Collection) -> BucketSource:
        return self._source


class Embedder:
    def model(self) -> str:
        return STAMP


class Queues:
    """Counts what would be sent, each message written out as for SQS."""

    def __init__(self) -> None:
        self.objects = 0

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self.objects += len(batch.changes)
            batch.to_json()


def plan(world: World, keys: int) -> None:
    """One sync from its first message to the last batch that it sends."""
    collections = FakeCollections()
    collections.put(COLLECTION)
    syncs, queues = FakeSyncs(collections), Queues()
    walk = _walk(world, collections, syncs, queues)
    state = SyncState(SyncStatus.IN_PROGRESS, "a-sync", Trigger.MANUAL, NOW + LEASE, started_at=NOW, parts=1)
    assert syncs.begin(COLLECTION, state, parts_between([]), NOW)
    walk.take_on(SyncStep(COLLECTION.account, COLLECTION.uuid, "a-sync"), lambda: 900.0)
    assert queues.objects == keys // CHANGED


def _walk(world: World, collections: Any, syncs: Any, queues: Any) -> Walk:
    catalogue = DynamoDBCatalogue(world.dynamodb, "catalogue", "collections")
    sources: Any = Sources(world)
    return Walk(collections, syncs, catalogue, sources, Embedder(), queues, lambda: NOW)  # type: ignore[arg-type]


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


def ratios() -> None:
    for name, (keys, turns) in SIZES.items():
        world, taken, alone = World(keys), [], []
        plan(World(10_000), 10_000)  # nothing is imported or compiled in what counts
        for _ in range(turns):
            alone.append(_seconds(lambda world=world, keys=keys: bare(world, keys)))
            taken.append(_seconds(lambda world=world, keys=keys: plan(world, keys)))
        figure(f"plan_ratio_{name}", median(a / b for a, b in zip(alone, taken, strict=True)), "x")
        figure(f"plan_objects_per_s_{name}", keys / median(taken), "1/s")


def memory() -> None:
    for name in ("100k", "1m"):
        command = [sys.executable, "-m", "tests.bench.sync", "--only", str(SIZES[name][0])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        figure(f"plan_rss_mb_{name}", float(done.stdout), "MB")


def in_parts() -> None:
    """A million keys, cut at the quantiles of a walk before: the parts walked by two processes, against by one."""
    parts = [part for part in parts_between(splits_after([_met_before()])) if part.number != RELEASING]
    taken = []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers) as pool:
            began = time.perf_counter()
            assert sum(pool.map(_walked, parts)) == SIZES["1m"][0]
            taken.append(time.perf_counter() - began)
    figure("plan_two_processes_1m", taken[0] / taken[1], "x")


def _met_before() -> Part:
    """What a walk over all keys notes on its way."""
    part = Part(0)
    for page in range(SIZES["1m"][0] // PAGE):
        part = part.moved(f"photos/{page:06}-999.jpg", PAGE)
    return part


def _walked(part: Part) -> int:
    world = World(SIZES["1m"][0])
    walk = _walk(world, FakeCollections(), None, None)
    return sum(stretch.listed for stretch in walk.stretches(COLLECTION, part))


def _seconds(act: Callable[[], None]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def main() -> None:
    if sys.argv[1:2] == ["--only"]:
        plan(World(int(sys.argv[2])), int(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    ratios()
    memory()
    in_parts()


if __name__ == "__main__":
    main()
