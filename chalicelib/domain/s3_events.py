"""S3's own messages: that objects were created or removed, in each of the shapes in which they may arrive.

- S3 event notifications, straight to the queue: one or more ``Records``, keys form-encoded.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
- The same, sent on by SNS: a JSON string under ``Message``.
- EventBridge events: one object each, keys as they are.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.domain.messages import ObjectHint

# What EventBridge tells of that may change a picture; tags, access and storage classes do not.
_DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed")
_RESTORED = ("ObjectRestore:Completed", "Object Restore Completed")


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An object of a bucket that S3 says was created, removed or brought back from an archive."""

    bucket: str
    change: ObjectHint


def parse_s3_events(text: str) -> Iterator[ObjectEvent]:
    """The changes in the body of one message; S3's test message, sent when notifications are set up, has none.

    Raises:
        ValueError: the body is none of the shapes above.
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
        raise ValueError("the message is no news of S3's")


def _from_notification(record: Any) -> ObjectEvent:
    try:
        entity, name = record["s3"], str(record.get("eventName", ""))
        # Keys come form-encoded: a space as '+', everything else in percent escapes.
        key = unquote_plus(entity["object"]["key"])
        restored = name.removeprefix("s3:") in _RESTORED
        return ObjectEvent(entity["bucket"]["name"], _change(key, entity["object"], "eTag", retry=restored))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 notification") from error


def _from_eventbridge(body: dict[str, Any]) -> Iterator[ObjectEvent]:
    kind = body.get("detail-type")
    if kind not in _DETAIL_TYPES:
        return
    try:
        detail = body["detail"]
        change = _change(detail["object"]["key"], detail["object"], "etag", retry=kind in _RESTORED)
        yield ObjectEvent(detail["bucket"]["name"], change)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the message is not an S3 event of EventBridge's") from error


def _change(key: str, entity: dict[str, Any], etag: str, *, retry: bool) -> ObjectHint:
    known = "size" in entity and etag in entity  # a removal's are not told
    return ObjectHint(
        key,
        entity.get("sequencer"),
        retry,
        str(entity[etag]).strip('"') if known else None,
        int(entity["size"]) if known else None,
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ValueError("the message is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the message is not a JSON object")
    return body
