"""Domain values in the API's own words, field by field as the contract has them."""

from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.syncs import Preview
from chalicelib.domain.vectors import Hit
from chalicelib.services.explaining import Explanation
from chalicelib.services.ports import Failure

DISTANCE_DIGITS = 6  # float32 tells no more, and the same picture comes out as 0.0


def hit(found: Hit, base_url: str) -> dict[str, Any]:
    return {
        "uuid": found.uuid,
        "file_name": found.key.rpartition("/")[2],
        "file_size": found.size,
        "md5": found.md5,
        "thumbnail": f"{base_url}/media/{found.collection}/{found.uuid}.jpg",
        "s3_uri": f"s3://{found.bucket}/{found.key}",
        "download_url": f"{base_url}/collections/download/{found.uuid}/",
        "distance": abs(round(found.distance, DISTANCE_DIGITS)),
    }


def collection(shown: Collection, now: datetime) -> dict[str, Any]:
    return {
        "uuid": shown.uuid,
        "name": shown.name,
        "bucket": shown.bucket,
        "folder": shown.folder,
        "type": shown.type.value,
        "region": shown.region,
        "sync_status": shown.sync.status_at(now).value,
        "last_sync": time(shown.sync.last_sync),
        "auto_sync_interval": shown.auto_sync.value,
        "stats": {"total_files": shown.total_files, "total_size": shown.total_size},
    }


def sync_status(shown: Collection, now: datetime) -> dict[str, Any]:
    """The contract's three fields, then the figures of the latest sync."""
    sync, status = shown.sync, shown.sync.status_at(now)
    reason = sync.reason
    if status is SyncStatus.FAILED and sync.status is SyncStatus.IN_PROGRESS:
        reason = "Nothing has been heard of it for a while. Start another one."
    tally = sync.progress.tally
    return {
        "status": status.value,
        "last_sync": time(sync.last_manual_sync),
        "last_auto_sync": time(sync.last_auto_sync),
        "progress": {
            "listed": sync.progress.listed,
            "to_do": sync.progress.to_do,
            "done": tally.done,
            "failed": tally.failed,
            "skipped": tally.skipped,
            "removed": tally.removed,
            "started_at": time(sync.started_at),
            "estimated_end": time(sync.estimated_end(now)),
            "reason": reason,
        },
    }


def preview(shown: Preview) -> dict[str, Any]:
    return {
        "listed": shown.listed,
        "unchanged": shown.unchanged,
        "to_add": shown.to_add,
        "to_update": shown.to_update,
        "to_remove": shown.to_remove,
        "to_retry": shown.to_retry,
        "needs_confirmation": shown.needs_confirmation,
        "complete": shown.complete,
        "examples": shown.examples,
    }


def explanation(shown: Explanation) -> dict[str, Any]:
    record, found = shown.record, shown.found
    return {
        "key": shown.key,
        "in_bucket": {
            "exists": None if isinstance(found, Failure) else found is not None,
            "etag": found.etag if isinstance(found, ObjectInfo) else None,
            "size": found.size if isinstance(found, ObjectInfo) else None,
            "reason": found.message if isinstance(found, Failure) else None,
        },
        "in_catalogue": {
            "uuid": record.uuid,
            "state": record.state.value,
            "etag": record.etag,
            "size": record.size,
            "model": record.model,
        }
        if record
        else None,
        "in_index": shown.in_index,
        "last_event": {"sequencer": record.sequencer, "at": time(record.event_at)}
        if record and record.sequencer
        else None,
        "last_outcome": {
            "state": record.state.value,
            "reason": record.reason,
            "detail": record.detail,
            "at": time(record.updated_at),
        }
        if record
        else None,
        "conclusion": shown.conclusion,
    }


def time(moment: datetime | None) -> str | None:
    """ISO 8601 with microseconds and offset; null for what has not happened yet."""
    return moment.isoformat(timespec="microseconds") if moment else None
