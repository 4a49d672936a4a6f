"""Embeddings whose records could not be saved, in DynamoDB, each in a partition of its own: none of them is hot."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_item
from chalicelib.domain.embeddings import ImageEmbedding, KnownImage

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

STASH_RETENTION = timedelta(days=1)  # longer than a message is tried again before it is a dead letter
_PREFIX = "embedding/"
_EMBEDDING_FIELDS = ("model", "vector", "size", "md5", "width", "height", "format", "taken", "perceptual_hash")


class DynamoDBEmbeddingStash:
    def __init__(self, client: "DynamoDBClient", syncs_table: str) -> None:
        self._client = client
        self._table = syncs_table

    def put(self, images: Mapping[str, KnownImage], now: datetime) -> None:
        expires_at = int((now + STASH_RETENTION).timestamp())
        for content_key, image in images.items():
            embedding = {name: getattr(image.embedding, name) for name in _EMBEDDING_FIELDS}
            place = {"collection": image.collection, "thumbnail": image.thumbnail, "expires_at": expires_at}
            item = to_item({**embedding, **place}) | _key(content_key)
            self._client.put_item(TableName=self._table, Item=item)

    def get(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        keys = [_key(content_key) for content_key in dict.fromkeys(content_keys)]
        images: dict[str, KnownImage] = {}
        for item in batches.read(self._client, self._table, keys):
            values = from_item(item)
            fields: dict[str, Any] = {name: values.get(name) for name in _EMBEDDING_FIELDS}
            embedding = ImageEmbedding(**{**fields, "taken": optional_time(values.get("taken"))})
            content_key = values["sync"].removeprefix(_PREFIX)
            images[content_key] = KnownImage(embedding, values["thumbnail"], values["collection"])
        return images


def _key(content_key: str) -> dict[str, Any]:
    return to_item({"sync": f"{_PREFIX}{content_key}", "item": "embedding"})
