"""Collections, their syncs, and what is known of an object."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from similarix_sdk.models.base import Model


@dataclass(frozen=True, kw_only=True)
class CollectionStatistics(Model):
    """The files that searches find, and their bytes."""

    total_files: int
    total_size: int


@dataclass(frozen=True, kw_only=True)
class Collection(Model):
    """``type`` is ``s3`` or ``managed``; ``failed`` has numbers of files by reason.

    ``endpoint`` is the server of a bucket that is not on AWS, and ``access_key_id`` names the key that reads it.
    """

    uuid: str
    name: str
    bucket: str
    folder: str
    type: str
    region: str
    sync_status: str
    last_sync: datetime | None
    auto_sync_interval: str
    stats: CollectionStatistics
    files: int
    failed: Mapping[str, int]
    pending: int
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    auto_sync_at: int | None
    last_auto_sync: datetime | None
    next_auto_sync: datetime | None
    endpoint: str | None = None
    access_key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AccessWarning(Model):
    """What is odd about a bucket, and does not keep it from being connected."""

    warning: str
    message: str
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CreatedCollection(Model):
    """A new or changed collection, with what its bucket's owner should know."""

    collection: Collection
    external_id: str | None = None
    warnings: tuple[AccessWarning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessProblem(Model):
    """Why a bucket cannot be read, and what to change."""

    error: str
    message: str
    field: str


@dataclass(frozen=True, kw_only=True)
class BucketAccessReport(Model):
    """Whether a bucket can be read; its policies are documents of IAM for a role of the bucket's owner.

    A bucket at an endpoint has no role, so these are None.
    """

    readable: bool
    problems: tuple[AccessProblem, ...]
    external_id: str | None
    trust_policy: Mapping[str, Any] | None
    permissions_policy: Mapping[str, Any] | None
    notification_configuration: Mapping[str, Any] | None
    warnings: tuple[AccessWarning, ...]


@dataclass(frozen=True, kw_only=True)
class SyncPreview(Model):
    """What a sync would do, in numbers of objects; ``complete`` is false where the listing was too long."""

    listed: int
    unchanged: int
    to_add: int
    to_update: int
    to_remove: int
    to_retry: int
    needs_confirmation: bool
    complete: bool
    examples: Mapping[str, tuple[str, ...]]
    ignored: int


@dataclass(frozen=True, kw_only=True)
class SyncProgress(Model):
    """Numbers of objects of the running or the last sync."""

    listed: int
    to_do: int
    done: int
    failed: int
    skipped: int
    removed: int
    started_at: datetime | None
    estimated_end: datetime | None
    reason: str | None
    ignored: int


@dataclass(frozen=True, kw_only=True)
class SyncState(Model):
    """``status`` is pending, in_progress, completed, failed, cancelled or needs_confirmation."""

    status: str
    last_sync: datetime | None
    last_auto_sync: datetime | None
    progress: SyncProgress
    next_auto_sync: datetime | None
    waiting: Mapping[str, int]

    @property
    def runs(self) -> bool:
        return self.status == "in_progress"


@dataclass(frozen=True, kw_only=True)
class ObjectInBucket(Model):
    exists: bool | None
    etag: str | None
    size: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class ObjectInCatalogue(Model):
    uuid: str
    state: str
    etag: str
    size: int
    model: str | None


@dataclass(frozen=True, kw_only=True)
class ObjectEvent(Model):
    sequencer: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ObjectOutcome(Model):
    state: str
    reason: str | None
    detail: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ObjectExplanation(Model):
    """Why a search finds an object, or does not; ``conclusion`` says it in a sentence."""

    key: str
    in_bucket: ObjectInBucket
    in_catalogue: ObjectInCatalogue | None
    in_index: bool
    last_event: ObjectEvent | None
    last_outcome: ObjectOutcome | None
    conclusion: str
