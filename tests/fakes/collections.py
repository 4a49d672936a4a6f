"""Collections in memory."""

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.domain.collections import AutoSync, Collection


class FakeCollections:
    """What a test may look at: ``stored`` by account and uuid."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Collection] = {}

    def add(self, collection: Collection) -> None:
        assert (collection.account, collection.uuid) not in self.stored
        self.stored[collection.account, collection.uuid] = collection

    def get(self, account: str, uuid: str) -> Collection | None:
        return self.stored.get((account, uuid))

    def of_account(self, account: str) -> list[Collection]:
        return [collection for (owner, _), collection in sorted(self.stored.items()) if owner == account]

    def on_bucket(self, bucket: str) -> list[Collection]:
        return [collection for collection in self.stored.values() if collection.bucket == bucket]

    def due(self, interval: AutoSync) -> Iterator[Collection]:
        yield from [c for c in self.stored.values() if c.auto_sync is interval and interval is not AutoSync.MANUAL]

    def count(self, account: str, uuid: str, files: int, size: int) -> bool:
        """Move the statistics; the catalogue's fake does so with each record that it saves."""
        known = self.get(account, uuid)
        if known is not None:
            self.put(replace(known, total_files=known.total_files + files, total_size=known.total_size + size))
        return known is not None

    def put(self, collection: Collection) -> None:
        """Write a collection as a whole; the fake of the syncs does so."""
        self.stored[collection.account, collection.uuid] = collection
