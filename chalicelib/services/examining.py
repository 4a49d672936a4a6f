"""Whether the vector store says what the catalogue says: counts, sampled vectors, and recall on the user's own data."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import Hit, MaintainedStore, VectorQuery
from chalicelib.services.ports import Catalogue

CHUNK = 100  # records read at once, as many as DynamoDB gives
SAMPLE = 64  # pictures looked for, and used as queries
NEIGHBOURS = 16  # of which recall is measured, as many as the API answers unless asked
RECALL_FLOOR = 0.95  # below it something is wrong with an index; `make bench-store` shows what to expect
ITSELF = 1e-5  # distance of a picture from itself, with what float32 may add
DOUBLES = 100  # of one picture that are looked at; where it has more, it counts as found
REINDEX = "`infra.admin reindex`"
# Pictures that workers may have in one store and not yet in the other: 8 batches of 16. A worker writes the vector
# store first, so while work goes on there is no moment at which both say the same, and a count cannot tell such a
# picture from a fault. What a fault leaves out is told by versions, in the second walk that fills, and by the sample.
UNDER_WAY = 128

Searching = Callable[[VectorQuery], list[Hit]]
Versions = Callable[[Sequence[str]], Mapping[str, int]]


@dataclass(slots=True)
class Sample:
    """A few records out of many, each as likely as any other (reservoir sampling)."""

    size: int = SAMPLE
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


@dataclass(frozen=True, slots=True)
class Examining:
    catalogue: Catalogue
    store: MaintainedStore

    def examine(self, collections: Iterable[Collection], model: str, say: Callable[[str], None]) -> list[str]:
        """Compare the store with the catalogue, collection by collection."""
        try:
            findings = self.store.examine()
        except Unavailable as error:
            return [f"The store does not answer: {error} Nothing else could be looked at."]
        sample = Sample()
        for collection in collections:
            findings += self._count(collection, model, sample, say)

        def held(uuids: Sequence[str]) -> dict[str, int]:
            return {uuid: version for uuid, (version, _) in self.store.vectors(model, uuids).items()}

        quality = measure(self.store.search, self.store.exact, held, self.catalogue, sample.records)
        say(f"{quality.looked_for} sampled pictures, recall@{NEIGHBOURS} {quality.recall:.3f}")
        if quality.missing:
            findings.append(
                f"{len(quality.missing)} of {quality.looked_for} sampled pictures are not found by their own vector, "
                f"{quality.missing[0]} among them. {REINDEX} fills the store from the catalogue."
            )
        if quality.recall < RECALL_FLOOR:
            findings.append(
                f"Recall@{NEIGHBOURS} is {quality.recall:.3f} on your own pictures. {REINDEX} builds the graph anew; "
                "if that does not help, search more widely (EF_SEARCH in opensearch_search.py)."
            )
        return findings

    def _count(self, collection: Collection, model: str, sample: Sample, say: Callable[[str], None]) -> Iterator[str]:
        ours, others = 0, 0
        for records in record_chunks(self.catalogue, collection.uuid):
            for record in records:
                if is_searchable(record, model):
                    sample.meet(record)
                    ours += 1
                elif record.state is FileState.INDEXED:
                    others += 1
        held = self.store.count(collection.account, collection.uuid, model)
        say(f"{collection.uuid} {collection.name!r}: {ours} in the catalogue, {held} in the store")
        name = f"{collection.name!r} ({collection.uuid})"
        if others:
            yield (
                f"{others} pictures of {name} were embedded by another model than {model} and are not found. A sync "
                "embeds them anew; `infra.admin migrate` does it without a gap."
            )
        if held < ours:
            yield f"{ours - held} pictures of {name} are missing from the store. {REINDEX} fills them in."
        if held > ours:
            yield (
                f"The store has {held - ours} pictures of {name} that the catalogue does not have. {REINDEX} leaves "
                "them out."
            )


def is_searchable(record: FileRecord, model: str) -> bool:
    return record.state is FileState.INDEXED and record.picture is not None and record.picture.model == model


def record_chunks(catalogue: Catalogue, collection: str) -> Iterator[list[FileRecord]]:
    """A collection's records with their pictures, in the order of their keys."""
    keys = (known.key for known in catalogue.walk(collection, None))
    while chunk := list(islice(keys, CHUNK)):
        found = catalogue.get_many(collection, chunk)
        yield [found[key] for key in chunk if key in found]


def measure(
    search: Searching, exact: Searching, held: Versions, catalogue: Catalogue, sample: Sequence[FileRecord]
) -> Quality:
    """Look for sampled pictures by their own vectors, and compare their neighbours with the true ones.

    Args:
        held: the versions that the store has of files. A worker writes the store before the catalogue: what is not
            found may have a newer vector already that the catalogue is about to tell of.
    """
    missing, shares = [], []
    for record in sample:
        assert record.picture is not None
        own = VectorQuery(
            record.account,
            record.picture.vector,
            record.picture.model,
            limit=DOUBLES,
            collections=(record.collection,),
            max_distance=ITSELF,
        )
        hits = search(own)
        found = record.uuid in {hit.uuid for hit in hits} or len(hits) == DOUBLES
        if not found and held([record.uuid]).get(record.uuid, 0) <= record.version and _stands(catalogue, record):
            missing.append(record.uuid)
        query = VectorQuery(record.account, record.picture.vector, record.picture.model, NEIGHBOURS)
        true = exact(query)
        # By distance: of pictures that are equally near, any will do.
        farthest = true[-1].distance if true else 0.0
        near = [hit for hit in search(query) if hit.distance <= farthest]
        shares.append(len(near) / len(true) if true else 1.0)
    return Quality(len(sample), tuple(missing), sum(shares) / len(shares) if shares else 1.0)


def _stands(catalogue: Catalogue, record: FileRecord) -> bool:
    """Whether nobody has changed the record since it was sampled."""
    now = catalogue.get(record.collection, record.key)
    return now is not None and now.version == record.version
