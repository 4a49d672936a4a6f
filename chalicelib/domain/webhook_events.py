"""The events that webhooks tell: what has become of files and of syncs, small, with links to the rest.

Headers, signatures and the form of a body are those of the Standard Webhooks specification:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

The same files at the same state make an event with the same id. So a message that is delivered again tells what it told
before, and a receiver knows it by the id.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from chalicelib.domain.collections import Collection, CollectionType, SyncStatus
from chalicelib.domain.file_actions import has_other_bytes
from chalicelib.domain.files import FileRecord, FileState, PendingWrite
from chalicelib.domain.messages import INDEX_BATCH_SIZE
from chalicelib.domain.plans import WEBHOOKS_MAX

TEST_EVENT = "webhook.test"  # which every endpoint gets when its owner asks for it
# Longer than all deliveries of a message take: what a file became within it may not have been told, if the worker died
# between its write and its message.
REPEATED = timedelta(hours=4)


class EventType(StrEnum):
    """What an endpoint may be told of."""

    SYNC_COMPLETED = "sync.completed"
    SYNC_FAILED = "sync.failed"
    SYNC_NEEDS_CONFIRMATION = "sync.needs_confirmation"
    FILE_INDEXED = "file.indexed"
    FILE_FAILED = "file.failed"
    FILE_REMOVED = "file.removed"


_OF_FILES = {
    FileState.INDEXED: EventType.FILE_INDEXED,
    FileState.FAILED: EventType.FILE_FAILED,
    FileState.REMOVED: EventType.FILE_REMOVED,
}
_OF_SYNCS = {
    SyncStatus.COMPLETED: EventType.SYNC_COMPLETED,
    SyncStatus.FAILED: EventType.SYNC_FAILED,
    SyncStatus.NEEDS_CONFIRMATION: EventType.SYNC_NEEDS_CONFIRMATION,
}


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Something that has happened in an account.

    Args:
        id: the same for the same event, however often it is sent.
        type: one of ``EventType``, or ``TEST_EVENT``.
        data: as JSON has it; a ``url`` in it is a path of the API.
        collection: where it has happened; None for a test.
        served: how many endpoints of the account its plan lets be told, the oldest that are enabled.
    """

    account: str
    id: str
    type: str
    at: datetime
    data: Mapping[str, Any] = field(hash=False)
    collection: str | None = None
    served: int = WEBHOOKS_MAX

    def to_json(self) -> str:
        return json.dumps({"event": {**asdict(self), "at": self.at.isoformat()}}, separators=(",", ":"))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "WebhookEvent":
        return cls(**{**raw, "at": datetime.fromisoformat(raw["at"])})


def file_events(
    collection: Collection, writes: Sequence[PendingWrite], now: datetime, *, redelivered: bool
) -> list[WebhookEvent]:
    """The events of records that were written: one for each type, with its files.

    Of a managed collection, S3's event of a file comes after the request that has changed it, which may have died
    before it told. What became of its files lately is therefore told again, each file by itself, as the request did.

    Args:
        redelivered: their message was delivered before, so what they became lately may not have been told.
    """
    is_managed = collection.type is CollectionType.MANAGED
    changed: dict[EventType, list[FileRecord]] = {}
    recent: dict[EventType, list[FileRecord]] = {}
    for write in writes:
        record = write.record
        if record.state not in _OF_FILES:
            continue
        if _is_changed(record, write.previous):
            changed.setdefault(_OF_FILES[record.state], []).append(record)
        elif (redelivered or is_managed) and _is_told(record) and now - record.updated_at < REPEATED:
            recent.setdefault(_OF_FILES[record.state], []).append(record)
    size = 1 if is_managed else INDEX_BATCH_SIZE
    return [*_events(collection, recent, size), *_events(collection, changed, size)]


def sync_event(collection: Collection) -> WebhookEvent | None:
    """The event of the collection's latest sync; None unless it has ended in a way that is told."""
    sync = collection.sync
    if sync.status not in _OF_SYNCS or sync.id is None or sync.ended_at is None:
        return None
    event, progress = _OF_SYNCS[sync.status], sync.progress
    data = {
        "collection": collection.uuid,
        "sync": sync.id,
        "status": sync.status.value,
        "trigger": sync.trigger.value if sync.trigger else None,
        "reason": sync.reason,
        "started_at": timestamp(sync.started_at) if sync.started_at else None,
        "ended_at": timestamp(sync.ended_at),
        "listed": progress.listed,
        "done": progress.tally.done,
        "failed": progress.tally.failed,
        "skipped": progress.tally.skipped,
        "removed": progress.tally.removed,
        "url": f"/api/collections/{collection.uuid}/sync-status/",
    }
    identifier = message_id(sync.ended_at, event, sync.id)
    return WebhookEvent(collection.account, identifier, event, sync.ended_at, data, collection.uuid)


def trial_event(account: str, endpoint: str, now: datetime) -> WebhookEvent:
    """What an endpoint gets when its owner tries it."""
    data = {"webhook": endpoint, "message": "This is a test.", "url": f"/api/webhooks/{endpoint}/"}
    return WebhookEvent(account, message_id(now, TEST_EVENT, endpoint), TEST_EVENT, now, data)


def _is_changed(record: FileRecord, previous: FileRecord | None) -> bool:
    """Whether a write has made of the file what is told."""
    if record.state is FileState.REMOVED:
        return previous is not None and previous.state in (FileState.INDEXED, FileState.FAILED)
    if previous is None or previous.state is not record.state:
        return True
    return record.reason != previous.reason or has_other_bytes(previous, record)


def _is_told(record: FileRecord) -> bool:
    """Whether the state is told when it is reached.

    A removal has a reason only where nothing was there before, and no ETag once the rest of a deleted file is cleared.
    """
    return record.state is not FileState.REMOVED or (record.reason is None and bool(record.etag))


def _events(
    collection: Collection, records_by_event: dict[EventType, list[FileRecord]], size: int
) -> Iterator[WebhookEvent]:
    for event, unsorted in records_by_event.items():
        records = sorted(unsorted, key=lambda record: record.key)
        for start in range(0, len(records), size):
            yield _file_event(collection, event, records[start : start + size])


def _file_event(collection: Collection, event: EventType, records: Sequence[FileRecord]) -> WebhookEvent:
    at = max(record.updated_at for record in records)
    names = [f"{record.uuid} {record.updated_at.isoformat()}" for record in records]
    data = {
        "collection": collection.uuid,
        "count": len(records),
        "files": [_file(collection, record) for record in records],
        "url": f"/api/collections/{collection.uuid}/",
    }
    identifier = message_id(at, event, collection.uuid, *names)
    return WebhookEvent(collection.account, identifier, event, at, data, collection.uuid)


def _file(collection: Collection, record: FileRecord) -> dict[str, Any]:
    return {
        "uuid": record.uuid,
        "path": collection.path_of(record.key),
        "size": record.size,
        "md5": record.embedding.md5 if record.embedding else None,
        "reason": record.reason,
        "updated_at": timestamp(record.updated_at),
        "url": f"/api/files/{record.uuid}/",
    }


def message_id(at: datetime, *names: str) -> str:
    """The id of the event that happened at a time and has these names: sorted by time, the same for the same event."""
    digest = sha256(json.dumps(names).encode()).hexdigest()
    return f"msg_{int(at.timestamp() * 1000):012x}{digest[:20]}"


def event_body(event: WebhookEvent, api_url: str) -> str:
    """The body of an event's request, in ASCII, with links that begin with ``api_url``."""
    body = {"type": event.type, "timestamp": timestamp(event.at), "data": _with_links(event.data, api_url)}
    return json.dumps(body, separators=(",", ":"))


def _with_links(value: Any, api_url: str) -> Any:
    if isinstance(value, Mapping):
        return {
            name: f"{api_url}{nested}" if name == "url" else _with_links(nested, api_url)
            for name, nested in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_links(nested, api_url) for nested in value]
    return value


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC, as the specification's examples have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
