"""The catalogue in memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import KnownImage
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.file_images import FileImage, OrphanedImage, image_of
from chalicelib.domain.files import (
    CatalogueEntry,
    FileCounts,
    FilePage,
    FileRecord,
    FileState,
    ObjectInfo,
    PendingWrite,
    RenewedPage,
    content_key,
    removal_shard,
)
from chalicelib.domain.plans import Plan
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger

MAX_RECORDS_PER_DELETION = 2


class FakeCatalogue:
    """Keeps ``records``, which are whole, by collection and key, and the contents of ``images`` beside them.

    ``stored`` says of each image where its file is, and when it was stored, even after it was deleted.
    ``earlier`` are those of records that an earlier version has written, whose images are inside.
    """

    def __init__(
        self,
        collections: FakeCollections,
        quota_ledger: FakeQuotaLedger | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.records: dict[tuple[str, str], FileRecord] = {}
        self.images: dict[FileImage, tuple[str, KnownImage | None]] = {}
        self.stored: dict[FileImage, OrphanedImage] = {}
        self.earlier: set[tuple[str, str]] = set()
        self._now = now
        self._collections = collections
        self._quota_ledger = quota_ledger or FakeQuotaLedger()

    def get(self, collection: str, key: str) -> FileRecord | None:
        return self.records.get((collection, key))

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        return {key: self.records[collection, key] for key in keys if (collection, key) in self.records}

    def get_each(self, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRecord]:
        return {file: self.records[file] for file in files if file in self.records}

    def find(self, uuid: str) -> FileRecord | None:
        return next((record for record in self.records.values() if record.uuid == uuid), None)

    def find_many(self, uuids: Sequence[str]) -> dict[str, FileRecord]:
        return {record.uuid: record for record in self.records.values() if record.uuid in uuids}

    def entries(self, collection: str, after: str | None, limit: int | None = None) -> Iterator[CatalogueEntry]:
        return islice(self._entries(collection, after), limit)

    def _entries(self, collection: str, after: str | None) -> Iterator[CatalogueEntry]:
        keys = sorted((key for owner, key in self.records if owner == collection), key=str.encode)
        for key in keys:
            record = self.records.get((collection, key))
            if record is not None and (after is None or key.encode() > after.encode()):
                yield record.entry

    def chunks(self, collection: str, size: int, limit: int | None = None) -> Iterator[list[FileRecord]]:
        keys = (entry.key for entry in self.entries(collection, None, limit))
        while chunk := list(islice(keys, size)):
            records = self.get_many(collection, chunk)
            yield [records[key] for key in chunk if key in records]

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        found: dict[str, KnownImage] = {}
        stored = (_content(record) for record in self.records.values() if record.embedding is not None)
        for content, image in (*stored, *self.images.values()):
            if image is not None:
                found.setdefault(content, image)
        return {content: found[content] for content in content_keys if content in found}

    def put_images(self, records: Sequence[FileRecord]) -> None:
        for record in records:
            image = image_of(record)
            if image is not None:
                self.images[image] = _content(record)
                self.stored[image] = OrphanedImage(image, record.collection, record.key, self._now())

    def delete_images(self, images: Sequence[FileImage]) -> None:
        for image in images:
            self.images.pop(image, None)

    def images_of(self, files: Sequence[str]) -> list[FileImage]:
        return [image for image in self.images if image.file in files]

    def page(
        self, collection: str, state: FileState | None, *, after: str | None, limit: int, reason: str | None = None
    ) -> FilePage:
        states = {state} if state else set(FileState) - {FileState.REMOVED}
        records = sorted(
            (record for (owner, _), record in self.records.items() if owner == collection and record.state in states),
            key=lambda record: record.key.encode(),
        )
        records = [record for record in records if reason is None or record.reason == reason]
        records = [_without_vector(r) for r in records if after is None or r.key.encode() > after.encode()]
        return FilePage(records[:limit], records[limit - 1].key if len(records) > limit else None)

    def delete_page(self, collection: str) -> bool:
        page = [(owner, key) for owner, key in self.records if owner == collection][:MAX_RECORDS_PER_DELETION]
        for owner, key in page:
            self.delete_images(self.images_of([self.records[owner, key].uuid]))
            del self.records[owner, key]
            self.earlier.discard((owner, key))
        return bool(page)

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        if self.save_all([PendingWrite(record, previous)]):
            raise StaleWrite

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        stale = {write.key for write in writes if self._version(write.record) != _version(write.previous)}
        accepted = [write for write in writes if write.key not in stale]
        files, size = (sum(write.usage_delta[i] for write in accepted) for i in (0, 1))
        first = writes[0].record
        if plan is not None and self._collections.get(first.account, first.collection) is not None:
            usage = self._quota_ledger.usage(first.account, "")
            if (files > 0 and usage.files + files > plan.files) or (size > 0 and usage.bytes + size > plan.bytes):
                raise QuotaExceeded("The plan allows no more.")
            self._quota_ledger.move(first.account, files, size)
        unindexed: Counter[str] = Counter()
        for write in accepted:
            unindexed.update(write.unindexed_delta)
        if not self._collections.count(first.account, first.collection, files, size, unindexed):
            raise NotFound("The collection is deleted.")
        for write in accepted:
            key = write.record.collection, write.key
            if (
                key in self.earlier
                and write.previous is not None
                and write.record.embedding == write.previous.embedding
            ):
                self.put_images([write.record])
            self.earlier.discard(key)
            self.records[key] = write.record
        return stale

    def renew_page(self, collection: str, after: str | None) -> RenewedPage:
        records = [self.records[key] for key in sorted(self.earlier) if key[0] == collection]
        self.put_images(records)
        return RenewedPage(sum(map(self.renew, records)), None)

    def renew(self, record: FileRecord) -> bool:
        """Take the image out of a record; False if it has been written since it was read."""
        key = record.collection, record.key
        if self._version(record) != record.version or key not in self.earlier:
            return False
        self.earlier.discard(key)
        return True

    def fix_statistics(self, collection: Collection, stated: FileCounts, counted: FileCounts) -> bool:
        stored = self._collections.get(collection.account, collection.uuid)
        if stored is None or FileCounts(stored.total_files, stored.total_size, stored.unindexed) != stated:
            return False
        self._collections.put(
            replace(stored, total_files=counted.files, total_size=counted.bytes, unindexed=counted.unindexed)
        )
        return True

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        for record in sorted(self.records.values(), key=lambda record: record.updated_at.date()):
            is_listed = record.state is FileState.REMOVED and removal_shard(record.uuid) == shard
            if is_listed and first <= record.updated_at.date() <= last:
                yield record

    def delete(self, record: FileRecord) -> bool:
        if self._version(record) != record.version or record.state is not FileState.REMOVED:
            return False
        del self.records[record.collection, record.key]
        self.earlier.discard((record.collection, record.key))
        return True

    def _version(self, record: FileRecord) -> int | None:
        return _version(self.get(record.collection, record.key))


def _content(record: FileRecord) -> tuple[str, KnownImage | None]:
    """The content key of a record's image, and the image if it has a thumbnail."""
    assert record.embedding is not None
    content = content_key(record.account, record.embedding.model, ObjectInfo(record.key, record.etag, record.size))
    if record.thumbnail is None:
        return content, None
    return content, KnownImage(record.embedding, record.thumbnail, record.collection)


def _without_vector(record: FileRecord) -> FileRecord:
    return replace(record, embedding=replace(record.embedding, vector=b"")) if record.embedding else record


def _version(record: FileRecord | None) -> int | None:
    return record.version if record else None
