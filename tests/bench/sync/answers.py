"""A bucket and a catalogue of any size, made page by page.

Real clients of S3 and DynamoDB parse answers that are put before them instead of sent, with a thousand objects a page
as S3 gives them and 1 MB of records as DynamoDB does. One object in a hundred differs from its record.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.s3.sources import BucketSource
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.messages import IndexBatch
from chalicelib.services.pipeline.sync_worker import SyncWorker

PAGE = 1_000  # objects that S3 lists at once
RECORDS = ((0, 400), (400, 800), (800, 1_000))  # 1 MB of records of 2.6 KB each, of every thousand
CHANGED = 100  # of so many objects one differs
NUMBER = "@@@@@@"  # where a page's number goes
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
    def model_version(self) -> str:
        return STAMP


class FullPlan:
    def retry_budget(self, _: Collection) -> int:
        return 0


class Queues:
    """Counts what would be sent, each message written out as for SQS."""

    def __init__(self) -> None:
        self.objects = 0

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self.objects += len(batch.hints)
            batch.to_json()


def walk_over(world: World, collections: Any, syncs: Any, queues: Any) -> SyncWorker:
    catalogue = DynamoDBCatalogue(world.dynamodb, "catalogue", "collections", "accounts")
    sources: Any = Sources(world)
    return SyncWorker(collections, syncs, catalogue, sources, Embedder(), queues, FullPlan(), lambda: NOW)  # type: ignore[arg-type]
