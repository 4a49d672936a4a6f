"""Factories of domain values for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from statistics import NormalDist
from typing import Any
from uuid import uuid4

from chalicelib.domain.calibration import LEVELS, Calibration, ChanceDistribution
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.storage_servers import ETagMeaning, StorageServer
from chalicelib.domain.webhook_deliveries import WebhookDelivery
from chalicelib.domain.webhook_events import message_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = NOW + timedelta(minutes=20)


def a_collection(**fields: Any) -> Collection:
    values: dict[str, Any] = {
        "uuid": str(uuid4()),
        "account": str(uuid4()),
        "name": "Ferien, Öland",
        "type": CollectionType.S3,
        "bucket": f"bucket-{uuid4().hex}",
        "prefix": "pictures/",
        "region": "eu-west-1",
        "created_at": NOW,
        "role_arn": "arn:aws:iam::111122223333:role/similarix-reader",
        "external_id": "an-external-id",
    }
    return Collection(**(values | fields))


def a_collection_on_a_server(url: str = "https://s3.example.com", **fields: Any) -> Collection:
    server = StorageServer(url, "AKID", b"a sealed secret", ETagMeaning.OPAQUE)
    return a_collection(**({"role_arn": None, "external_id": None, "region": "auto", "server": server} | fields))


def an_embedding(**fields: Any) -> ImageEmbedding:
    values: dict[str, Any] = {
        "model": "fake-1+d1",
        "vector": bytes(range(64)) * 32,
        "size": 1000,
        "md5": "0" * 32,
        "width": 640,
        "height": 480,
        "format": "JPEG",
        "taken": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        "perceptual_hash": "f0e1d2c3b4a59687",
    }
    return ImageEmbedding(**(values | fields))


def a_record(collection: Collection, key: str, **fields: Any) -> FileRecord:
    values: dict[str, Any] = {
        "account": collection.account,
        "collection": collection.uuid,
        "key": key,
        "state": FileState.INDEXED,
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "size": 1000,
        "version": 1,
        "updated_at": NOW,
        "embedding": an_embedding(),
        "modified": NOW,
        "metadata": {"product_id": "A1", "price": 12.5, "stock": 3, "sold": False, "tag": ("x", "ÿ 日本")},
    } | fields
    return FileRecord(**({"model": values["embedding"].model if values["embedding"] else None} | values))


def a_delivery(account: str, endpoint: str, number: int = 0, **changes: Any) -> WebhookDelivery:
    """A delivery that waits for its first attempt, of an event ``number`` seconds after NOW."""
    at = NOW + timedelta(seconds=number)
    plain = WebhookDelivery(account, endpoint, message_id(at, "n"), "file.indexed", at, '{"a":1}', next_at=at)
    return replace(plain, **changes)


def a_batch(collection: Collection, *keys: str, sync: str | None = None, batch_id: str | None = None) -> IndexBatch:
    return IndexBatch(collection.account, collection.uuid, tuple(map(ObjectHint, keys)), sync, batch_id)


# In the order of their UTF-8 bytes, which differs from that of UTF-16 and of any language.
AWKWARD_KEYS = (
    "\n",
    " ",
    "+",
    "A/B/c d.jpg",
    "a",
    "a\nb",
    "a b",
    "a%20b",
    "a+b",
    "a/",
    "a//b",
    "a/b",
    "e\u0301.jpg",
    "x" * 1024,
    "\u00e9.jpg",
    "\u4e2d\u6587.jpg",
    "\uff5e",
    "\U0001f600",
    "\U0001f600" * 256,
)


def a_calibration(model: str = "fake-1+d1", dimension: int = 8) -> Calibration:
    """Statistics under which a text varies twice as much along the first axis as along any other direction."""
    rest = (0.0,) * (dimension - 1)
    quantiles = tuple(NormalDist().inv_cdf(1 - level) for level in LEVELS)
    return Calibration(
        model=model,
        pictures=100,
        mean=(*rest, 0.5),
        axes=((0.2, *rest),),
        residual=0.01,
        text=ChanceDistribution(0.4, 0.2, quantiles),
        picture=ChanceDistribution(0.4, 0.2, quantiles),
    )
