"""What accounts hold, in memory: collections, and the buckets they are on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


class FakeRegistry:
    """What a test may look at: ``marked``, collections whose deletion has begun, by account and uuid."""

    def __init__(self, collections: FakeCollections, allowances: FakeQuotaLedger | None = None) -> None:
        self.marked: dict[tuple[str, str], Collection] = {}
        self._collections = collections
        self._allowances = allowances or FakeQuotaLedger()

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        return f"{account}@{bucket}/{prefix}"

    def add(self, collection: Collection, limit: int) -> None:
        held = self._collections.of_account(collection.account)
        if len(held) >= limit:
            raise QuotaExceeded(f"The plan allows {limit} collections.")
        taken = [(c.bucket, c.prefix) for c in held if c.type is CollectionType.S3]
        if collection.type is CollectionType.S3 and (collection.bucket, collection.prefix) in taken:
            raise DuplicateCollection("There is one.", field="bucket")
        self._collections.add(collection)

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        known = self._collections.get(collection.account, collection.uuid)
        if known is None:
            raise NotFound("There is no such collection.")
        fields = {{"auto_sync_interval": "auto_sync"}.get(name, name): value for name, value in changes.items()}
        changed = replace(known, **fields)
        self._collections.put(changed)
        return changed

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        where = collection.account, collection.uuid
        if where not in self._collections.stored:
            raise NotFound("There is no such collection.")
        gone = self.marked[where] = self._collections.stored.pop(where)
        if gone.type is CollectionType.S3:
            self._allowances.move(gone.account, -gone.total_files, -gone.total_size)

    def deleted(self, account: str, uuid: str) -> Collection | None:
        return self.marked.get((account, uuid))

    def end_deletion(self, account: str, uuid: str) -> None:
        self.marked.pop((account, uuid), None)
