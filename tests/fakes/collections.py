"""Collections in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chalicelib.domain.collections import AutoSync, Collection

NOTHING_UNINDEXED: Mapping[str, int] = {}


class FakeCollections:
    """Tests may inspect ``stored`` collections by account and uuid."""

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

    def has_files(self) -> bool:
        return any(collection.total_files for collection in self.stored.values())

    def count(
        self, account: str, uuid: str, files: int, size: int, unindexed: Mapping[str, int] = NOTHING_UNINDEXED
    ) -> bool:
        """Change the statistics, as the fake catalogue does with each record that it saves."""
        collection = self.get(account, uuid)
        if collection is None:
            return False
        total_files, total_size = collection.total_files + files, collection.total_size + size
        names = {**collection.unindexed, **unindexed}
        sums = {name: collection.unindexed.get(name, 0) + unindexed.get(name, 0) for name in names}
        counts = {name: count for name, count in sums.items() if count}
        self.put(replace(collection, total_files=total_files, total_size=total_size, unindexed=counts))
        return True

    def put(self, collection: Collection) -> None:
        """Replace a collection as a whole, as the fake of the syncs does."""
        self.stored[collection.account, collection.uuid] = collection
