"""S3's events: objects that were created, removed or restored, in each of the forms in which the messages arrive.

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

from chalicelib.domain.messages import ObjectHint

# EventBridge's events after which an object may have to be indexed; tags, access and storage classes change nothing.
_DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed")
_RESTORED = ("ObjectRestore:Completed", "Object Restore Completed")


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """S3's event that an object of a bucket was created, removed or restored from an archive."""

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
            yield _from_notification(record)
    else:
        raise ValueError("the message is not an S3 event")


def _from_notification(record: Any) -> ObjectEvent:
    try:
        entity, name = record["s3"], str(record.get("eventName", ""))
        # Keys come form-encoded: a space as '+', everything else in percent escapes.
        key = unquote_plus(entity["object"]["key"])
        restored = name.removeprefix("s3:") in _RESTORED
        return ObjectEvent(entity["bucket"]["name"], _hint(key, entity["object"], "eTag", retry=restored))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 notification") from error


def _from_eventbridge(body: dict[str, Any]) -> Iterator[ObjectEvent]:
    detail_type = body.get("detail-type")
    if detail_type not in _DETAIL_TYPES:
        return
    try:
        detail = body["detail"]
        hint = _hint(detail["object"]["key"], detail["object"], "etag", retry=detail_type in _RESTORED)
        yield ObjectEvent(detail["bucket"]["name"], hint)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 event of EventBridge's") from error


def _hint(key: str, entity: dict[str, Any], etag: str, *, retry: bool) -> ObjectHint:
    has_identity = "size" in entity and etag in entity  # the event of a removal has neither
    return ObjectHint(
        key,
        entity.get("sequencer"),
        retry,
        str(entity[etag]).strip('"') if has_identity else None,
        int(entity["size"]) if has_identity else None,
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ValueError("the message is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the message is not a JSON object")
    return body
