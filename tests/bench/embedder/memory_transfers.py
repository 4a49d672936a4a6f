"""Objects in memory, which need no download."""

from embedder_container.transfer import Transfers


class MemoryTransfers(Transfers):
    """Returns objects from memory, so that a benchmark measures the embedder's own work."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self._objects = objects

    def download(self, url: str, *_: object) -> bytes:
        return self._objects[url]
