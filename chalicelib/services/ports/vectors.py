"""Ports of the vectors that searches read."""

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.file_queries import FileQuery, FoundFile
from chalicelib.domain.vectors import CountedHits, Hit, VectorDocument, VectorQuery, VectorRemoval


class VectorStore(Protocol):
    """A projection of the catalogue that finds nearest neighbours.

    Every method raises ``StoreUnavailable`` when the store cannot be reached. The next search of any process sees a
    write that has returned.
    """

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def remove_collection(self, account: str, collection: str) -> None: ...

    def search(self, query: VectorQuery) -> list[Hit]: ...

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Returns versions and vectors of those files that have a vector of this model version."""

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        """Returns the page of files that a query finds by their facts or names, in its order."""

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        """As ``search``, with the number of documents that are searched.

        A store that appends counts superseded documents too, until they are deleted.
        """

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        """Returns how many documents an account has; without a model, a picture counts once for each of its models."""


class Rebuild(Protocol):
    """The vectors of one model version, being filled again while searches and writes go on."""

    def indexed_versions(self, uuids: Sequence[str]) -> dict[str, int]:
        """Returns the versions that this rebuild has of these files, tombstones included."""

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        """Write documents and tombstones; one with a lower version than the stored one loses, as everywhere."""

    def count(self, account: str, collection: str) -> int: ...

    def search(self, query: VectorQuery) -> list[Hit]:
        """Search what has been written to the rebuild."""

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, with every vector compared."""

    def serve(self) -> None:
        """In one step, let searches see what the rebuild has, and nothing else."""


class MaintainedVectorStore(VectorStore, Protocol):
    """What administration needs of a store beside what the application does."""

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        """Begin to fill a model version's vectors again, or continue an earlier rebuild where it stopped.

        Args:
            anew: else the vectors that are searched now are completed.
        """

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, with every vector compared."""

    def collections(self) -> set[tuple[str, str]]:
        """Account and identifier of every collection that the store has documents of."""

    def dimension(self, model: str) -> int | None:
        """The dimension of a model's vectors; None if the store has never had any."""

    def retire_others(self, model: str) -> None:
        """Stop searching and writing the vectors of other model versions; ``drop_old`` deletes them."""

    def check_health(self) -> list[str]:
        """Returns what is wrong with the store itself, each in a sentence that says what to do about it."""

    def drop_old(self) -> list[str]:
        """Delete what rebuilds have left behind; returns the names."""

    def abandon(self) -> list[str]:
        """Delete what an unfinished rebuild has written; returns the names."""

    def purge(self) -> int:
        """Delete tombstones that are older than any late write can be; returns how many."""
