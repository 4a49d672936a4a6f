"""Ours is added to a bucket's notification settings, and nothing of anybody else's is touched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.notifications import AmbiguousNotifications, merged

QUEUE = "arn:aws:sqs:eu-west-1:111122223333:similarix-events"
OTHER = "arn:aws:lambda:eu-west-1:444455556666:function:resize"
PREFIXES = st.lists(st.sampled_from("abc"), max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts))


def told(settings: dict[str, Any], destination: str = QUEUE) -> list[str]:
    """The prefixes below which a destination is told, in order."""
    found = []
    for kind in ("QueueConfigurations", "LambdaFunctionConfigurations"):
        for each in settings.get(kind, []):
            if destination in (each.get("QueueArn"), each.get("LambdaFunctionArn")):
                rules = each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                found.append(next((rule["Value"] for rule in rules if rule["Name"] == "prefix"), ""))
    return sorted(found)


def a_function(prefix: str, *events: str) -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": ".raw"}]
    return {
        "Id": "resize",
        "LambdaFunctionArn": OTHER,
        "Events": list(events),
        "Filter": {"Key": {"FilterRules": rules}},
    }


@given(st.lists(PREFIXES, min_size=1, max_size=6))
def test_every_folder_is_told_once_however_they_lie_in_each_other_and_twice_merged_is_once(prefixes: list[str]) -> None:
    settings: dict[str, Any] = {}
    for prefix in prefixes:
        settings = merged(settings, prefix, QUEUE)
    shown = told(settings)
    for prefix in prefixes:
        assert sum(prefix.startswith(each) for each in shown) == 1
    assert not [(a, b) for a in shown for b in shown if a != b and a.startswith(b)]
    assert all(merged(settings, prefix, QUEUE) == settings for prefix in prefixes)
    assert len({each["Id"] for each in settings["QueueConfigurations"]}) == len(shown)


@given(PREFIXES, PREFIXES, st.sampled_from(["s3:ObjectRestore:*", "s3:ObjectTagging:Put"]))
def test_what_others_have_is_kept_to_the_letter(own: str, theirs: str, event: str) -> None:
    topic = {"TopicArn": "arn:aws:sns:eu-west-1:444455556666:t", "Events": ["s3:LifecycleExpiration:*"]}
    existing = {
        "LambdaFunctionConfigurations": [a_function(theirs, event)],
        "TopicConfigurations": [topic],
        "QueueConfigurations": [{"Id": "x", "QueueArn": QUEUE.replace("similarix", "x"), "Events": [event]}],
        "EventBridgeConfiguration": {},
    }
    settings = merged({**existing, "ResponseMetadata": {"HTTPStatusCode": 200}}, own, QUEUE)
    assert told(settings) == [own]
    kept = {**settings, "QueueConfigurations": settings["QueueConfigurations"][:1]}
    assert kept == existing


@pytest.mark.parametrize("event", ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"])
@pytest.mark.parametrize(("own", "theirs"), [("a/", "a/"), ("", "a/"), ("a/b/", "a/")])
def test_events_that_somebody_else_is_told_of_are_refused_with_a_way_out(event: str, own: str, theirs: str) -> None:
    with pytest.raises(AmbiguousNotifications, match="EventBridge"):
        merged({"LambdaFunctionConfigurations": [a_function(theirs, event)]}, own, QUEUE)


def test_another_folder_of_the_bucket_may_be_somebody_elses() -> None:
    settings = merged({"LambdaFunctionConfigurations": [a_function("b/", "s3:ObjectCreated:*")]}, "a/", QUEUE)
    assert (told(settings), told(settings, OTHER)) == (["a/"], ["b/"])
