"""Pages of results in which the copies of a picture are folded into its first file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from chalicelib.domain.duplicates import MAX_SAME_DISTANCE, F, Fold, Found, fold, undecided
from chalicelib.domain.vectors import cosine_distance
from chalicelib.services.ports import VectorStore

# Results that a page reads until they have enough pictures. A picture with more copies is shown again on the next page,
# with the copies that this page has not counted.
MAX_READ = 500
_VECTORS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Batch(Generic[F]):
    """Consecutive results, and whether others may follow."""

    found: Sequence[F]
    has_more: bool


@dataclass(frozen=True, slots=True)
class FoldedPage(Generic[F]):
    """Args:
    consumed: how many results the page shows or has folded: the next page begins behind them.
    """

    folds: Sequence[Fold[F]]
    consumed: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class FoldReader:
    vectors: VectorStore

    def read(self, model: str, limit: int, batches: Iterator[Batch[F]]) -> FoldedPage[F]:
        """The first ``limit`` pictures of what the batches have, each once.

        The page ends before the first picture that is too much for it, and that one begins the next page.

        Args:
            model: the version of the vectors that are compared.
        """
        found: list[F] = []
        folds: list[Fold[F]] = []
        has_more = True
        while has_more and len(folds) <= limit and (not found or len(found) < MAX_READ):
            batch = next(batches)
            found += batch.found
            has_more = batch.has_more
            folds = self._fold(model, found)
        consumed = len(found)
        if len(folds) > limit:
            has_more = True
            places = {each.uuid: place for place, each in enumerate(found)}
            consumed = places[folds[limit].first.uuid]
            folds = [
                Fold(each.first, tuple(copy for copy in each.copies if places[copy.uuid] < consumed))
                for each in folds[:limit]
            ]
        return FoldedPage(folds, consumed, has_more)

    def copies(self, model: str, first: F, found: Sequence[F]) -> Sequence[F]:
        """Those of the found files that show the picture of the first one."""
        return self._fold(model, [first, *found])[0].copies

    def _fold(self, model: str, found: Sequence[F]) -> list[Fold[F]]:
        vectors = self._vectors(model, found)

        def are_near(one: str, other: str) -> bool:
            # A file without a vector of the model was removed, or changed, since it was found.
            if one not in vectors or other not in vectors:
                return False
            return cosine_distance(vectors[one], vectors[other]) <= MAX_SAME_DISTANCE

        return fold(found, are_near)

    def _vectors(self, model: str, found: Sequence[Found]) -> dict[str, bytes]:
        uuids = undecided(found)
        vectors: dict[str, bytes] = {}
        for start in range(0, len(uuids), _VECTORS_AT_ONCE):
            read = self.vectors.vectors(model, uuids[start : start + _VECTORS_AT_ONCE])
            vectors |= {uuid: vector for uuid, (_, vector) in read.items()}
        return vectors
