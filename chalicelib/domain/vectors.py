"""What the vector store keeps and answers: documents, queries, hits, and the port itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.files import FileRecord, Picture

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


def document_of(record: FileRecord, picture: Picture, bucket: str) -> VectorDocument:
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


class VectorStore(Protocol):
    """A projection of the catalogue that answers nearest-neighbour queries.

    Every method raises ``StoreUnavailable`` when the store cannot be reached; a write that returned is visible to the
    next search of any process.
    """

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def remove_collection(self, account: str, collection: str) -> None: ...

    def search(self, query: VectorQuery) -> list[Hit]: ...

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        """Documents of an account; without a model, a picture counts once for each model that it is kept for."""


class Rebuild(Protocol):
    """The vectors of one model, being filled anew beside searches and writes, which go on."""

    def held(self, uuids: Sequence[str]) -> dict[str, int]:
        """The versions that this rebuild has of these files, tombstones too."""

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        """Fill in; a lower version than the one that is there loses, as everywhere."""

    def count(self, account: str, collection: str) -> int: ...

    def search(self, query: VectorQuery) -> list[Hit]:
        """An answer out of what has been filled in."""

    def exact(self, query: VectorQuery) -> list[Hit]:
        """The same with every vector compared."""

    def serve(self) -> None:
        """From now on, in one step, searches are answered from what has been filled in, and from nothing else."""


class MaintainedStore(VectorStore, Protocol):
    """What administration asks of a store beside what the application does."""

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        """Begin to fill a model's vectors anew, or go on where an earlier rebuild stopped.

        Args:
            anew: else what is searched now is completed.
        """

    def exact(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, with every vector compared."""

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Versions and vectors of those files that the store has a vector of this model of."""

    def retire_others(self, model: str) -> None:
        """Nobody searches other models' vectors any more: they take no more writes, and wait to be dropped."""

    def examine(self) -> list[str]:
        """What is wrong with the store itself, each in a sentence that says what to do about it."""

    def drop_old(self) -> list[str]:
        """Delete what rebuilds have left behind; answers the names."""

    def abandon(self) -> list[str]:
        """Delete what an unfinished rebuild has filled; answers the names."""

    def purge(self) -> int:
        """Delete tombstones that nothing can come late for any more; answers how many."""
