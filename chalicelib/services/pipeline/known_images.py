"""The images of a content that were found last, so that a sync of many copies does not look each of them up."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.embeddings import KnownImage

MAX_KNOWN_IMAGES = 1_000  # of 4 KB at most: a vector of 768 dimensions as numbers of 4 bytes, and its facts


@dataclass(slots=True)
class KnownImages:
    """Finds images by their content, and remembers those it has found, by least recent use.

    What it remembers may have been deleted since. The bytes of a content never change, so its embedding stays true; its
    thumbnail may be gone, which whoever copies it notices, and then forgets the image.

    Args:
        look_up: returns the images of contents, as ``Catalogue.find_by_content``.
        max_images: that are remembered.
    """

    look_up: Callable[[Sequence[str]], Mapping[str, KnownImage]]
    max_images: int = MAX_KNOWN_IMAGES
    _images: OrderedDict[str, KnownImage] = field(default_factory=OrderedDict)

    def find(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        """The images of those contents (``files.content_key``) that are known."""
        known = {content: self._images[content] for content in content_keys if content in self._images}
        if unknown := [content for content in content_keys if content not in known]:
            known |= self.look_up(unknown)
        for content in content_keys:
            if content in known:
                self._images[content] = known[content]
                self._images.move_to_end(content)
        while len(self._images) > self.max_images:
            self._images.popitem(last=False)
        return known

    def forget(self, content_keys: Iterable[str]) -> None:
        for content in content_keys:
            self._images.pop(content, None)
