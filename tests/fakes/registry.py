"""The registry of collections and external ids, in memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.storage_servers import ETagMeaning
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


class FakeRegistry:
    """Tests may inspect ``deleting``, the collections whose deletion has begun, by account and uuid."""

    def __init__(self, collections: FakeCollections, quota_ledger: FakeQuotaLedger | None = None) -> None:
        self.deleting: dict[tuple[str, str], Collection] = {}
        self._collections = collections
        self._quota_ledger = quota_ledger or FakeQuotaLedger()

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        return f"{account}@{bucket}/{prefix}"

    def add(self, collection: Collection, limit: int) -> None:
        owned = self._collections.of_account(collection.account)
        if len(owned) >= limit:
            raise QuotaExceeded(f"The plan allows {limit} collections.")
        sources = [_folder(other) for other in owned if other.type is CollectionType.S3]
        if collection.type is CollectionType.S3 and _folder(collection) in sources:
            raise DuplicateCollection("There is one.", field="bucket")
        self._collections.add(collection)
        self._quota_ledger.count_collections(collection.account, 1)

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        current = self._collections.get(collection.account, collection.uuid)
        if current is None:
            raise NotFound("There is no such collection.")
        fields = {{"auto_sync_interval": "auto_sync"}.get(name, name): value for name, value in changes.items()}
        changed = replace(current, **fields)
        self._collections.put(changed)
        return changed

    def save_etags(self, collection: Collection, etags: ETagMeaning) -> None:
        current = self._collections.get(collection.account, collection.uuid)
        assert collection.server is not None
        if current is None or current.server is None or current.server.sealed_secret != collection.server.sealed_secret:
            raise StaleWrite("The access key was changed.")
        self._collections.put(replace(current, server=replace(current.server, etags=etags)))

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        key = collection.account, collection.uuid
        if key not in self._collections.stored:
            raise NotFound("There is no such collection.")
        deleted = self.deleting[key] = self._collections.stored.pop(key)
        self._quota_ledger.count_collections(deleted.account, -1)
        if deleted.type is CollectionType.S3:
            self._quota_ledger.move(deleted.account, -deleted.total_files, -deleted.total_size)

    def deleted(self, account: str, uuid: str) -> Collection | None:
        return self.deleting.get((account, uuid))

    def end_deletion(self, account: str, uuid: str) -> None:
        self.deleting.pop((account, uuid), None)

    def has_collections(self, account: str) -> bool:
        return any(owner == account for owner, _ in (*self.deleting, *self._collections.stored))


def _folder(collection: Collection) -> tuple[str | None, str, str]:
    return collection.server.url if collection.server else None, collection.bucket, collection.prefix
