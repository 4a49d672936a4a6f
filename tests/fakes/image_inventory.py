"""The inventory of images in memory."""

from datetime import datetime

from chalicelib.domain.file_images import OrphanedImage, OrphanPage, image_of
from tests.fakes.catalogue import FakeCatalogue

IMAGES_PER_PAGE = 2


class FakeImageInventory:
    """Reads the images of a catalogue in the order in which they were first stored, two a page."""

    def __init__(self, catalogue: FakeCatalogue) -> None:
        self._catalogue = catalogue

    def orphans(self, stored_before: datetime, after: str | None) -> OrphanPage:
        first = int(after or 0)
        places = list(enumerate(self._catalogue.stored.values()))[first:]
        left = [(place, stored) for place, stored in places if stored.image in self._catalogue.images]
        page = [stored for _, stored in left[:IMAGES_PER_PAGE]]
        orphans = [each for each in page if each.stored_at < stored_before and not self._is_named(each)]
        return OrphanPage(orphans, len(page), str(left[IMAGES_PER_PAGE][0]) if len(left) > IMAGES_PER_PAGE else None)

    def delete_orphan(self, orphan: OrphanedImage) -> bool:
        image = orphan.image
        if image not in self._catalogue.images or self._catalogue.stored[image] != orphan or self._is_named(orphan):
            return False
        self._catalogue.delete_images([image])
        return True

    def _is_named(self, image: OrphanedImage) -> bool:
        """Whether the file's record names the image; that of an earlier version has its image inside."""
        place = image.collection, image.key
        record = self._catalogue.records.get(place)
        return record is not None and place not in self._catalogue.earlier and image_of(record) == image.image
