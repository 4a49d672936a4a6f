"""Collections: tried out, made, listed, shown, changed."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.bucket_access import AccessProblem, AccessReport
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
    checked_uuid,
    managed_prefix,
)
from chalicelib.domain.errors import InvalidRequest, NotFound, PlanForbids, SourceUnreadable
from chalicelib.domain.plans import Plan
from chalicelib.domain.wishes import check_fields
from chalicelib.services.authentication import Caller
from chalicelib.services.ports import BucketAccessChecker, Clock, CollectionRegistry, Collections

_SOURCE = ("bucket", "folder", "region", "role_arn")
_NO_ROLE = AccessProblem(
    "no_role",
    "There is no role yet. Make one whose name starts with 'similarix-', give it the two policies of this answer, and "
    "name it in role_arn.",
    "role_arn",
)


@dataclass(frozen=True, slots=True)
class CollectionService:
    collections: Collections
    registry: CollectionRegistry
    access_checker: BucketAccessChecker
    managed_bucket: str
    region: str
    now: Clock

    def create(self, caller: Caller, wish: Mapping[str, object]) -> Collection:
        """A new collection as the caller wishes it; a bucket is tried out first.

        Raises:
            InvalidRequest: a field is missing, unknown or malformed; the error names it.
            SourceUnreadable: the bucket cannot be read as described.
            PlanForbids: the plan has no such interval.
            AllowanceUsedUp: the plan allows no more collections.
            DuplicateCollection: the account has one on this bucket and folder.
        """
        kind = checked_type(wish.get("type"))
        check_fields(wish, {"type", "name", "auto_sync_interval", *(_SOURCE if kind is CollectionType.S3 else ())})
        if kind is CollectionType.S3:
            name, interval = checked_name(wish.get("name")), _checked_interval(wish, caller.plan)
            described = self._customers(caller.account, wish, checked_role(wish.get("role_arn")))
            collection = replace(described, name=name, auto_sync=interval)
            self._refuse_unreadable(collection)
        else:
            collection = self._managed(caller.account, wish)
        self.registry.add(collection, caller.plan.collections)
        return collection

    def check(self, account: str, wish: Mapping[str, object]) -> AccessReport:
        """Try a bucket out, before or after the role is made; nothing is kept but the external id.

        Raises:
            InvalidRequest: a field is missing, unknown or malformed; the error names it.
        """
        check_fields(wish, _SOURCE)
        role = wish.get("role_arn")
        collection = self._customers(account, wish, checked_role(role) if role is not None else None)
        return AccessReport(collection, [_NO_ROLE] if role is None else self.access_checker.check(collection))

    def all(self, account: str) -> list[Collection]:
        """Oldest first."""
        return sorted(self.collections.of_account(account), key=lambda c: (c.created_at, c.uuid))

    def get(self, account: str, collection: str) -> Collection:
        """Raises NotFound alike for what does not exist and for what is another account's."""
        found = self.collections.get(account, checked_uuid(collection))
        if found is None:
            raise NotFound("There is no such collection.")
        return found

    def change(self, caller: Caller, collection: Collection, wish: Mapping[str, object]) -> Collection:
        """Another name, interval or role; a role is tried out first.

        Raises:
            InvalidRequest, SourceUnreadable, PlanForbids: as for a new collection.
        """
        customers = collection.type is CollectionType.S3
        check_fields(wish, {"name", *(("auto_sync_interval", "role_arn") if customers else ())})
        changes: dict[str, Any] = {}
        if "name" in wish:
            changes["name"] = checked_name(wish["name"])
        if "auto_sync_interval" in wish:
            changes["auto_sync_interval"] = _checked_interval(wish, caller.plan)
        if "role_arn" in wish:
            changes["role_arn"] = checked_role(wish["role_arn"])
            self._refuse_unreadable(replace(collection, role_arn=changes["role_arn"]))
        return self.registry.change(collection, changes) if changes else collection

    def _customers(self, account: str, wish: Mapping[str, object], role: str | None) -> Collection:
        """A nameless collection on the bucket that is wished for."""
        bucket, prefix = checked_bucket(wish.get("bucket")), checked_prefix(wish.get("folder"))
        region = checked_region(wish.get("region"))
        return Collection(
            uuid=str(uuid.uuid4()),
            account=account,
            name="",
            type=CollectionType.S3,
            bucket=bucket,
            prefix=prefix,
            region=region,
            created_at=self.now(),
            role_arn=role,
            # The account's own for this folder, so that nobody can have us use a role that was made for somebody else:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
            external_id=self.registry.external_id(account, bucket, prefix),
        )

    def _managed(self, account: str, wish: Mapping[str, object]) -> Collection:
        if checked_auto_sync(wish.get("auto_sync_interval")) is not AutoSync.MANUAL:
            raise InvalidRequest(
                "A managed collection is always in sync; leave the interval out.", field="auto_sync_interval"
            )
        new = str(uuid.uuid4())
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

    def _refuse_unreadable(self, collection: Collection) -> None:
        for problem in self.access_checker.check(collection):
            raise SourceUnreadable(problem.message, field=problem.field)


def _checked_interval(wish: Mapping[str, object], plan: Plan) -> AutoSync:
    interval = checked_auto_sync(wish.get("auto_sync_interval"))
    if interval not in plan.auto_sync:
        raise PlanForbids(f"The plan '{plan.name}' has no {interval} syncs.", field="auto_sync_interval")
    return interval
