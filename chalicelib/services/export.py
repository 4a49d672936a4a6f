"""Exports an account: all that is kept of it, page by page, as records that JSON can hold."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import FileRecord
from chalicelib.domain.webhook_deliveries import DeliveryPosition
from chalicelib.services.ports import Accounts, Catalogue, Collections, Duplicates, WebhookDeliveries

Record = Mapping[str, Any]  # its ``kind`` says what it is
# Where a page begins: ``("items", key)``, ``("deliveries", endpoint, id)``, ``("files", collection, key)``, or
# ``("duplicates", collection, position)``; without what stands last, at the first one.
Position = Sequence[str]
_EXPORT_PAGE = 100  # records of a page where the caller names no number


@dataclass(frozen=True, slots=True)
class ExportPage:
    """``after`` is where the next page begins; None after the last one. A page may be empty although one follows."""

    records: Sequence[Record]
    after: Position | None


@dataclass(frozen=True, slots=True)
class ExportService:
    accounts: Accounts
    collections: Collections
    catalogue: Catalogue
    duplicates: Duplicates
    deliveries: WebhookDeliveries

    def records(self, account: str) -> Iterator[Record]:
        """All records of the account; raises NotFound if there is none."""
        page = self.page(account, None, _EXPORT_PAGE)
        while True:
            yield from page.records
            if page.after is None:
                return
            page = self.page(account, page.after, _EXPORT_PAGE)

    def page(self, account: str, position: Position | None, limit: int) -> ExportPage:
        """The records from a position on.

        The first page has the account, its tokens and its collections, however many; each other one at most
        ``limit`` records.
        """
        match position:
            case None:
                return ExportPage(list(self._heads(account)), ("items",))
            case ["items", *key]:
                items, after = self.accounts.items(account, key[0] if key else None, limit)
                records = [_record(item.key.partition("#")[0], {"key": item.key, **item.values}) for item in items]
                return ExportPage(records, ("items", after) if after is not None else ("deliveries",))
            case ["deliveries", *last]:
                return self._deliveries(account, (last[0], last[1]) if last else None, limit)
            case ["duplicates", first, *last]:
                return self._groups(account, first, last[0] if last else None, limit)
            case _:
                return self._files(account, position[1], position[2] if len(position) > 2 else None, limit)

    def _heads(self, account_id: str) -> Iterator[Record]:
        account = self.accounts.account(account_id)
        if account is None or account.deleted_at is not None:
            raise NotFound("There is no such account.")
        yield _record("account", asdict(account))
        for token in self.accounts.tokens(account_id):
            yield _record("token", {name: value for name, value in asdict(token).items() if name != "digest"})
        for collection in self.collections.of_account(account_id):
            yield _record("collection", _without_secret(collection))

    def _deliveries(self, account: str, after: DeliveryPosition | None, limit: int) -> ExportPage:
        deliveries, position = self.deliveries.of_account(account, after, limit)
        records = [_record("webhook-delivery", asdict(delivery)) for delivery in deliveries]
        return ExportPage(records, ("deliveries", *position) if position is not None else ("files", ""))

    def _files(self, account: str, first: str, after: str | None, limit: int) -> ExportPage:
        """The files of the first collection that is left, by identifier."""
        left = self._collections(account, first)
        if not left:
            return ExportPage([], ("duplicates", ""))
        collection, *others = left
        entries = self.catalogue.entries(collection, after if collection == first else None, limit)
        keys = [entry.key for entry in entries]
        records = self.catalogue.get_many(collection, keys)
        files = [_file(records[key]) for key in keys if key in records]
        if len(keys) == limit:
            return ExportPage(files, ("files", collection, keys[-1]))
        return ExportPage(files, ("files", others[0]) if others else ("duplicates", ""))

    def _groups(self, account: str, first: str, after: str | None, limit: int) -> ExportPage:
        """The groups of duplicates that the last scan has found in the first collection that is left."""
        left = self._collections(account, first)
        if not left:
            return ExportPage([], None)
        collection, *others = left
        scan = self.duplicates.scan(collection)
        groups = []
        if scan is not None and scan.served is not None:
            groups = self.duplicates.groups(
                collection, scan.served, tuple(Tier), after if collection == first else None, limit
            )
        records = [_record("duplicates", {"collection": collection, **asdict(group)}) for group in groups]
        if len(groups) == limit:
            return ExportPage(records, ("duplicates", collection, groups[-1].position))
        return ExportPage(records, ("duplicates", others[0]) if others else None)

    def _collections(self, account: str, first: str) -> list[str]:
        """The account's collections from an identifier on."""
        return sorted(c.uuid for c in self.collections.of_account(account) if c.uuid >= first)


def _without_secret(collection: Collection) -> Record:
    values = asdict(collection)
    if values["server"] is not None:
        del values["server"]["sealed_secret"]
    return values


def _file(record: FileRecord) -> Record:
    return _record("file", {"uuid": record.uuid, **asdict(record)})


def _record(kind: str, values: Mapping[str, Any]) -> Record:
    return {"kind": kind, **{name: _plain(value) for name, value in values.items()}}


def _plain(value: Any) -> Any:
    """The value as JSON holds it: times in ISO 8601, bytes in base64."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _plain(nested) for name, nested in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(nested) for nested in value]
    return value
