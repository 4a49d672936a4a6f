"""Finds and deletes images that no record names: a worker that ends between storing both leaves one behind.

It goes with its file. But if the worker's message has failed for good, its file may never have a record, or its
collection may be deleted first; then nothing else leads to the image.
"""

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.file_images import OrphanPage
from chalicelib.services.ports import Clock, ImageInventory

# Only the worker that has stored an image writes the record that names it, and no worker runs for longer than a quarter
# of an hour. Until its message has ended, though, the image spares the next delivery an embedding: a message lives for
# 14 days at most, in its queue and its dead-letter queue together (infra/workers.py).
ORPHAN_MIN_AGE = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class OrphanedImages:
    inventory: ImageInventory
    now: Clock

    def find_page(self, after: str | None) -> OrphanPage:
        """Return a page of the images that are older than 15 days and that no record names.

        Args:
            after: the ``after`` of the page before, perhaps of a run that was stopped; None for the first one.

        Raises:
            ValueError: ``after`` is of no page.
        """
        return self.inventory.orphans(self.now() - ORPHAN_MIN_AGE, after)

    def delete(self, page: OrphanPage) -> int:
        """Delete a page's images; returns how many, without those that a record has come to name."""
        return sum(self.inventory.delete_orphan(orphan) for orphan in page.orphans)
