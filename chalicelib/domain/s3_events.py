"""S3's events: objects that were created, removed, restored or archived, in each of the forms in which they arrive.

- S3 event notifications, straight to the queue: one or more ``Records``, keys form-encoded.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
- The same, forwarded by SNS: a JSON string under ``Message``.
- EventBridge events: one object each, keys as they are.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.domain.files import ARCHIVE_CLASSES
from chalicelib.domain.messages import ObjectHint

# EventBridge's events after which an object may have to be indexed; tags and access change nothing.
_STORAGE_CLASS_CHANGED = "Object Storage Class Changed"
_DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed", _STORAGE_CLASS_CHANGED)
_TRANSITION = "LifecycleTransition"
_RESTORED = ("ObjectRestore:Completed", "Object Restore Completed")


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """S3's event that an object of a bucket was created or removed, or left an archive or went into one."""

    bucket: str
    hint: ObjectHint


def parse_s3_events(text: str) -> Iterator[ObjectEvent]:
    """The events in the body of one message; S3's test message, sent when notifications are set up, has none.

    Raises:
        ValueError: the body has none of the forms above.
    """
    body = _json_object(text)
    if body.get("Event") == "s3:TestEvent":
        return
    if body.get("Type") == "Notification" and isinstance(body.get("Message"), str):
        yield from parse_s3_events(body["Message"])
    elif body.get("source") == "aws.s3":
        yield from _from_eventbridge(body)
    elif isinstance(body.get("Records"), list):
        for record in body["Records"]:
            yield from _from_notification(record)
    else:
        raise ValueError("the message is not an S3 event")


def _from_notification(record: Any) -> Iterator[ObjectEvent]:
    try:
        entity, name = record["s3"], str(record.get("eventName", "")).removeprefix("s3:")
        if name == _TRANSITION and not _is_archive(_destination_class(record)):
            return
        # Keys come form-encoded: a space as '+', everything else in percent escapes.
        key = unquote_plus(entity["object"]["key"])
        restored = name in _RESTORED
        yield ObjectEvent(entity["bucket"]["name"], _hint(key, entity["object"], "eTag", retry=restored))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 notification") from error


def _from_eventbridge(body: dict[str, Any]) -> Iterator[ObjectEvent]:
    detail_type = body.get("detail-type")
    if detail_type not in _DETAIL_TYPES:
        return
    try:
        detail = body["detail"]
        if detail_type == _STORAGE_CLASS_CHANGED and not _is_archive(detail.get("destination-storage-class")):
            return
        hint = _hint(detail["object"]["key"], detail["object"], "etag", retry=detail_type in _RESTORED)
        yield ObjectEvent(detail["bucket"]["name"], hint)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 event of EventBridge's") from error


def _destination_class(record: Any) -> Any:
    """The storage class of a lifecycle transition, None if the message has none."""
    return record.get("lifecycleEventData", {}).get("transitionEventData", {}).get("destinationStorageClass")


def _is_archive(storage_class: Any) -> bool:
    """Whether an object that moved there may have become unreadable; so may one that moved to an unknown place."""
    return storage_class is None or storage_class in ARCHIVE_CLASSES


def _hint(key: str, entity: dict[str, Any], etag: str, *, retry: bool) -> ObjectHint:
    sequencer, tag, size = entity.get("sequencer"), entity.get(etag), entity.get("size")
    if not isinstance(sequencer, str | None):
        raise TypeError("no sequencer of S3's")
    if not isinstance(tag, str) or size is None:  # as in the event of a removal
        return ObjectHint(key, sequencer, retry)
    return ObjectHint(key, sequencer, retry, tag.strip('"'), int(size))


def _json_object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ValueError("the message is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the message is not a JSON object")
    return body
