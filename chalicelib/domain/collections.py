"""Collections: what a user searches, where its files are stored, and the state of its latest sync."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.json_values import whole_number
from chalicelib.domain.selection import DEFAULT_EXCLUDE, DEFAULT_SELECTION, Omission, Selection
from chalicelib.domain.storage_servers import AccessKey, ServerDescription, StorageServer
from chalicelib.domain.syncs import Progress
from chalicelib.domain.texts import check_line, check_storable

# Patterns are in what Python's regular expressions and JavaScript's have in common: the OpenAPI document has them too.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_PATTERN = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_RESERVED_ENDS = r"(-s3alias|--ol-s3|--x-s3|--table-s3|\.mrap)$"
REFUSED_BUCKET_PATTERN = rf"^(xn--|sthree-|amzn-s3-demo-)|{_RESERVED_ENDS}|\.\.|^[0-9]{{1,3}}(\.[0-9]{{1,3}}){{3}}$"
REGION_PATTERN = "[a-z]{2,4}(-[a-z]{1,15}){1,3}-[0-9]"
# The name's prefix lets our own permission to assume roles stay narrower than every role of every customer.
ROLE_ARN_PATTERN = "arn:aws[a-z-]{0,20}:iam::([0-9]{12}):role/([A-Za-z0-9_+=,.@-]+/)*similarix-[A-Za-z0-9_+=,.@-]{1,54}"
_BUCKET, _REFUSED_BUCKET = re.compile(BUCKET_PATTERN), re.compile(REFUSED_BUCKET_PATTERN)
_REGION, _ROLE_ARN = re.compile(REGION_PATTERN), re.compile(ROLE_ARN_PATTERN)
COLLECTION_NAME_LIMIT = 100  # characters
ROLE_ARN_LIMIT = 700  # characters; a path has 512 at most, a name 64
FOLDER_LIMIT = 900  # bytes; a key has 1,024, and the folder must leave some for a file name
MAX_CANCELLATIONS, CANCELLATIONS_PERIOD = 10, timedelta(hours=1)  # of syncs of one collection, by callers
HOURS_A_DAY = 24
KEY_LIMIT = 1024  # bytes, as in S3
MANAGED_PREFIX = "objects"  # the part of the managed bucket whose changes S3 reports


class CollectionType(StrEnum):
    S3 = "s3"
    MANAGED = "managed"


class AutoSync(StrEnum):
    MANUAL = "manual"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class SyncStatus(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_CONFIRMATION = "needs_confirmation"


class Trigger(StrEnum):
    MANUAL = "manual"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SyncState:
    """The state of a collection's latest sync.

    Args:
        lease_until: when a running sync counts as dead unless one of its workers renews the lease.
        started_at: when its first worker is asked for; in the future for a scheduled sync that waits for its time.
        confirmed: the user has allowed any number of removals.
        retry: failed files are tried again.
        files_before: how many files were indexed when it began.
        open_key_ranges: how many key ranges have not been compared to their end.
        listed: the bucket has been listed to its end, and every batch has been sent.
        outstanding: how many batches are not done.
        reason: why it failed or stopped, in a sentence.
        ended_at: when it ended; None while it runs, and of one whose lease ran out.
        scheduled_for: the time of the latest run of the schedule that was started.
        cancelled: how many syncs of the collection were cancelled within an hour from ``cancelled_since`` on.
    """

    status: SyncStatus = SyncStatus.PENDING
    id: str | None = None
    trigger: Trigger | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    confirmed: bool = False
    retry: bool = False
    files_before: int = 0
    open_key_ranges: int = 0
    listed: bool = False
    outstanding: int = 0
    progress: Progress = field(default_factory=Progress)
    reason: str | None = None
    last_sync: datetime | None = None
    last_manual_sync: datetime | None = None
    last_auto_sync: datetime | None = None
    scheduled_for: datetime | None = None
    cancelled: int = 0
    cancelled_since: datetime | None = None
    ended_at: datetime | None = None

    @property
    def all_done(self) -> bool:
        return self.listed and self.outstanding == 0

    def status_at(self, now: datetime) -> SyncStatus:
        """The status that a user sees: a sync whose lease ran out has failed, whatever its record says."""
        if self.status is SyncStatus.IN_PROGRESS and (self.lease_until is None or self.lease_until < now):
            return SyncStatus.FAILED
        return self.status

    def next_start(self, now: datetime) -> datetime | None:
        """When a caller may start a sync again after too many were cancelled; None if they may now."""
        if self.cancelled < MAX_CANCELLATIONS or self.cancelled_since is None:
            return None
        end = self.cancelled_since + CANCELLATIONS_PERIOD
        return end if end > now else None

    def estimated_end(self, now: datetime) -> datetime | None:
        """When a running sync ends if it continues at its pace so far; None while that is unknown."""
        done = self.progress.finished
        if self.status_at(now) is not SyncStatus.IN_PROGRESS or not self.listed or self.started_at is None or not done:
            return None
        return now + (now - self.started_at) / done * (self.progress.to_do - done)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection.

    Args:
        prefix: the folder as a key prefix: empty, or ending in a slash.
        auto_sync_at: the hour of the day (UTC) for scheduled syncs; None for the usual one of the interval.
        include, exclude: the patterns of its ``selection``; those of a managed collection mean nothing.
        server: of its bucket, if that is not on AWS; then there is no role and no external id.
        unindexed: counts the files that are not indexed, by ``FileRecord.unindexed``.
    """

    uuid: str
    account: str
    name: str
    type: CollectionType
    bucket: str
    prefix: str
    region: str
    created_at: datetime
    role_arn: str | None = None
    external_id: str | None = None
    auto_sync: AutoSync = AutoSync.MANUAL
    auto_sync_at: int | None = None
    sync: SyncState = SyncState()
    total_files: int = 0
    total_size: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    unindexed: Mapping[str, int] = field(default_factory=dict)
    server: StorageServer | None = None

    @property
    def sends_events(self) -> bool:
        """Whether events of its bucket are of it: AWS's bucket of that name may be somebody else's."""
        return self.server is None

    @property
    def files(self) -> int:
        """All files that it lists."""
        return self.total_files + sum(self.unindexed.values())

    @property
    def folder(self) -> str:
        return folder_of(self.prefix)

    @property
    def bucket_owner(self) -> str | None:
        """The AWS account that owns the bucket: the one of the role that reads it."""
        match = _ROLE_ARN.fullmatch(self.role_arn or "")
        return match.group(1) if match else None

    def holds(self, key: str) -> bool:
        """Whether an object of the bucket belongs to the collection; empty objects that represent folders do not."""
        name = key.removeprefix(self.prefix)
        if not key.startswith(self.prefix) or not name or name.endswith("/"):
            return False
        # No path has such a part. S3 takes '..' in a key literally, but not every server or client does.
        return self.type is not CollectionType.MANAGED or {"", ".", ".."}.isdisjoint(name.split("/"))

    def omission(self, key: str, size: int | None = None) -> Omission | None:
        """Why an object that the collection holds is not indexed; None if it is, as everything is that is uploaded."""
        if self.type is CollectionType.MANAGED:
            return None
        return Selection(self.include, self.exclude).omission(key.removeprefix(self.prefix), size)

    def path_of(self, key: str) -> str:
        """The path within the collection of an object with this key."""
        return key.removeprefix(self.prefix)

    def selects(self, key: str, size: int | None = None) -> bool:
        """Whether an object that the collection holds is to be indexed; without its size, whether one may be."""
        return self.omission(key, size) is None


@dataclass(frozen=True, slots=True)
class BucketDescription:
    """A customer's bucket, and the folder and role to read it with; ``role_arn`` is None before the role exists.

    A bucket that is not on AWS has a ``server`` in place of a role.
    """

    bucket: str
    prefix: str
    region: str
    role_arn: str | None
    server: ServerDescription | None = None


@dataclass(frozen=True, slots=True)
class NewS3Collection:
    """A collection to create on a customer's bucket."""

    name: str
    source: BucketDescription
    auto_sync: AutoSync = AutoSync.MANUAL
    selection: Selection = DEFAULT_SELECTION
    auto_sync_at: int | None = None


@dataclass(frozen=True, slots=True)
class NewManagedCollection:
    """A collection to create in managed storage, where every change is an upload or a deletion: it needs no syncs."""

    name: str


NewCollection = NewS3Collection | NewManagedCollection


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """The new values of a collection's settings; None leaves a setting as it is.

    Args:
        usual_hour: the hour that was chosen for scheduled syncs is given up.
    """

    name: str | None = None
    auto_sync: AutoSync | None = None
    role_arn: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    auto_sync_at: int | None = None
    usual_hour: bool = False
    access_key: AccessKey | None = None


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a caller chooses when starting a sync.

    Args:
        dry_run: only report what the sync would do.
        confirm_removals: remove any number of files without asking.
        retry_failed: try failed files again.
    """

    dry_run: bool = False
    confirm_removals: bool = False
    retry_failed: bool = False


def check_takes_uploads(collection: Collection) -> None:
    """Raises InvalidRequest for a collection on a customer's bucket."""
    if collection.type is not CollectionType.MANAGED:
        raise InvalidRequest(
            "Only managed collections take uploads. Put the file into the collection's bucket, then start a sync."
        )


def parse_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("Give the collection a name.", field="name")
    if len(value.strip()) > COLLECTION_NAME_LIMIT:
        raise InvalidRequest(f"The name has at most {COLLECTION_NAME_LIMIT} characters.", field="name")
    return check_line(value.strip(), "name")


def parse_type(value: object) -> CollectionType:
    if not isinstance(value, str) or value not in list(CollectionType):
        raise InvalidRequest("The type of a collection is 's3' or 'managed'.", field="type")
    return CollectionType(value)


def parse_bucket(value: object) -> str:
    if not isinstance(value, str) or not _BUCKET.fullmatch(value) or _REFUSED_BUCKET.search(value):
        raise InvalidRequest(
            "Name the S3 bucket, a general purpose one: 3 to 63 lowercase letters, digits, dots and hyphens, as S3 "
            "requires of new ones.",
            field="bucket",
        )
    return value


def parse_folder(value: object) -> str:
    """The folder as a key prefix: ``/images`` and ``images`` become ``images/``; None and ``/``, the empty prefix.

    One slash before the name is the path's. Further ones belong to the keys: ``//images`` becomes ``/images/``.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest("The folder is a string such as '/images'.", field="folder")
    relative = check_storable(value, "folder").removeprefix("/")
    stripped = relative.rstrip("/")
    if len((stripped or relative).encode()) > FOLDER_LIMIT:
        raise InvalidRequest(f"The folder has at most {FOLDER_LIMIT} bytes.", field="folder")
    return f"{stripped}/" if stripped else relative


def folder_of(prefix: str) -> str:
    """The folder of a key prefix, as ``parse_folder`` takes it."""
    return "/" + (prefix.rstrip("/") or prefix)


def parse_region(value: object) -> str:
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise InvalidRequest("Name the bucket's AWS region, for example 'eu-central-1'.", field="region")
    return value


def parse_role(value: object) -> str:
    if not isinstance(value, str) or len(value) > ROLE_ARN_LIMIT or not _ROLE_ARN.fullmatch(value):
        raise InvalidRequest(
            "Name the role that may read the bucket by its ARN; its name starts with 'similarix-', "
            "for example 'arn:aws:iam::111122223333:role/similarix-reader'.",
            field="role_arn",
        )
    return value


def parse_auto_sync(value: object) -> AutoSync:
    if value is None:
        return AutoSync.MANUAL
    if not isinstance(value, str) or value not in list(AutoSync):
        raise InvalidRequest("auto_sync_interval is daily, weekly, monthly or manual.", field="auto_sync_interval")
    return AutoSync(value)


def parse_auto_sync_at(value: object) -> int | None:
    if value is None:
        return None
    hour = whole_number(value)
    if hour is None or not 0 <= hour < HOURS_A_DAY:
        raise InvalidRequest("auto_sync_at is an hour of the day in UTC, 0 to 23.", field="auto_sync_at")
    return hour


def managed_prefix(account: str, collection: str) -> str:
    return f"{MANAGED_PREFIX}/{account}/{collection}/"


def managed_owner(key: str) -> tuple[str, str] | None:
    """The account and collection that a key of the managed bucket belongs to; None for keys outside collections."""
    parts = key.split("/")
    return (parts[1], parts[2]) if len(parts) > 3 and parts[0] == MANAGED_PREFIX else None


def is_uuid(value: str) -> bool:
    """Whether the value is an identifier in its canonical spelling."""
    try:
        return parse_uuid(value) == value
    except NotFound:
        return False


def canonical_uuid(value: str) -> str:
    """The identifier in its canonical spelling; what is none stays as it is, and is found nowhere."""
    try:
        return parse_uuid(value)
    except NotFound:
        return value


def parse_uuid(value: str) -> str:
    """The identifier in its canonical spelling; raises NotFound for a malformed one, exactly as for an unknown one."""
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        raise NotFound("No resource has this identifier.") from None
    if str(parsed) != value.lower():
        raise NotFound("No resource has this identifier.")
    return str(parsed)
