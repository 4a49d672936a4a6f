"""The catalogue in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.files import (
    OVER_PLAN,
    FilePage,
    FileRecord,
    FileState,
    ObjectInfo,
    PendingWrite,
    content_key,
    usage_delta,
)
from chalicelib.domain.plans import Plan
from chalicelib.domain.sync_diff import CatalogueEntry
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger

PAGE = 2  # records that one call removes


class FakeCatalogue:
    """What a test may look at: ``records`` by collection and key."""

    def __init__(self, collections: FakeCollections, allowances: FakeQuotaLedger | None = None) -> None:
        self.records: dict[tuple[str, str], FileRecord] = {}
        self._collections = collections
        self._allowances = allowances or FakeQuotaLedger()

    def get(self, collection: str, key: str) -> FileRecord | None:
        return self.records.get((collection, key))

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]:
        return {key: self.records[collection, key] for key in keys if (collection, key) in self.records}

    def find(self, uuid: str) -> FileRecord | None:
        return next((record for record in self.records.values() if record.uuid == uuid), None)

    def entries(self, collection: str, after: str | None) -> Iterator[CatalogueEntry]:
        keys = sorted((key for owner, key in self.records if owner == collection), key=str.encode)
        for key in keys:
            record = self.records.get((collection, key))
            if record is not None and (after is None or key.encode() > after.encode()):
                over_plan = record.reason == OVER_PLAN
                yield CatalogueEntry(key, record.state, record.etag, record.size, record.model, over_plan)

    def find_by_content(self, contents: Sequence[str]) -> dict[str, FileRecord]:
        found: dict[str, FileRecord] = {}
        for record in self.records.values():
            if record.embedding is not None:
                info = ObjectInfo(record.key, record.etag, record.size)
                found.setdefault(content_key(record.account, record.embedding.model, info), record)
        return {name: found[name] for name in contents if name in found}

    def page(self, collection: str, state: FileState | None, *, after: str | None, limit: int) -> FilePage:
        states = [state] if state else [each for each in FileState if each is not FileState.REMOVED]
        found = sorted(
            (record for (owner, _), record in self.records.items() if owner == collection),
            key=lambda record: record.key.encode(),
        )
        found = [record for record in found if after is None or record.key.encode() > after.encode()]
        wanted = [_without_vector(record) for record in found if record.state in states]
        return FilePage(wanted[:limit], wanted[limit - 1].key if len(wanted) > limit else None)

    def delete_page(self, collection: str) -> bool:
        found = [where for where in self.records if where[0] == collection][:PAGE]
        for where in found:
            del self.records[where]
        return bool(found)

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        if self.save_all([PendingWrite(record, previous)]):
            raise StaleWrite

    def save_all(self, drafts: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        stale = {draft.record.key for draft in drafts if self._version(draft.record) != _version(draft.previous)}
        fresh = [draft for draft in drafts if draft.record.key not in stale]
        files, size = (sum(usage_delta(d.record, d.previous)[i] for d in fresh) for i in (0, 1))
        first = drafts[0].record
        if plan is not None and self._collections.get(first.account, first.collection) is not None:
            usage = self._allowances.usage(first.account, "")
            if (files > 0 and usage.files + files > plan.files) or (size > 0 and usage.bytes + size > plan.bytes):
                raise QuotaExceeded("The plan allows no more.")
            self._allowances.move(first.account, files, size)
        if not self._collections.count(first.account, first.collection, files, size):
            raise NotFound("The collection is gone.")
        self.records |= {(draft.record.collection, draft.record.key): draft.record for draft in fresh}
        return stale

    def fix_statistics(self, collection: Collection, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        known = self._collections.get(collection.account, collection.uuid)
        if known is None or (known.total_files, known.total_size) != stated:
            return False
        return self._collections.count(known.account, known.uuid, counted[0] - stated[0], counted[1] - stated[1])

    def removed_on(self, day: date) -> Iterator[FileRecord]:
        for record in list(self.records.values()):
            if record.state is FileState.REMOVED and record.updated_at.date() == day:
                yield record

    def delete(self, record: FileRecord) -> bool:
        if self._version(record) != record.version or record.state is not FileState.REMOVED:
            return False
        del self.records[record.collection, record.key]
        return True

    def _version(self, record: FileRecord) -> int | None:
        return _version(self.get(record.collection, record.key))


def _without_vector(record: FileRecord) -> FileRecord:
    return replace(record, embedding=replace(record.embedding, vector=b"")) if record.embedding else record


def _version(record: FileRecord | None) -> int | None:
    return record.version if record else None
