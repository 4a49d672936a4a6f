"""The inventory of images in memory."""

from datetime import datetime

from chalicelib.domain.file_images import OrphanedImage, OrphanPage, image_of
from tests.fakes.catalogue import FakeCatalogue

IMAGES_PER_PAGE = 2


class FakeImageInventory:
    """Reads the images of a catalogue in the order of their names, two a page."""

    def __init__(self, catalogue: FakeCatalogue) -> None:
        self._catalogue = catalogue

    def orphans(self, stored_before: datetime, after: str | None) -> OrphanPage:
        left = sorted(image for image in self._catalogue.images if after is None or _position(image) > after)
        page = left[:IMAGES_PER_PAGE]
        stored = [self._catalogue.stored[image] for image in page]
        orphans = [each for each in stored if each.stored_at < stored_before and not self._is_named(each)]
        return OrphanPage(orphans, len(page), _position(page[-1]) if len(left) > IMAGES_PER_PAGE else None)

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


def _position(image: tuple[str, str]) -> str:
    return "/".join(image)
