"""Whether a collection's statistics add up to what its catalogue holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileState
from chalicelib.services.ports import Catalogue, Collections

LOOKS = 3  # at a collection that changes while it is counted


@dataclass(frozen=True, slots=True)
class Recount:
    """Files and bytes as the collection states them, and as its records add up to.

    ``settled`` is False where the collection changed each time it was counted.
    """

    collection: Collection
    stated: tuple[int, int]
    counted: tuple[int, int]
    settled: bool = True

    @property
    def adds_up(self) -> bool:
        return self.settled and self.stated == self.counted


@dataclass(frozen=True, slots=True)
class Recounting:
    collections: Collections
    catalogue: Catalogue

    def recount(self, collections: Iterable[Collection]) -> Iterator[Recount]:
        """Read every record of each collection: one read unit for some forty of them."""
        for collection in collections:
            yield self._recount(collection)

    def correct(self, found: Recount) -> bool:
        """State what was counted, unless the statistics have moved since; answers whether it did."""
        return self.catalogue.correct(found.collection, found.stated, found.counted)

    def _recount(self, collection: Collection) -> Recount:
        found = Recount(collection, (0, 0), (0, 0), settled=False)
        for _ in range(LOOKS):
            before, counted, after = self._stated(collection), self._counted(collection), self._stated(collection)
            found = Recount(collection, after, counted, settled=before == after)
            if found.settled:
                break
        return found

    def _stated(self, collection: Collection) -> tuple[int, int]:
        now = self.collections.get(collection.account, collection.uuid)
        return (now.total_files, now.total_size) if now else (0, 0)

    def _counted(self, collection: Collection) -> tuple[int, int]:
        files = size = 0
        for known in self.catalogue.walk(collection.uuid, None):
            if known.state is FileState.INDEXED:
                files, size = files + 1, size + known.size
        return files, size
