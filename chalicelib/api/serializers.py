"""Serializes domain values into JSON objects, field by field as the API's contract defines them."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.api.links import FileLinks
from chalicelib.domain.accounts import Account, Token
from chalicelib.domain.bucket_access import AccessReport, AccessWarning, permissions_policy, trust_policy
from chalicelib.domain.collections import Collection, CollectionType, SyncStatus
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.file_deletions import DeletionReport
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.files import OVER_PLAN, PENDING, WAITING_REASONS, FileRecord, ObjectInfo
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.notifications import queue_configuration, queue_region
from chalicelib.domain.plans import LIMIT_NAMES, RATE_NAMES, Plan
from chalicelib.domain.schedules import next_run, sync_hour
from chalicelib.domain.syncs import Preview
from chalicelib.domain.vectors import Hit

if TYPE_CHECKING:
    from chalicelib.domain.search_uploads import SearchUpload
    from chalicelib.domain.uploads import CompletedUpload, Upload, UploadForm
    from chalicelib.domain.webhook_deliveries import WebhookDelivery
    from chalicelib.domain.webhook_endpoints import WebhookEndpoint
    from chalicelib.services.explanation import Explanation
    from chalicelib.services.files import Download
    from chalicelib.services.uploads import PreparedUpload

DISTANCE_DIGITS = 6  # float32 has no more, and an identical picture gets exactly 0.0


def hit(hit: Hit | FoundFile, links: FileLinks) -> dict[str, Any]:
    """A file that a search has found; one that its name alone has found has no distance."""
    file = hit.file
    return {
        "uuid": hit.uuid,
        "file_name": file.key.rpartition("/")[2],
        "file_size": file.size,
        "md5": file.md5,
        "thumbnail": links.thumbnail(file.collection, hit.uuid, file.md5),
        "s3_uri": f"s3://{file.bucket}/{file.key}",
        "download_url": links.download(hit.uuid, file.md5),
        "distance": abs(round(hit.distance, DISTANCE_DIGITS)) if isinstance(hit, Hit) else None,
    }


def file(record: FileRecord, collection: Collection, links: FileLinks) -> dict[str, Any]:
    """The fields of a search result and the catalogue's own; null stands for what is not known."""
    embedding = record.embedding
    return {
        "uuid": record.uuid,
        "collection": record.collection,
        "file_name": record.key.rpartition("/")[2],
        "file_size": record.size,
        "md5": embedding.md5 if embedding else None,
        "mime_type": mime_type(embedding.format) if embedding else None,
        "width": embedding.width if embedding else None,
        "height": embedding.height if embedding else None,
        "thumbnail": links.thumbnail(record.collection, record.uuid, embedding.md5) if embedding else None,
        "s3_uri": f"s3://{collection.bucket}/{record.key}",
        "download_url": links.download(record.uuid, embedding.md5) if embedding else None,
        "state": record.state.value,
        "reason": record.reason,
        "detail": record.detail,
        "updated_at": time(record.updated_at),
        "path": collection.path_of(record.key),
        "format": embedding.format.lower() if embedding else None,
        "metadata": metadata(record.metadata),
        "modified": time(record.modified),
    }


def metadata(metadata: Metadata) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in metadata.items()}


def deletion_report(report: DeletionReport) -> dict[str, Any]:
    return {
        "count": report.count,
        "files": [
            {"uuid": file.uuid, "path": file.path, "outcome": file.outcome.value, "message": file.message}
            for file in report.files
        ],
    }


def download(download: "Download") -> dict[str, Any]:
    return {"url": download.url, "expires_at": time(download.expires_at)}


def prepared_upload(prepared: "PreparedUpload") -> dict[str, Any]:
    return {
        "message": "Send the form's fields, then the file, as multipart/form-data to its url; then complete it.",
        "upload": upload(prepared.upload),
        "form": {"url": prepared.form.url, "fields": dict(prepared.form.fields)},
    }


def upload(upload: "Upload") -> dict[str, Any]:
    return {
        "id": upload.id,
        "collection": upload.collection,
        "path": upload.path,
        "size": upload.size,
        "state": upload.state.value,
        "reason": upload.reason,
        "detail": upload.detail,
        "uuid": upload.file,
        "mime_type": upload.mime_type,
        "created_at": time(upload.created_at),
        "expires_at": time(upload.expires_at),
    }


def search_upload(upload: "SearchUpload", *, arrived: bool) -> dict[str, Any]:
    return {
        "id": upload.id,
        "size": upload.size,
        "mime_type": upload.mime_type,
        "arrived": arrived,
        "expires_at": time(upload.expires_at),
    }


def prepared_search_upload(upload: "SearchUpload", form: "UploadForm") -> dict[str, Any]:
    return {
        "message": "Send the form's fields, then the file, as multipart/form-data to its url; then search by its id.",
        "upload": search_upload(upload, arrived=False),
        "form": {"url": form.url, "fields": dict(form.fields)},
    }


def completed_upload(collection: Collection, upload: "CompletedUpload") -> dict[str, Any]:
    return {
        "message": "Image uploaded successfully",
        "collection": collection.uuid,
        "file": upload.file_name,
        "mime_type": upload.mime_type,
        "uuid": upload.uuid,
        "path": upload.path,
        "replaced": upload.replaced,
    }


def access_report(report: AccessReport, events_queue: str) -> dict[str, Any]:
    """The findings of an access check, and the policies and settings that the bucket's owner has to paste.

    There are no settings for events of a bucket in another region than the queue's: S3 would refuse them. A bucket that
    is not on AWS has none of them.
    """
    collection, problems = report.collection, report.findings.problems
    return {
        "readable": not problems,
        "problems": [
            {"error": problem.code, "message": problem.message, "field": problem.field} for problem in problems
        ],
        **_documents_of_aws(collection, events_queue),
        "warnings": access_warnings(report.findings.warnings),
    }


def _documents_of_aws(collection: Collection, events_queue: str) -> dict[str, Any]:
    if collection.external_id is None:
        names = ("external_id", "trust_policy", "permissions_policy", "notification_configuration")
        return dict.fromkeys(names)
    notifications = {"QueueConfigurations": [queue_configuration(collection.prefix, events_queue)]}
    return {
        "external_id": collection.external_id,
        "trust_policy": trust_policy(collection.external_id, events_queue),
        "permissions_policy": permissions_policy(collection.bucket, collection.prefix, events_queue.split(":")[1]),
        "notification_configuration": notifications if collection.region == queue_region(events_queue) else None,
    }


def access_warnings(warnings: Iterable[AccessWarning]) -> list[dict[str, Any]]:
    return [
        {"warning": warning.code, "message": warning.message, "examples": list(warning.examples)}
        for warning in warnings
    ]


def account(account: Account, plan: Plan, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "uuid": account.uuid,
        "name": account.name,
        "plan": plan.name,
        "created_at": time(account.created_at),
        "allowances": {name: {"allowed": getattr(plan, name), "used": usage[name]} for name in LIMIT_NAMES},
        "rates": {name: getattr(plan, name) for name in RATE_NAMES},
        "auto_sync_intervals": sorted(plan.auto_sync),
    }


def token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope.value,
        "created_at": time(token.created_at),
        "last_used": time(token.last_used),
        "expires_at": time(token.expires_at),
        "made_by": token.made_by,
        "collections": token.collections,
        "origins": token.origins,
    }


def collection(collection: Collection, now: datetime, spread: int) -> dict[str, Any]:
    """The contract's fields, then when the collection is synced by itself; ``spread`` is of schedules, in seconds."""
    return {
        "uuid": collection.uuid,
        "name": collection.name,
        "bucket": collection.bucket,
        "folder": collection.folder,
        "type": collection.type.value,
        "region": collection.region,
        "sync_status": collection.sync.status_at(now).value,
        "last_sync": time(collection.sync.last_sync),
        "auto_sync_interval": collection.auto_sync.value,
        "stats": {"total_files": collection.total_files, "total_size": collection.total_size},
        "files": collection.files,
        "failed": {name: collection.unindexed[name] for name in sorted(collection.unindexed) if name != PENDING},
        "pending": collection.unindexed.get(PENDING, 0),
        **_patterns(collection),
        "auto_sync_at": sync_hour(collection),
        "last_auto_sync": time(collection.sync.last_auto_sync),
        "next_auto_sync": time(next_run(collection, now, spread)),
        "endpoint": collection.server.url if collection.server else None,
        "access_key_id": collection.server.access_key_id if collection.server else None,
    }


def _patterns(collection: Collection) -> dict[str, list[str]]:
    """The patterns of a collection on a customer's bucket; a managed one has none."""
    has_patterns = collection.type is CollectionType.S3
    patterns = {"include": collection.include, "exclude": collection.exclude}
    return {name: list(values) if has_patterns else [] for name, values in patterns.items()}


def sync_status(collection: Collection, now: datetime, spread: int) -> dict[str, Any]:
    """The three fields of the contract, then the figures of the latest sync, and what waits for the next one."""
    sync, status = collection.sync, collection.sync.status_at(now)
    reason = sync.reason
    if status is SyncStatus.FAILED and sync.status is SyncStatus.IN_PROGRESS:
        reason = "The sync has stopped making progress. Start another one."
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
            "ignored": sync.progress.ignored,
        },
        "next_auto_sync": time(next_run(collection, now, spread)),
        "waiting": {
            reason: count
            for reason, count in sorted(collection.unindexed.items())
            if reason == OVER_PLAN or reason in WAITING_REASONS
        },
    }


def preview(preview: Preview) -> dict[str, Any]:
    return {
        "listed": preview.listed,
        "unchanged": preview.unchanged,
        "to_add": preview.to_add,
        "to_update": preview.to_update,
        "to_remove": preview.to_remove,
        "to_retry": preview.to_retry,
        "needs_confirmation": preview.needs_confirmation,
        "complete": preview.complete,
        "examples": preview.examples,
        "ignored": preview.ignored,
    }


def explanation(explanation: "Explanation") -> dict[str, Any]:
    record, current = explanation.record, explanation.current
    return {
        "key": explanation.key,
        "in_bucket": {
            "exists": None if isinstance(current, ReadFailure) else current is not None,
            "etag": current.etag if isinstance(current, ObjectInfo) else None,
            "size": current.size if isinstance(current, ObjectInfo) else None,
            "reason": current.message if isinstance(current, ReadFailure) else None,
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
        "in_index": explanation.in_index,
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
        "conclusion": explanation.conclusion,
    }


def webhook(endpoint: "WebhookEndpoint") -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": [event.value for event in endpoint.events],
        "collections": endpoint.collections,
        "description": endpoint.description,
        "created_at": time(endpoint.created_at),
        "enabled": endpoint.enabled,
        "failing_since": time(endpoint.failing_since),
        "disabled_at": time(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason,
        "previous_secret_until": time(endpoint.previous_until),
    }


def webhook_delivery(delivery: "WebhookDelivery") -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhook": delivery.endpoint,
        "type": delivery.type,
        "collection": delivery.collection,
        "at": time(delivery.at),
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt": time(delivery.next_at),
        "answers": [
            {
                "at": time(answer.at),
                "milliseconds": answer.milliseconds,
                "status": answer.status,
                "error": answer.error,
                "body": answer.body,
            }
            for answer in delivery.answers
        ],
    }


def time(moment: datetime | None) -> str | None:
    """ISO 8601 with microseconds and offset; null for a moment that has not come."""
    return moment.isoformat(timespec="microseconds") if moment else None
