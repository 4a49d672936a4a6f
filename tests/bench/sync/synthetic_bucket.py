"""A synthetic bucket and its catalogue, of any size, made page by page.

Real clients of S3 and DynamoDB parse canned responses instead of sending requests, with a thousand objects a page as
S3 returns them and 1 MB of records as DynamoDB does. One object in a hundred differs from its record.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.s3.bucket_source import BucketSource
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.messages import IndexBatch
from chalicelib.services.pipeline.sync_worker import SyncWorker
from tests.fakes.application import FakeAdapters, services_on

OBJECTS_PER_PAGE = 1_000
RECORD_PAGES = ((0, 400), (400, 800), (800, 1_000))  # of every thousand records, which have 2.6 KB each
OBJECTS_PER_CHANGE = 100
PAGE_PLACEHOLDER = "@@@@@@"  # replaced by a page's number
NOW = datetime(2026, 11, 24, tzinfo=UTC)
MODEL_VERSION = "bench-1+d1"
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


class RawBody(BytesIO):
    """A response's body as botocore reads it."""

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()


class SyntheticBucket:
    """Responses for a bucket with so many keys, ``photos/NNNNNN-nnn.jpg``, and for its catalogue."""

    def __init__(self, keys: int) -> None:
        self._pages = keys // OBJECTS_PER_PAGE
        objects = "".join(
            f"<Contents><Key>photos/{PAGE_PLACEHOLDER}-{n:03}.jpg</Key>"
            "<LastModified>2026-11-24T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{100_000 + n}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(OBJECTS_PER_PAGE)
        )
        self._listing = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>a-bucket</Name><Prefix>photos/</Prefix><KeyCount>{OBJECTS_PER_PAGE}</KeyCount>"
            f"<MaxKeys>{OBJECTS_PER_PAGE}</MaxKeys>"
            f"<EncodingType>url</EncodingType>%s{objects}</ListBucketResult>"
        )
        self._records = [json.dumps([_item(n) for n in range(first, last)]) for first, last in RECORD_PAGES]
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
        parameters = parse_qs(urlsplit(request.url).query)
        token = parameters.get("continuation-token")
        page = int(token[0]) if token else _page_after(parameters.get("start-after"))
        truncated = page + 1 < self._pages
        fields = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
        fields += f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if truncated else ""
        return _response(request, self._listing.replace("%s", fields, 1).replace(PAGE_PLACEHOLDER, f"{page:06}"))

    def _query(self, request: Any, **_: Any) -> AWSResponse:
        query = json.loads(request.body)
        start = query.get("ExclusiveStartKey", {}).get("key") or query["ExpressionAttributeValues"].get(":after")
        page, part = _page_after([start["S"]] if start else None), 0
        if start and (next_record := int(start["S"][14:17]) + 1) < OBJECTS_PER_PAGE:
            page, part = page - 1, next(n for n, (first, _) in enumerate(RECORD_PAGES) if first == next_record)
        last_key = f"photos/{page:06}-{RECORD_PAGES[part][1] - 1:03}.jpg"
        at_end = page + 1 == self._pages and part + 1 == len(RECORD_PAGES)
        more = {} if at_end else {"LastEvaluatedKey": {"collection": {"S": COLLECTION.uuid}, "key": {"S": last_key}}}
        body = f'{{"Items": {self._records[part].replace(PAGE_PLACEHOLDER, f"{page:06}")}, {json.dumps(more)[1:]}'
        return _response(request, body if more else body.replace(", }", "}"))


def _item(n: int) -> dict[str, Any]:
    etag = f"{n:032x}" if n % OBJECTS_PER_CHANGE else "0" * 31 + "x"
    values = {"key": f"photos/{PAGE_PLACEHOLDER}-{n:03}.jpg", "state": "indexed", "etag": etag, "model": MODEL_VERSION}
    return {name: {"S": value} for name, value in values.items()} | {"size": {"N": str(100_000 + n)}}


def _page_after(key: Sequence[str] | None) -> int:
    """Return the number of the page that follows the one with this key."""
    return int(key[0][7:13]) + 1 if key else 0


def _response(request: Any, body: str) -> AWSResponse:
    return AWSResponse(request.url, 200, {"Content-Type": "application/xml"}, RawBody(body.encode()))


class SyntheticSources:
    def __init__(self, bucket: SyntheticBucket) -> None:
        self._source = BucketSource(bucket.s3, COLLECTION.bucket, COLLECTION.prefix, None)

    def of(self, _: Collection) -> BucketSource:
        return self._source


class ModelVersionOnly:
    """An embedder that a sync's plan asks for nothing but the model version."""

    def model_version(self) -> str:
        return MODEL_VERSION


class CountingQueues:
    """Counts the objects of sent batches; each batch is serialized as for SQS."""

    def __init__(self) -> None:
        self.objects = 0

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self.objects += len(batch.hints)
            batch.to_json()


def sync_worker_on(bucket: SyntheticBucket, **stores: Any) -> SyncWorker:
    """Return the sync worker in its production wiring, on a synthetic bucket and the given stores."""
    adapters = replace(
        FakeAdapters.fresh(),
        clock=lambda: NOW,
        sources=SyntheticSources(bucket),
        catalogue=DynamoDBCatalogue(bucket.dynamodb, "catalogue", "collections", "accounts"),
        embedder=ModelVersionOnly(),
        **stores,
    )
    return services_on(adapters).sync_worker
