"""Objects that need no download."""

from embedder_container.errors import ItemError
from embedder_container.transfer import Transfers


class InMemory(Transfers):
    """Objects that are here already: what is left is our own work."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self._objects = objects

    def download(self, url: str, limit: int, too_large: ItemError) -> bytes:
        return self._objects[url]
