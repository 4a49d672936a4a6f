"""What the vector store keeps and returns: documents, queries and hits; and the rules that every store shares."""

import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.file_facts import FileFacts, milliseconds
from chalicelib.domain.files import FileRecord
from chalicelib.domain.filters import Filter
from chalicelib.domain.metadata import Metadata

# Late writes come from queues, and SQS keeps a message for 14 days at most: an older tombstone has nothing to fend off.
TOMBSTONE_SECONDS = 15 * 24 * 3600

COLLECTIONS_MAX = 20  # that one search may name
FILTERS_UNAVAILABLE = (
    "The search index was written by an earlier version, which kept nothing that filters, sorted lists and searches by "
    "name compare. Searches without them go on. An administrator must run `infra.admin reindex`."
)
DISTANCE_DECIMALS = 6  # of a distance; the order of hits, `after` and `max_distance` use the rounded value
MAX_DISTANCE = 2.0  # of two vectors that point in opposite directions
UNIT_TOLERANCE = 1e-4  # of a vector's squared length around 1

NO_FILTER = Filter()
# Where a hit stands in the results: its rounded distance, then its uuid.
Position = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """What a search result shows of a file.

    Every store keeps it as opaque JSON, so another field needs no new layout of an index and no new schema. Such a
    field must have a default, because documents that were stored before it lack it. What filters compare is stored
    apart: ``facts``.

    Args:
        path: the key below the collection's folder.
        width: in pixels, as ``height``, of the upright picture.
        format: the embedder's name for it.
        modified: when S3 stored the object.
        taken: when the picture was taken, by its EXIF; without a zone where EXIF has none.
        perceptual_hash: 64 bits as 16 hexadecimal digits; see ``domain.duplicates``.
    """

    collection: str
    bucket: str
    key: str
    size: int
    md5: str
    path: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    modified: datetime | None = None
    taken: datetime | None = None
    perceptual_hash: str | None = None
    metadata: Metadata = field(default_factory=dict, hash=False)

    @property
    def facts(self) -> FileFacts:
        """What filters compare of the file."""
        return FileFacts(
            path=self.key if self.path is None else self.path,
            format=(self.format or "").lower(),
            size=self.size,
            width=self.width or 0,
            height=self.height or 0,
            modified=None if self.modified is None else milliseconds(self.modified),
            taken=None if self.taken is None else milliseconds(self.taken),
            metadata=self.metadata,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads what ``to_json`` of this or another version returned: unknown fields are ignored, missing defaulted."""
        names = cls.__dataclass_fields__
        known = {name: value for name, value in stored.items() if name in names}
        times = {name: datetime.fromisoformat(known[name]) for name in ("modified", "taken") if known.get(name)}
        metadata = known.get("metadata", {})
        lists = {name: tuple(value) if isinstance(value, list) else value for name, value in metadata.items()}
        return cls(**(known | times | {"metadata": lists}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorDocument:
    """One searchable picture.

    Args:
        uuid: the file's identity, the document's id in the store.
        version: grows with each change of the file; a store keeps the highest and ignores a lower one.
        model: the model version, e.g. ``lite-1+d3``; only vectors of the same model version are compared.
        vector: little-endian float32, L2-normalised; its length is four times the model's dimension.
        file: what a search result shows.
    """

    uuid: str
    account: str
    model: str
    version: int
    vector: bytes
    file: FileSummary

    @property
    def collection(self) -> str:
        return self.file.collection


def vector_document(record: FileRecord, embedding: ImageEmbedding, collection: Collection) -> VectorDocument:
    """Returns the document by which the vector store finds a picture of the collection."""
    return VectorDocument(
        uuid=record.uuid,
        account=record.account,
        model=embedding.model,
        version=record.version,
        vector=embedding.vector,
        file=FileSummary(
            collection=record.collection,
            bucket=collection.bucket,
            key=record.key,
            size=embedding.size,
            md5=embedding.md5,
            path=record.key.removeprefix(collection.prefix),
            width=embedding.width,
            height=embedding.height,
            format=embedding.format,
            modified=record.modified,
            taken=embedding.taken,
            perceptual_hash=embedding.perceptual_hash,
            metadata=record.metadata,
        ),
    )


def record_facts(record: FileRecord, collection: Collection) -> FileFacts:
    """Returns what filters compare of a file of the collection, whether it is indexed or not."""
    if record.embedding is not None:
        return vector_document(record, record.embedding, collection).file.facts
    return FileFacts(
        path=collection.path_of(record.key),
        format="",
        size=record.size,
        width=0,
        height=0,
        modified=None if record.modified is None else milliseconds(record.modified),
        taken=None,
        metadata=record.metadata,
    )


@dataclass(frozen=True, slots=True)
class VectorRemoval:
    """Removes a document, unless the store already has a higher version of it."""

    uuid: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Which hits a search returns, as its caller chooses.

    Args:
        limit: how many hits at most, at least 1.
        collections: only files of these collections; ``None`` means all of the account.
        max_distance: only hits whose cosine distance is not above it.
        filter: only files that it admits.
        after: the position of the last hit of the previous page.
    """

    limit: int
    collections: tuple[str, ...] | None = None
    max_distance: float | None = None
    after: Position | None = None
    filter: Filter = NO_FILTER

    def narrowing(self) -> tuple[Any, ...]:
        """The values of all options but those of the page: two searches with equal ones have the same hits."""
        return tuple(value for name, value in asdict(self).items() if name not in ("limit", "after"))

    def admits(self, position: Position) -> bool:
        """Whether a hit lies behind the previous page and not beyond the maximal distance."""
        return (self.max_distance is None or position[0] <= self.max_distance) and (
            self.after is None or position > self.after
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorQuery:
    """Asks for the documents of one account that are nearest to ``vector``, nearest first.

    Args:
        vector: little-endian float32, L2-normalised.
        model: the model version whose vectors are compared.
    """

    account: str
    vector: bytes
    model: str
    options: SearchOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A file that a search found, with its cosine distance ``1 - cos`` in [0, 2]."""

    uuid: str
    file: FileSummary
    distance: float

    @property
    def position(self) -> Position:
        """Hits are in the order of their positions: equal distances are ordered by uuid."""
        return self.distance, self.uuid


@dataclass(frozen=True, slots=True)
class CountedHits:
    """The hits of a search, and among how many documents it searched, whatever its distance and its page."""

    hits: list[Hit]
    searched: int


def unit_vector(vector: bytes) -> tuple[float, ...]:
    """Returns the numbers of a vector.

    Raises:
        ValueError: it is not a sequence of float32, or not of length one.
    """
    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is not a sequence of float32.")
    values = struct.unpack(f"<{len(vector) // 4}f", vector)
    length = math.hypot(*values)
    if not math.isclose(length**2, 1, rel_tol=0, abs_tol=UNIT_TOLERANCE):
        raise ValueError(f"A vector's length is {length:.6f}, not 1.")
    return values


def cosine_distance(one: bytes, other: bytes) -> float:
    """Returns the distance of two vectors of length one, as hits have it."""
    cosine = math.fsum(a * b for a, b in zip(unit_vector(one), unit_vector(other), strict=True))
    return rounded_distance(1 - cosine)


def rounded_distance(distance: float) -> float:
    """Returns a cosine distance as hits have it: float32 may compute one slightly below 0 or above 2."""
    return round(min(max(distance, 0.0), MAX_DISTANCE), DISTANCE_DECIMALS)
