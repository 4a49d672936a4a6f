"""Merges our notifications into a bucket's configuration and leaves those of other destinations as they are.

S3 keeps one configuration for a bucket, which a call replaces as a whole. It refuses one in which two destinations
receive the same event of the same key:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from chalicelib.domain.errors import AmbiguousNotifications

# What an index depends on: S3 tells of a deletion or a move into an archive by a lifecycle rule as a kind of its own.
# Tags, access lists and replication change no picture.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
NOTIFIED_EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectRestore:Completed",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleTransition",
)
CONFIGURATION_ID = "similarix"
_DESTINATION_ARNS = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}

Configuration = dict[str, Any]


def merge_notifications(existing: Mapping[str, Any], prefix: str, events_queue: str) -> Configuration:
    """The bucket's configuration with notifications to our queue for objects below ``prefix`` added.

    Other destinations are kept unchanged. Our own prefixes are reduced to the fewest that cover them all: one inside
    another would send the same event twice, which S3 refuses. Merging the same prefix again changes nothing.

    Args:
        existing: the response of ``get-bucket-notification-configuration``.

    Raises:
        AmbiguousNotifications: another destination receives the same events of the same keys.
    """
    merged = {name: value for name, value in existing.items() if name != "ResponseMetadata"}
    queues = list(merged.get("QueueConfigurations", []))
    ours = [queue for queue in queues if _is_ours(queue, events_queue)]
    others = [queue for queue in queues if not _is_ours(queue, events_queue)]
    prefixes = _covering_prefixes({prefix, *(_filter_value(queue, "prefix") for queue in ours)})
    for kind, arn in _DESTINATION_ARNS.items():
        for other in others if kind == "QueueConfigurations" else merged.get(kind, []):
            if _receives_our_events(other) and any(_overlap(_filter_value(other, "prefix"), p) for p in prefixes):
                raise AmbiguousNotifications(
                    f"{other[arn]} receives the same events of this folder, and S3 sends them to one destination only. "
                    "Turn EventBridge on for the bucket instead: it can pass them on to both."
                )
    merged["QueueConfigurations"] = [*others, *(queue_configuration(p, events_queue) for p in prefixes)]
    return merged


def queue_configuration(prefix: str, events_queue: str) -> Configuration:
    """Notifies our queue of what happens to objects below a prefix; to any object if it is empty."""
    name = f"{CONFIGURATION_ID}-{sha256(prefix.encode()).hexdigest()[:8]}" if prefix else CONFIGURATION_ID
    configuration: Configuration = {"Id": name, "QueueArn": events_queue, "Events": list(NOTIFIED_EVENTS)}
    if prefix:
        configuration["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
    return configuration


def queue_region(events_queue: str) -> str:
    """The region of the queue, by its ARN; S3 notifies queues of the bucket's own region only."""
    return events_queue.split(":", 5)[3]


def _is_ours(queue: Mapping[str, Any], events_queue: str) -> bool:
    return bool(queue["QueueArn"] == events_queue and str(queue.get("Id", "")).startswith(CONFIGURATION_ID))


def _covering_prefixes(prefixes: Iterable[str]) -> list[str]:
    """The prefixes that are below no other, in order."""
    covering: list[str] = []
    for prefix in sorted(prefixes):
        if not covering or not prefix.startswith(covering[-1]):
            covering.append(prefix)
    return covering


def _filter_value(destination: Mapping[str, Any], name: str) -> str:
    """The value of a destination's filter rule, empty where it has none."""
    rules = destination.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return next((str(rule["Value"]) for rule in rules if rule["Name"].lower() == name), "")


def _overlap(prefix: str, other: str) -> bool:
    return prefix.startswith(other) or other.startswith(prefix)


def _receives_our_events(destination: Mapping[str, Any]) -> bool:
    """Whether it receives any event that we need."""
    return any(_same_events(event, own) for event in destination.get("Events", []) for own in NOTIFIED_EVENTS)


def _same_events(event: str, own: str) -> bool:
    """Whether two kinds of events have one in common: ``s3:ObjectCreated:*`` and ``s3:ObjectCreated:Put`` have."""
    if event.endswith("*") or own.endswith("*"):
        return _overlap(event.removesuffix("*"), own.removesuffix("*"))
    return event == own
