"""Thumbnails that no file shows: a worker that dies between storing one and saying so leaves it behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.collections import Collection
from chalicelib.services.maintenance.records import record_chunks
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage

# Of a thumbnail that is to be swept: no worker that may still be about to say whose it is runs for so long.
ORPHAN_MIN_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OrphanedThumbnails:
    catalogue: Catalogue
    storage: ManagedStorage
    now: Clock

    def orphans(self, collection: Collection) -> Iterator[str]:
        """The places of a collection's thumbnails that are a day old and no record has, a removed one neither.

        Holds the places of all its files in memory, some 100 bytes each, and reads each record.
        """
        before = self.now() - ORPHAN_MIN_AGE
        shown = {
            record.thumbnail
            for records in record_chunks(self.catalogue, collection.uuid)
            for record in records
            if record.thumbnail is not None
        }
        for place in self.storage.stored_thumbnails(collection.uuid, before):
            if place not in shown and not self._is_shown(place):
                yield place

    def sweep(self, collection: Collection) -> int:
        """Delete them; answers how many."""
        swept = 0
        for place in self.orphans(collection):
            self.storage.delete_thumbnail(collection.uuid, place)
            swept += 1
        return swept

    def _is_shown(self, place: str) -> bool:
        """Whether the record has it now; it may have changed since all were read."""
        record = self.catalogue.find(place.partition("/")[0])
        return record is not None and record.thumbnail == place
