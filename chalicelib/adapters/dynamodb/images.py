"""Images in the table of the catalogue: a partition for each file, apart from the collection's records.

A sync reads the records of a collection one after the other, so what it does not compare is not among them: the vector,
2 KB of a record's 2.5, and the facts of the picture. An image is never changed, so a read that lags behind can miss it,
but cannot return another state of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, optional_time, time_to_number, to_attribute, to_item
from chalicelib.adapters.dynamodb.retries import OF_A_REQUEST, Retries
from chalicelib.adapters.parallel import call_each
from chalicelib.domain.embeddings import ImageEmbedding, KnownImage
from chalicelib.domain.file_images import FileImage, image_of
from chalicelib.domain.files import FileRecord, ObjectInfo, content_key

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

PARTITION_PREFIX = "file/"  # no collection's uuid begins so
_FACTS = ("model", "size", "md5", "width", "height", "format", "taken", "perceptual_hash")
_PLACE = ("account", "file_collection", "file_key", "thumbnail")


class StoredImage(NamedTuple):
    """An image as it is stored: with the account of its file, and the key of its thumbnail, if it has one."""

    account: str
    embedding: ImageEmbedding
    thumbnail: str | None


class FileImages(NamedTuple):
    """The images of a file, and its collection and key, which are None if it has no image."""

    place: tuple[str, str] | None
    images: dict[FileImage, StoredImage]


class DynamoDBImages:
    def __init__(self, client: "DynamoDBClient", table: str, retries: Retries = OF_A_REQUEST) -> None:
        self._client = client
        self._table = table
        self._retries = retries

    def put(self, records: Iterable[FileRecord]) -> None:
        """Store the images of records that have one; each record must be given once."""
        stored_at = datetime.now(UTC)
        items = [image_to_item(record, stored_at) for record in records if record.embedding is not None]
        batches.write(self._client, self._table, items, self._retries)

    def read(
        self, images: Iterable[FileImage], *, consistent: bool, with_vectors: bool = True
    ) -> dict[FileImage, StoredImage]:
        """Return the images that are found; without vectors, these are empty."""
        attributes = None if with_vectors else ("collection", "key", *_PLACE, *_FACTS)
        keys = [image_key(image) for image in images]
        found = batches.read(
            self._client, self._table, keys, self._retries, consistent=consistent, attributes=attributes
        )
        return dict(map(_stored_image, found))

    def delete(self, images: Iterable[FileImage]) -> None:
        keys = [image_key(image) for image in images]
        for start in range(0, len(keys), batches.MAX_DELETIONS_PER_WRITE):
            page = keys[start : start + batches.MAX_DELETIONS_PER_WRITE]
            batches.delete(self._client, self._table, page, self._retries)

    def of_files(self, files: Sequence[str]) -> list[FileImage]:
        """Return all images of these files, those included that no record refers to."""
        return [image for images in call_each(self._ids, files) for image in images]

    def of_file(self, file: str) -> FileImages:
        """Return all that is stored of a file, by one consistent read."""
        query = self._partition(file)
        items = [item for page in self._client.get_paginator("query").paginate(**query) for item in page["Items"]]
        places = [(item["file_collection"]["S"], item["file_key"]["S"]) for item in items]
        return FileImages(next(iter(places), None), dict(map(_stored_image, items)))

    def place(self, file: str) -> tuple[str, str] | None:
        """Return the collection and the key of a file that has an image."""
        query = self._partition(file, {"#c": "file_collection", "#k": "file_key"})
        items = self._client.query(**query, Limit=1)["Items"]
        return next(((item["file_collection"]["S"], item["file_key"]["S"]) for item in items), None)

    def by_content(self, keys: Sequence[Any]) -> dict[str, KnownImage]:
        """Return images by their content, of those with these primary keys, which an index has found."""
        images: dict[str, KnownImage] = {}
        for item in batches.read(self._client, self._table, keys, self._retries, consistent=False):
            image = _stored_image(item)[1]
            if image.thumbnail is not None:
                known = KnownImage(image.embedding, image.thumbnail, item["file_collection"]["S"])
                images.setdefault(item["content"]["S"], known)
        return images

    def _ids(self, file: str) -> list[FileImage]:
        pages = self._client.get_paginator("query").paginate(**self._partition(file, {"#k": "key"}))
        return [FileImage(file, item["key"]["S"]) for page in pages for item in page["Items"]]

    def _partition(self, file: str, attributes: Mapping[str, str] | None = None) -> Any:
        """The query of a file's images: of all attributes, or of those with these placeholders."""
        query: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": "collection", **(attributes or {})},
            "ExpressionAttributeValues": {":p": to_attribute(PARTITION_PREFIX + file)},
            "ConsistentRead": True,
        }
        return query | {"ProjectionExpression": ", ".join(attributes)} if attributes else query


def image_key(image: FileImage) -> dict[str, Any]:
    """Return the primary key of an image."""
    return {"collection": to_attribute(PARTITION_PREFIX + image.file), "key": to_attribute(image.id)}


def is_image_key(key: Any) -> bool:
    """Whether a primary key of the table is an image's, and not a record's."""
    return str(key["collection"]["S"]).startswith(PARTITION_PREFIX)


def image_from_key(key: Any) -> FileImage:
    """Return the image with this primary key."""
    return FileImage(key["collection"]["S"].removeprefix(PARTITION_PREFIX), key["key"]["S"])


def image_to_item(record: FileRecord, stored_at: datetime) -> dict[str, Any]:
    image, embedding = image_of(record), record.embedding
    assert image is not None and embedding is not None
    if not embedding.vector:
        raise ValueError(f"The image of {record.uuid} was read without its vector and cannot be stored.")
    facts = {name: getattr(embedding, name) for name in _FACTS}
    place = {
        "account": record.account,
        "file_collection": record.collection,
        "file_key": record.key,
        "thumbnail": record.thumbnail,
        "content": record_content_key(record),
        "stored_at": time_to_number(stored_at),
    }
    return image_key(image) | to_item({**facts, **place, "vector": embedding.vector})


def record_content_key(record: FileRecord) -> str:
    """Return the ``files.content_key`` of a record that has an embedding."""
    assert record.embedding is not None
    return content_key(record.account, record.embedding.model, ObjectInfo(record.key, record.etag, record.size))


def _stored_image(item: Any) -> tuple[FileImage, StoredImage]:
    values = from_item(item)
    facts: dict[str, Any] = {name: values.get(name) for name in _FACTS}
    facts["taken"] = optional_time(values.get("taken"))
    embedding = ImageEmbedding(vector=values.get("vector", b""), **facts)
    return image_from_key(item), StoredImage(values["account"], embedding, values.get("thumbnail"))
