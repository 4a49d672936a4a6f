"""The stash of embeddings in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from chalicelib.domain.embeddings import KnownImage


class FakeEmbeddingStash:
    """Keeps ``images`` by content key."""

    def __init__(self) -> None:
        self.images: dict[str, KnownImage] = {}

    def put(self, images: Mapping[str, KnownImage], now: datetime) -> None:
        self.images |= images

    def get(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        return {content_key: self.images[content_key] for content_key in content_keys if content_key in self.images}
