"""S3's events in each of their forms: which of them ask for a look at an object, and which are left out."""

import json
from typing import Any

import pytest

from chalicelib.domain.messages import ObjectHint
from chalicelib.domain.s3_events import parse_s3_events

BUCKET = {"name": "photographs"}
KEY = "a b+\u00fc.jpg"
FORM_ENCODED = "a+b%2B%C3%BC.jpg"


def a_notification(name: str, **more: Any) -> str:
    """A message of S3's, as its user guide shows it."""
    entity = {"bucket": BUCKET, "object": {"key": FORM_ENCODED, "sequencer": "01"}}
    return json.dumps({"Records": [{"eventName": name, "s3": entity, **more}]})


def an_event(detail_type: str, **detail: Any) -> str:
    """The same by EventBridge."""
    detail = {"bucket": BUCKET, "object": {"key": KEY, "sequencer": "01"}, **detail}
    return json.dumps({"source": "aws.s3", "detail-type": detail_type, "detail": detail})


def transition_to(storage_class: str) -> dict[str, Any]:
    return {"lifecycleEventData": {"transitionEventData": {"destinationStorageClass": storage_class}}}


def by_sns(message: str) -> str:
    return json.dumps({"Type": "Notification", "Message": message})


def of_object(key: str = "a.jpg", **entity: Any) -> str:
    """A notification about an object with these fields."""
    return json.dumps({"Records": [{"s3": {"bucket": BUCKET, "object": {"key": key, **entity}}}]})


LOOK, RETRY = ObjectHint(KEY, "01"), ObjectHint(KEY, "01", retry=True)


@pytest.mark.parametrize("wrap", [str, by_sns], ids=["direct", "by SNS"])
@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (a_notification("ObjectCreated:Put"), LOOK),
        (a_notification("ObjectRemoved:DeleteMarkerCreated"), LOOK),
        (a_notification("ObjectRestore:Completed"), RETRY),
        (a_notification("LifecycleExpiration:Delete"), LOOK),
        (a_notification("LifecycleExpiration:DeleteMarkerCreated"), LOOK),
        (a_notification("LifecycleTransition", **transition_to("DEEP_ARCHIVE")), LOOK),
        (a_notification("LifecycleTransition"), LOOK),
        (an_event("Object Created"), LOOK),
        (an_event("Object Deleted", reason="Lifecycle Expiration"), LOOK),
        (an_event("Object Restore Completed"), RETRY),
        (an_event("Object Storage Class Changed", **{"destination-storage-class": "GLACIER"}), LOOK),
    ],
)
def test_an_event_that_may_change_what_is_indexed_asks_for_a_look_at_its_object(
    message: str, hint: ObjectHint, wrap: Any
) -> None:
    (event,) = parse_s3_events(wrap(message))
    assert (event.bucket, event.hint) == ("photographs", hint)


@pytest.mark.parametrize(
    "message",
    [
        a_notification("LifecycleTransition", **transition_to("STANDARD_IA")),
        a_notification("LifecycleTransition", **transition_to("GLACIER_IR")),
        an_event("Object Storage Class Changed", **{"destination-storage-class": "INTELLIGENT_TIERING"}),
        an_event("Object Tags Added"),
        an_event("Object ACL Updated"),
    ],
)
def test_an_event_after_which_an_object_can_be_read_as_before_is_left_out(message: str) -> None:
    assert list(parse_s3_events(message)) == []


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (of_object(eTag='"0a1b-2"', size=5, sequencer="0055aed6"), ObjectHint("a.jpg", "0055aed6", False, "0a1b-2", 5)),
        (of_object(eTag="0a1b", size=0), ObjectHint("a.jpg", None, False, "0a1b", 0)),
        (of_object(eTag="0a1b"), ObjectHint("a.jpg", None)),
        (of_object(size=5), ObjectHint("a.jpg", None)),
        (of_object(eTag=None, size=5), ObjectHint("a.jpg", None)),
        (of_object(eTag="0a1b", size=None), ObjectHint("a.jpg", None)),
        (of_object(sequencer=None), ObjectHint("a.jpg", None)),
        (of_object("100%"), ObjectHint("100%", None)),
        (of_object("a%2Bb+c%252B"), ObjectHint("a+b c%2B", None)),
        (of_object("%F0%9F%A6%89.jpg"), ObjectHint("\U0001f989.jpg", None)),
        (of_object("e%CC%81.jpg"), ObjectHint("e\u0301.jpg", None)),
        (of_object("..%2F.%2F%2Fa%0Ab"), ObjectHint(".././/a\nb", None)),
    ],
)
def test_what_an_event_says_of_its_object_is_taken_if_it_is_whole(message: str, hint: ObjectHint) -> None:
    (event,) = parse_s3_events(message)
    assert event.hint == hint


@pytest.mark.parametrize(
    "message",
    [
        *("", "null", "[]", "5", '"x"', "{}", '{"Records": null}', '{"Records": [null]}', '{"Records": ["x"]}'),
        *('{"Records": [{"eventSource": "aws:ses"}]}', '{"source": "aws.s3", "detail-type": "Object Created"}'),
        *(of_object(sequencer=5), of_object(eTag="0a1b", size="many"), of_object(None), of_object(5)),  # type: ignore[arg-type]
        *(by_sns("hello"), by_sns("{}"), '{"Type": "SubscriptionConfirmation", "Message": "{}"}'),
        a_notification("LifecycleTransition", lifecycleEventData=None),
    ],
)
def test_a_message_that_is_no_event_of_s3_is_refused_as_a_whole(message: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the worker lets it rise, whatever it says
        list(parse_s3_events(message))
