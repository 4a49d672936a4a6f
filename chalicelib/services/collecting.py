"""Collections: made, listed, shown."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.collections import (
    AutoSync,
    Collection,
    CollectionType,
    SyncState,
    SyncStatus,
    checked_auto_sync,
    checked_bucket,
    checked_name,
    checked_prefix,
    checked_region,
    checked_role,
    checked_type,
)
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.services.ports import Clock, Collections

MANAGED_FOLDER = "objects"  # the part of the managed bucket whose changes S3 reports


@dataclass(frozen=True, slots=True)
class CollectionService:
    collections: Collections
    managed_bucket: str
    region: str
    now: Clock

    def create(self, account: str, wish: Mapping[str, object]) -> Collection:
        """A new collection as the caller wishes it.

        Raises:
            InvalidRequest: a field is missing, unknown or malformed; the error names it.
        """
        kind = checked_type(wish.get("type"))
        known = {"type", "name", "auto_sync_interval"}
        if kind is CollectionType.S3:
            known |= {"bucket", "folder", "region", "role_arn"}
        for field in wish:
            if field not in known:
                raise InvalidRequest(f"A collection of type '{kind}' has no field '{field}'.", field=field)
        new = str(uuid.uuid4())
        build = self._customers if kind is CollectionType.S3 else self._managed
        collection = build(account, new, wish)
        self.collections.add(collection)
        return collection

    def all(self, account: str) -> list[Collection]:
        """Oldest first."""
        return sorted(self.collections.of_account(account), key=lambda c: (c.created_at, c.uuid))

    def get(self, account: str, collection: str) -> Collection:
        """Raises NotFound alike for what does not exist and for what is another account's."""
        found = self.collections.get(account, checked_uuid(collection))
        if found is None:
            raise NotFound("There is no such collection.")
        return found

    def _customers(self, account: str, new: str, wish: Mapping[str, object]) -> Collection:
        return Collection(
            uuid=new,
            account=account,
            name=checked_name(wish.get("name")),
            type=CollectionType.S3,
            bucket=checked_bucket(wish.get("bucket")),
            prefix=checked_prefix(wish.get("folder")),
            region=checked_region(wish.get("region")),
            created_at=self.now(),
            role_arn=checked_role(wish.get("role_arn")),
            # Unique for each collection, so that nobody can have us use a role that was made for somebody else:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
            external_id=secrets.token_urlsafe(24),
            auto_sync=checked_auto_sync(wish.get("auto_sync_interval")),
        )

    def _managed(self, account: str, new: str, wish: Mapping[str, object]) -> Collection:
        if checked_auto_sync(wish.get("auto_sync_interval")) is not AutoSync.MANUAL:
            raise InvalidRequest(
                "A managed collection is always in sync; leave the interval out.", field="auto_sync_interval"
            )
        return Collection(
            uuid=new,
            account=account,
            name=checked_name(wish.get("name")),
            type=CollectionType.MANAGED,
            bucket=self.managed_bucket,
            prefix=managed_prefix(account, new),
            region=self.region,
            created_at=self.now(),
            sync=SyncState(status=SyncStatus.COMPLETED),
        )


def managed_prefix(account: str, collection: str) -> str:
    return f"{MANAGED_FOLDER}/{account}/{collection}/"


def managed_owner(key: str) -> tuple[str, str] | None:
    """The account and collection that a key of the managed bucket belongs to."""
    parts = key.split("/")
    return (parts[1], parts[2]) if len(parts) > 3 and parts[0] == MANAGED_FOLDER else None


def checked_uuid(value: str) -> str:
    """The identifier in its one spelling; what cannot be one is not found, like one that nobody has."""
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        raise NotFound("There is no such thing here. Check the identifier.") from None
    if str(parsed) != value.lower():
        raise NotFound("There is no such thing here. Check the identifier.")
    return str(parsed)
