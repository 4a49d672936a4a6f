"""How well a vector store finds a sample of the pictures that it must have."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.files import FileRecord
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery
from chalicelib.services.ports import Catalogue

SAMPLE_SIZE = 64  # pictures looked for, and used as queries


NEIGHBOURS = 16  # of which recall is measured, as many as the API answers unless asked


RECALL_FLOOR = 0.95  # below it something is wrong with an index; `make bench-store` shows what to expect


SELF_DISTANCE = 1e-5  # distance of a picture from itself, with what float32 may add


MAX_DUPLICATES = 100  # of one picture that are looked at; where it has more, it counts as found


REINDEX = "`infra.admin reindex`"


# Pictures that workers may have in one store and not yet in the other: 8 batches of 16. A worker writes the vector
# store first, so while work goes on there is no moment at which both say the same, and a count cannot tell such a
# picture from a fault. What a fault leaves out is told by versions, in the second walk that fills, and by the sample.
PENDING_PICTURES = 128


SearchFunction = Callable[[VectorQuery], list[Hit]]


VersionLookup = Callable[[Sequence[str]], Mapping[str, int]]


@dataclass(slots=True)
class Sample:
    """A few records out of many, each as likely as any other (reservoir sampling)."""

    size: int = SAMPLE_SIZE
    records: list[FileRecord] = field(default_factory=list)
    met: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  # no secret

    def meet(self, record: FileRecord) -> None:
        self.met += 1
        if len(self.records) < self.size:
            self.records.append(record)
        elif (place := self._random.randrange(self.met)) < self.size:
            self.records[place] = record


@dataclass(frozen=True, slots=True)
class Quality:
    """``missing`` pictures were not found where they must lie; ``recall`` is the mean share of the true neighbours."""

    looked_for: int
    missing: tuple[str, ...]
    recall: float


def measure_quality(
    search: SearchFunction,
    exact: SearchFunction,
    held: VersionLookup,
    catalogue: Catalogue,
    sample: Sequence[FileRecord],
) -> Quality:
    """Look for sampled pictures by their own vectors, and compare their neighbours with the true ones.

    Args:
        held: the versions that the store has of files. A worker writes the store before the catalogue: what is not
            found may have a newer vector already that the catalogue is about to tell of.
    """
    missing, shares = [], []
    for record in sample:
        assert record.embedding is not None
        own = VectorQuery(
            account=record.account,
            vector=record.embedding.vector,
            model=record.embedding.model,
            options=SearchOptions(limit=MAX_DUPLICATES, collections=(record.collection,), max_distance=SELF_DISTANCE),
        )
        hits = search(own)
        found = record.uuid in {hit.uuid for hit in hits} or len(hits) == MAX_DUPLICATES
        if not found and held([record.uuid]).get(record.uuid, 0) <= record.version and _is_unchanged(catalogue, record):
            missing.append(record.uuid)
        query = replace(own, options=SearchOptions(limit=NEIGHBOURS))
        true = exact(query)
        # By distance: of pictures that are equally near, any will do.
        farthest = true[-1].distance if true else 0.0
        near = [hit for hit in search(query) if hit.distance <= farthest]
        shares.append(len(near) / len(true) if true else 1.0)
    return Quality(len(sample), tuple(missing), sum(shares) / len(shares) if shares else 1.0)


def _is_unchanged(catalogue: Catalogue, record: FileRecord) -> bool:
    """Whether nobody has changed the record since it was sampled."""
    now = catalogue.get(record.collection, record.key)
    return now is not None and now.version == record.version
