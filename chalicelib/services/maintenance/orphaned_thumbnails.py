"""Finds and deletes thumbnails that no record names: a worker that crashes between storing both leaves one behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.collections import Collection
from chalicelib.services.maintenance.records import record_chunks
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage

# Only older thumbnails are orphans: no worker runs that long between storing a thumbnail and its record.
ORPHAN_MIN_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OrphanedThumbnails:
    catalogue: Catalogue
    storage: ManagedStorage
    now: Clock

    def find(self, collection: Collection) -> Iterator[str]:
        """Keys of a collection's thumbnails that are older than a day and that no record names, not even a removed one.

        Reads each record of the collection and keeps the keys of its thumbnails in memory, some 100 bytes each.
        """
        stored_before = self.now() - ORPHAN_MIN_AGE
        named = {
            record.thumbnail
            for records in record_chunks(self.catalogue, collection.uuid)
            for record in records
            if record.thumbnail is not None
        }
        for thumbnail in self.storage.stored_thumbnails(collection.uuid, stored_before):
            if thumbnail not in named and not self._is_named_now(thumbnail):
                yield thumbnail

    def delete(self, collection: Collection) -> int:
        """Delete a collection's orphaned thumbnails; returns how many."""
        deleted = 0
        for thumbnail in self.find(collection):
            self.storage.delete_thumbnail(collection.uuid, thumbnail)
            deleted += 1
        return deleted

    def _is_named_now(self, thumbnail: str) -> bool:
        """Whether its file's record names it now: the record may have changed since all were read."""
        record = self.catalogue.find(thumbnail.partition("/")[0])
        return record is not None and record.thumbnail == thumbnail
