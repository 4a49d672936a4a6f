"""The catalogue in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chalicelib.domain.errors import NotFound, StaleWrite
from chalicelib.domain.files import FileRecord
from tests.fakes.collections import FakeCollections


class FakeCatalogue:
    """What a test may look at: ``records`` by collection and key."""

    def __init__(self, collections: FakeCollections) -> None:
        self.records: dict[tuple[str, str], FileRecord] = {}
        self._collections = collections

    def get(self, collection: str, key: str) -> FileRecord | None:
        return self.records.get((collection, key))

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        return {key: self.records[collection, key] for key in keys if (collection, key) in self.records}

    def find(self, uuid: str) -> FileRecord | None:
        return next((record for record in self.records.values() if record.uuid == uuid), None)

    def walk(self, collection: str, after: str | None) -> Iterator[FileRecord]:
        keys = sorted((key for owner, key in self.records if owner == collection), key=str.encode)
        for key in keys:
            if after is None or key.encode() > after.encode():
                yield replace(self.records[collection, key], picture=None)

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        stored = self.get(record.collection, record.key)
        if (stored.version if stored else None) != (previous.version if previous else None):
            raise StaleWrite
        was = previous.counted if previous else (0, 0)
        files, size = record.counted[0] - was[0], record.counted[1] - was[1]
        if not self._collections.count(record.account, record.collection, files, size):
            raise NotFound("The collection is gone.")
        self.records[record.collection, record.key] = record
