"""Collections: creates, lists, shows and changes them, and checks the access to their buckets."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from chalicelib.domain.accounts import Caller
from chalicelib.domain.bucket_access import (
    AccessFindings,
    AccessProblem,
    AccessReport,
    AccessWarning,
    events_of_another_region,
)
from chalicelib.domain.collections import (
    AutoSync,
    BucketDescription,
    Collection,
    CollectionChange,
    CollectionType,
    NewCollection,
    NewManagedCollection,
    NewS3Collection,
    SyncState,
    SyncStatus,
    managed_prefix,
    parse_uuid,
)
from chalicelib.domain.errors import NotFound, PlanForbids, SourceUnreadable
from chalicelib.domain.permissions import Permission
from chalicelib.domain.plans import Plan
from chalicelib.domain.storage_servers import AccessKey, ServerDescription, StorageServer
from chalicelib.services.permissions import PermissionService
from chalicelib.services.pipeline.deletion import Deletion
from chalicelib.services.ports import BucketAccessChecker, Clock, CollectionRegistry, Collections, Secrets

_NO_ROLE = AccessProblem(
    "no_role",
    "There is no role yet. Create one whose name starts with 'similarix-', attach the two policies of this response, "
    "and name it in role_arn.",
    "role_arn",
)
_NO_ACCESS_KEY = AccessProblem(
    "no_access_key",
    "There is no access key yet. Create one at the server that may list the bucket and read its objects, and name it "
    "in access_key_id and secret_access_key.",
    "access_key_id",
)


class CheckedCollection(NamedTuple):
    """A collection as it is stored now, and what its owner should know of its bucket if that was checked."""

    collection: Collection
    warnings: Sequence[AccessWarning] = ()


@dataclass(frozen=True, slots=True)
class CollectionService:
    collections: Collections
    registry: CollectionRegistry
    access_checker: BucketAccessChecker
    deletion: Deletion
    permissions: PermissionService
    secrets: Secrets
    managed_bucket: str
    region: str
    now: Clock

    def create(self, caller: Caller, new: NewCollection) -> CheckedCollection:
        """Create a collection; one on a customer's bucket only if the bucket can be read.

        Raises:
            SourceUnreadable: the bucket cannot be read as described.
            PlanForbids: the plan does not include the interval of automatic syncs.
            QuotaExceeded: the plan allows no more collections.
            DuplicateCollection: the account has one on this bucket and folder.
        """
        if isinstance(new, NewS3Collection):
            _check_interval(new.auto_sync, caller.plan)
            collection = replace(
                self._on_bucket(caller.account, new.source),
                name=new.name,
                auto_sync=new.auto_sync,
                auto_sync_at=new.auto_sync_at,
                include=new.selection.include,
                exclude=new.selection.exclude,
            )
            collection, warnings = self._check_readable(collection)
        else:
            collection, warnings = self._managed(caller.account, new), []
        self.registry.add(collection, caller.plan.collections)
        return CheckedCollection(collection, warnings)

    def check(self, account: str, source: BucketDescription) -> AccessReport:
        """Check the access to a bucket, before or after its role is created; stores nothing of the bucket."""
        collection = self._on_bucket(account, source)
        if source.server is not None and source.server.access_key is None:
            findings = AccessFindings([_NO_ACCESS_KEY])
        elif source.server is None and source.role_arn is None:
            findings = AccessFindings([_NO_ROLE])
        else:
            findings = self.access_checker.check(collection)
        return AccessReport(collection, replace(findings, warnings=self._warnings(collection, findings)))

    def all(self, account: str) -> list[Collection]:
        """The account's collections, oldest first."""
        return sorted(self.collections.of_account(account), key=lambda c: (c.created_at, c.uuid))

    def get(self, account: str, collection_id: str) -> Collection:
        """Raises NotFound for another account's collection exactly as for one that does not exist."""
        collection = self.collections.get(account, parse_uuid(collection_id))
        if collection is None:
            raise NotFound("There is no such collection.")
        return collection

    def change(self, caller: Caller, collection: Collection, change: CollectionChange) -> CheckedCollection:
        """Change the name, interval, hour, role, access key or patterns.

        A new role or key is stored only if it can read the bucket.

        The next sync removes what the patterns no longer select, and indexes what they select now.

        Raises:
            SourceUnreadable, PlanForbids: as for a new collection.
        """
        attributes: dict[str, Any] = {}
        warnings: Sequence[AccessWarning] = ()
        if change.name is not None:
            attributes["name"] = change.name
        if change.auto_sync is not None:
            _check_interval(change.auto_sync, caller.plan)
            attributes["auto_sync_interval"] = change.auto_sync
        if change.auto_sync_at is not None or change.usual_hour:
            attributes["auto_sync_at"] = change.auto_sync_at
        if change.role_arn is not None:
            _, warnings = self._check_readable(replace(collection, role_arn=change.role_arn))
            attributes["role_arn"] = change.role_arn
        if change.access_key is not None:
            assert collection.server is not None
            server = self._server(collection.account, collection.uuid, collection.server.url, change.access_key)
            server = replace(server, etags=collection.server.etags)  # for a bucket that has nothing to measure now
            checked, warnings = self._check_readable(replace(collection, server=server))
            attributes["server"] = checked.server
        patterns = {"include": change.include, "exclude": change.exclude}
        attributes |= {name: value for name, value in patterns.items() if value is not None}
        changed = self.registry.change(collection, attributes) if attributes else collection
        return CheckedCollection(changed, warnings)

    def delete(self, caller: Caller, collection: Collection) -> None:
        """Hide a collection at once, and have its index and, of managed storage, its pictures removed.

        Raises:
            Forbidden: the user who calls, or whose token calls, may not delete collections.
        """
        self.permissions.check(caller, Permission.COLLECTION_DELETION)
        self.deletion.begin(collection)

    def _on_bucket(self, account: str, source: BucketDescription) -> Collection:
        """A collection without a name on the bucket."""
        collection_id = str(uuid.uuid4())
        return Collection(
            uuid=collection_id,
            account=account,
            name="",
            type=CollectionType.S3,
            bucket=source.bucket,
            prefix=source.prefix,
            region=source.region,
            created_at=self.now(),
            role_arn=source.role_arn,
            external_id=self._external_id(account, source),
            server=self._described_server(account, collection_id, source.server),
        )

    def _external_id(self, account: str, source: BucketDescription) -> str | None:
        """The account's own for this folder, so that no other account can make us use a role created for this one.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
        """
        if source.server is not None:
            return None
        return self.registry.external_id(account, source.bucket, source.prefix)

    def _described_server(
        self, account: str, collection: str, described: ServerDescription | None
    ) -> StorageServer | None:
        if described is None:
            return None
        if described.access_key is None:
            return StorageServer(described.url, "", b"")
        return self._server(account, collection, described.url, described.access_key)

    def _server(self, account: str, collection: str, url: str, key: AccessKey) -> StorageServer:
        return StorageServer(url, key.id, self.secrets.seal(account, collection, key.secret))

    def _managed(self, account: str, new: NewManagedCollection) -> Collection:
        collection_id = str(uuid.uuid4())
        return Collection(
            uuid=collection_id,
            account=account,
            name=new.name,
            type=CollectionType.MANAGED,
            bucket=self.managed_bucket,
            prefix=managed_prefix(account, collection_id),
            region=self.region,
            created_at=self.now(),
            sync=SyncState(status=SyncStatus.COMPLETED),
        )

    def _check_readable(self, collection: Collection) -> CheckedCollection:
        """The collection with what was measured of its server, and the warnings."""
        findings = self.access_checker.check(collection)
        for problem in findings.problems:
            raise SourceUnreadable(problem.message, field=problem.field)
        if collection.server is not None and findings.etags is not None:
            collection = replace(collection, server=replace(collection.server, etags=findings.etags))
        return CheckedCollection(collection, self._warnings(collection, findings))

    def _warnings(self, collection: Collection, findings: AccessFindings) -> Sequence[AccessWarning]:
        """The warnings of a check, and the one about a bucket whose events cannot come by themselves."""
        is_elsewhere = collection.server is None and collection.region != self.region
        if not is_elsewhere or any(problem.field == "region" for problem in findings.problems):
            return findings.warnings
        return [*findings.warnings, events_of_another_region(self.region)]


def _check_interval(interval: AutoSync, plan: Plan) -> None:
    if interval not in plan.auto_sync:
        raise PlanForbids(f"The plan '{plan.name}' has no {interval} syncs.", field="auto_sync_interval")
