"""Our notifications are merged into a bucket's configuration, and those of other destinations are left unchanged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import AmbiguousNotifications
from chalicelib.domain.notifications import merge_notifications

QUEUE = "arn:aws:sqs:eu-west-1:111122223333:similarix-events"
FUNCTION = "arn:aws:lambda:eu-west-1:444455556666:function:resize"
PREFIXES = st.lists(st.sampled_from("abc"), max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts))


def notified_prefixes(configuration: dict[str, Any], destination: str = QUEUE) -> list[str]:
    """The prefixes below which a destination receives events, in order."""
    prefixes = []
    for kind in ("QueueConfigurations", "LambdaFunctionConfigurations"):
        for entry in configuration.get(kind, []):
            if destination in (entry.get("QueueArn"), entry.get("LambdaFunctionArn")):
                rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                prefixes.append(next((rule["Value"] for rule in rules if rule["Name"] == "prefix"), ""))
    return sorted(prefixes)


def a_function(prefix: str, *events: str) -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": ".raw"}]
    return {
        "Id": "resize",
        "LambdaFunctionArn": FUNCTION,
        "Events": list(events),
        "Filter": {"Key": {"FilterRules": rules}},
    }


@given(st.lists(PREFIXES, min_size=1, max_size=6))
def test_each_prefix_is_notified_once_even_inside_another_and_merging_again_changes_nothing(
    prefixes: list[str],
) -> None:
    configuration: dict[str, Any] = {}
    for prefix in prefixes:
        configuration = merge_notifications(configuration, prefix, QUEUE)
    notified = notified_prefixes(configuration)
    for prefix in prefixes:
        assert sum(prefix.startswith(other) for other in notified) == 1
    assert not [(a, b) for a in notified for b in notified if a != b and a.startswith(b)]
    assert all(merge_notifications(configuration, prefix, QUEUE) == configuration for prefix in prefixes)
    assert len({entry["Id"] for entry in configuration["QueueConfigurations"]}) == len(notified)


@given(PREFIXES, PREFIXES, st.sampled_from(["s3:ObjectRestore:Post", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]))
def test_notifications_to_other_destinations_are_kept_unchanged(own: str, theirs: str, event: str) -> None:
    topic = {"TopicArn": "arn:aws:sns:eu-west-1:444455556666:t", "Events": ["s3:Replication:*"]}
    existing = {
        "LambdaFunctionConfigurations": [a_function(theirs, event)],
        "TopicConfigurations": [topic],
        "QueueConfigurations": [{"Id": "x", "QueueArn": QUEUE.replace("similarix", "x"), "Events": [event]}],
        "EventBridgeConfiguration": {},
    }
    merged = merge_notifications({**existing, "ResponseMetadata": {"HTTPStatusCode": 200}}, own, QUEUE)
    assert notified_prefixes(merged) == [own]
    others = {**merged, "QueueConfigurations": merged["QueueConfigurations"][:1]}
    assert others == existing


@pytest.mark.parametrize(
    "event",
    [
        "s3:ObjectCreated:*",
        "s3:ObjectCreated:Put",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRestore:*",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:LifecycleTransition",
    ],
)
@pytest.mark.parametrize(("own", "theirs"), [("a/", "a/"), ("", "a/"), ("a/b/", "a/")])
def test_events_that_another_destination_receives_are_refused_with_a_way_out(event: str, own: str, theirs: str) -> None:
    with pytest.raises(AmbiguousNotifications, match="EventBridge"):
        merge_notifications({"LambdaFunctionConfigurations": [a_function(theirs, event)]}, own, QUEUE)


def test_another_destination_may_receive_the_same_events_of_another_folder() -> None:
    existing = {"LambdaFunctionConfigurations": [a_function("b/", "s3:ObjectCreated:*")]}
    merged = merge_notifications(existing, "a/", QUEUE)
    assert (notified_prefixes(merged), notified_prefixes(merged, FUNCTION)) == (["a/"], ["b/"])


def test_what_was_set_up_for_fewer_events_is_extended() -> None:
    (entry,) = merge_notifications({}, "a/", QUEUE)["QueueConfigurations"]
    before = {"QueueConfigurations": [{**entry, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]}
    merged = merge_notifications(before, "a/", QUEUE)
    assert merged == {"QueueConfigurations": [entry]}
    assert {"s3:LifecycleExpiration:*", "s3:LifecycleTransition", "s3:ObjectRestore:Completed"} <= {*entry["Events"]}
    assert not [event for event in entry["Events"] if "Tagging" in event or "Acl" in event]
