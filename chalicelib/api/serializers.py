"""Domain values in the API's own words, field by field as the contract has them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.domain.accounts import Account, Token
from chalicelib.domain.bucket_access import AccessReport, permissions_policy, trust_policy
from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.files import FileRecord, ObjectInfo
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.notifications import configuration
from chalicelib.domain.plans import LIMITS, Plan
from chalicelib.domain.syncs import Preview
from chalicelib.domain.vectors import Hit

if TYPE_CHECKING:
    from chalicelib.services.explanation import Explanation
    from chalicelib.services.uploads import PreparedUpload

DISTANCE_DIGITS = 6  # float32 tells no more, and the same picture comes out as 0.0


def hit(found: Hit, base_url: str) -> dict[str, Any]:
    summary = found.file
    return {
        "uuid": found.uuid,
        "file_name": summary.key.rpartition("/")[2],
        "file_size": summary.size,
        "md5": summary.md5,
        "thumbnail": f"{base_url}/media/{summary.collection}/{found.uuid}.jpg",
        "s3_uri": f"s3://{summary.bucket}/{summary.key}",
        "download_url": f"{base_url}/collections/download/{found.uuid}/",
        "distance": abs(round(found.distance, DISTANCE_DIGITS)),
    }


def file(record: FileRecord, bucket: str, base_url: str) -> dict[str, Any]:
    """The fields of a search result, and what the catalogue knows beside them; null for what is not known."""
    picture, is_there = record.embedding, record.embedding is not None
    return {
        "uuid": record.uuid,
        "collection": record.collection,
        "file_name": record.key.rpartition("/")[2],
        "file_size": record.size,
        "md5": picture.md5 if picture else None,
        "mime_type": mime_type(picture.format) if picture else None,
        "width": picture.width if picture else None,
        "height": picture.height if picture else None,
        "thumbnail": f"{base_url}/media/{record.collection}/{record.uuid}.jpg" if is_there else None,
        "s3_uri": f"s3://{bucket}/{record.key}",
        "download_url": f"{base_url}/collections/download/{record.uuid}/" if is_there else None,
        "state": record.state.value,
        "reason": record.reason,
        "detail": record.detail,
        "updated_at": time(record.updated_at),
    }


def prepared_upload(prepared: "PreparedUpload") -> dict[str, Any]:
    upload, form = prepared.upload, prepared.form
    return {
        "message": "Send the file to the url as multipart/form-data, fields first and file last, then complete it.",
        "collection": upload.collection,
        "file": upload.file_name,
        "mime_type": prepared.mime_type,
        "upload": {
            "id": upload.id,
            "url": form.url,
            "fields": dict(form.fields),
            "expires_at": time(upload.expires_at),
        },
    }


def examination(examined: AccessReport, events_queue: str) -> dict[str, Any]:
    """What was found, and all that has to be set up, ready to paste."""
    tried = examined.collection
    assert tried.external_id is not None
    return {
        "readable": not examined.problems,
        "problems": [{"error": p.code, "message": p.message, "field": p.field} for p in examined.problems],
        "external_id": tried.external_id,
        "trust_policy": trust_policy(tried.external_id, events_queue),
        "permissions_policy": permissions_policy(tried.bucket, tried.prefix, events_queue.split(":")[1]),
        "notification_configuration": {"QueueConfigurations": [configuration(tried.prefix, events_queue)]},
    }


def account(shown: Account, plan: Plan, used: dict[str, int]) -> dict[str, Any]:
    return {
        "uuid": shown.uuid,
        "name": shown.name,
        "plan": plan.name,
        "created_at": time(shown.created_at),
        "allowances": {name: {"allowed": getattr(plan, name), "used": used[name]} for name in LIMITS},
        "auto_sync_intervals": sorted(plan.auto_sync),
    }


def token(shown: Token) -> dict[str, Any]:
    return {
        "id": shown.id,
        "name": shown.name,
        "scope": shown.scope.value,
        "created_at": time(shown.created_at),
        "last_used": time(shown.last_used),
        "expires_at": time(shown.expires_at),
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


def explanation(shown: "Explanation") -> dict[str, Any]:
    record, found = shown.record, shown.found
    return {
        "key": shown.key,
        "in_bucket": {
            "exists": None if isinstance(found, ReadFailure) else found is not None,
            "etag": found.etag if isinstance(found, ObjectInfo) else None,
            "size": found.size if isinstance(found, ObjectInfo) else None,
            "reason": found.message if isinstance(found, ReadFailure) else None,
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
