"""What the vector store keeps and answers: documents, queries, hits, and the port itself."""

from dataclasses import dataclass

from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord

# Late writes come from queues, and SQS keeps a message for 14 days at most: an older tombstone has nothing to fend off.
TOMBSTONE_SECONDS = 15 * 24 * 3600


@dataclass(frozen=True, slots=True)
class VectorDocument:
    """One searchable picture, flat, with all that a search result shows.

    Args:
        uuid: the file's identity, the document's id in the store.
        version: grows with each change of the file; a store keeps the highest and ignores a lower one.
        model: stamp of the model and decode version, e.g. ``lite-1+d2``; only vectors of one stamp are compared.
        vector: little-endian float32, L2-normalised; its length is four times the model's dimension.
    """

    uuid: str
    account: str
    collection: str
    bucket: str
    key: str
    size: int
    md5: str
    model: str
    version: int
    vector: bytes


def vector_document(record: FileRecord, picture: ImageEmbedding, bucket: str) -> VectorDocument:
    """A record's picture as the vector store keeps it."""
    return VectorDocument(
        uuid=record.uuid,
        account=record.account,
        collection=record.collection,
        bucket=bucket,
        key=record.key,
        size=picture.size,
        md5=picture.md5,
        model=picture.model,
        version=record.version,
        vector=picture.vector,
    )


@dataclass(frozen=True, slots=True)
class VectorRemoval:
    """Takes a document out, unless the store already holds a higher version of it."""

    uuid: str
    version: int


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """The nearest documents of one account to ``vector``, nearest first.

    Args:
        vector: little-endian float32, L2-normalised.
        model: the stamp whose vectors are compared.
        limit: how many hits at most, at least 1.
        collections: only these collections; ``None`` means all of the account.
        max_distance: only hits whose cosine distance is not above it.
        after: the ``(distance, uuid)`` of the last hit of the page before.
    """

    account: str
    vector: bytes
    model: str
    limit: int
    collections: tuple[str, ...] | None = None
    max_distance: float | None = None
    after: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found, with its cosine distance ``1 - cos`` in [0, 2]; ties stand in order of uuid."""

    uuid: str
    collection: str
    bucket: str
    key: str
    size: int
    md5: str
    distance: float


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which part of the answer: the fields of ``VectorQuery`` that a caller may choose."""

    limit: int
    collections: tuple[str, ...] | None = None
    max_distance: float | None = None
    after: tuple[float, str] | None = None
