"""Measures how well a vector store finds a sample of the pictures that it must have."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.files import FileRecord
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery
from chalicelib.services.ports import Catalogue

SAMPLE_SIZE = 64  # pictures that are searched for, and whose vectors are the queries
RECALL_NEIGHBOURS = 16  # nearest neighbours that recall is measured over
MIN_RECALL = 0.95  # below it something is wrong with an index; `make bench SUITE=store` shows what to expect
MAX_SELF_DISTANCE = 1e-5  # of a picture from itself, including float32's rounding
MAX_DUPLICATES = 100  # of one picture that a search returns; a picture that has more counts as found

# Pictures that workers may have in one store and not yet in the other: 8 batches of 16. A worker writes the vector
# store first, so during work the two are never equal, and a count cannot tell such a picture from a fault. The versions
# compared by the second fill, and the sample, find what a fault leaves out.
MAX_PENDING_PICTURES = 128

SearchFunction = Callable[[VectorQuery], list[Hit]]
# The versions that a store has of these files, by uuid.
VersionLookup = Callable[[Sequence[str]], Mapping[str, int]]


@dataclass(slots=True)
class Sample:
    """A few records out of many, each as likely as any other (reservoir sampling)."""

    size: int = SAMPLE_SIZE
    records: list[FileRecord] = field(default_factory=list)
    offered: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  # no secret

    def offer(self, record: FileRecord) -> None:
        """Consider one more record for the sample."""
        self.offered += 1
        if len(self.records) < self.size:
            self.records.append(record)
        elif (position := self._random.randrange(self.offered)) < self.size:
            self.records[position] = record


@dataclass(frozen=True, slots=True)
class Quality:
    """Args:
    sample_size: pictures that were searched for.
    missing: uuids of those that a search by their own vector did not find.
    recall: mean fraction of the true nearest neighbours that searches found.
    """

    sample_size: int
    missing: tuple[str, ...]
    recall: float


def measure_quality(
    search: SearchFunction,
    exact: SearchFunction,
    indexed_versions: VersionLookup,
    catalogue: Catalogue,
    sample: Sequence[FileRecord],
) -> Quality:
    """Search for sampled pictures by their own vectors, and compare their neighbours with those of exact search.

    Args:
        indexed_versions: a picture that is not found is not missing when the store has a newer version of it: a worker
            writes the store before the catalogue.
    """
    missing, recalls = [], []
    for record in sample:
        if not _finds_itself(search, record) and not _has_changed(record, indexed_versions, catalogue):
            missing.append(record.uuid)
        recalls.append(_recall(search, exact, record))
    return Quality(len(sample), tuple(missing), sum(recalls) / len(recalls) if recalls else 1.0)


def _finds_itself(search: SearchFunction, record: FileRecord) -> bool:
    assert record.embedding is not None
    query = VectorQuery(
        account=record.account,
        vector=record.embedding.vector,
        model=record.embedding.model,
        options=SearchOptions(limit=MAX_DUPLICATES, collections=(record.collection,), max_distance=MAX_SELF_DISTANCE),
    )
    hits = search(query)
    return record.uuid in {hit.uuid for hit in hits} or len(hits) == MAX_DUPLICATES


def _has_changed(record: FileRecord, indexed_versions: VersionLookup, catalogue: Catalogue) -> bool:
    """Whether the store or the catalogue has a newer version of the record than the sample."""
    if indexed_versions([record.uuid]).get(record.uuid, 0) > record.version:
        return True
    current = catalogue.get(record.collection, record.key)
    return current is None or current.version != record.version


def _recall(search: SearchFunction, exact: SearchFunction, record: FileRecord) -> float:
    assert record.embedding is not None
    query = VectorQuery(
        account=record.account,
        vector=record.embedding.vector,
        model=record.embedding.model,
        options=SearchOptions(limit=RECALL_NEIGHBOURS),
    )
    true_neighbours = exact(query)
    if not true_neighbours:
        return 1.0
    # By distance, not by identity: among pictures that are equally near, any is right.
    near = [hit for hit in search(query) if hit.distance <= true_neighbours[-1].distance]
    return len(near) / len(true_neighbours)
