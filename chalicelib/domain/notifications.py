"""A bucket's notification settings: ours merged into what is there, nothing of anybody else's touched.

S3 has one document a bucket, which a call replaces as a whole, and refuses one in which two configurations want the
same event of the same key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
ID = "similarix"
_KINDS = {"QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}
_KINDS["LambdaFunctionConfigurations"] = "LambdaFunctionArn"

Settings = dict[str, Any]


class AmbiguousNotifications(ValueError):
    """Somebody else is told of the same events already, and S3 tells only one."""


def merged(existing: Mapping[str, Any], prefix: str, events_queue: str) -> Settings:
    """The bucket's settings, with what has objects below ``prefix`` told to our queue as well.

    What others have is kept to the letter. Our own folders become as few as cover them, since one folder in another
    would be told twice, which S3 refuses. Merging twice changes nothing.

    Args:
        existing: as ``get-bucket-notification-configuration`` answers.

    Raises:
        AmbiguousNotifications: another destination wants the same events of the same keys.
    """
    settings = {name: value for name, value in existing.items() if name != "ResponseMetadata"}
    queues = list(settings.get("QueueConfigurations", []))
    ours = [each for each in queues if _is_ours(each, events_queue)]
    theirs = [each for each in queues if not _is_ours(each, events_queue)]
    prefixes = _covering({prefix, *(_rule(each, "prefix") for each in ours)})
    for kind, arn in _KINDS.items():
        for other in theirs if kind == "QueueConfigurations" else settings.get(kind, []):
            if _share_events(other) and any(_overlap(_rule(other, "prefix"), each) for each in prefixes):
                raise AmbiguousNotifications(
                    f"{other[arn]} is told of the same events of this folder, and S3 tells only one. Turn EventBridge "
                    "on for the bucket instead: both can be told by it."
                )
    settings["QueueConfigurations"] = [*theirs, *(configuration(each, events_queue) for each in prefixes)]
    return settings


def configuration(prefix: str, events_queue: str) -> Settings:
    """What has our queue told of each object below a prefix that comes or goes; everything, if it is empty."""
    name = f"{ID}-{sha256(prefix.encode()).hexdigest()[:8]}" if prefix else ID
    wanted: Settings = {"Id": name, "QueueArn": events_queue, "Events": list(EVENTS)}
    if prefix:
        wanted["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
    return wanted


def _is_ours(configured: Mapping[str, Any], events_queue: str) -> bool:
    return bool(configured["QueueArn"] == events_queue and str(configured.get("Id", "")).startswith(ID))


def _covering(prefixes: Iterable[str]) -> list[str]:
    """The prefixes that are below no other, in order."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept


def _rule(configured: Mapping[str, Any], name: str) -> str:
    rules = configured.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return next((str(rule["Value"]) for rule in rules if rule["Name"].lower() == name), "")


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _share_events(configured: Mapping[str, Any]) -> bool:
    """Whether any event is wanted that we want: ``s3:ObjectCreated:Put`` is one of ``s3:ObjectCreated:*``."""
    ours = [event.removesuffix("*") for event in EVENTS]
    return any(event.startswith(own) for event in configured.get("Events", []) for own in ours)
