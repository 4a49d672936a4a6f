"""Endpoints, events and deliveries of webhooks: what is parsed, how long is tried, and when an endpoint is disabled."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.web_urls import WebUrl, parse_https_url, parse_local_url
from chalicelib.domain.webhook_deliveries import (
    ANSWERS_KEPT,
    MESSAGE_ID,
    RETRY_SECONDS,
    DeliveryState,
    WebhookAnswer,
    WebhookDelivery,
    retry_wait,
    webhook_work_from_json,
)
from chalicelib.domain.webhook_endpoints import (
    MAX_FAILING,
    WebhookChange,
    WebhookEndpoint,
    WebhookEndpoints,
    generate_webhook_secret,
    parse_description,
    parse_events,
)
from chalicelib.domain.webhook_events import TEST_EVENT, EventType, WebhookEvent, event_body, message_id

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
ENDPOINT = WebhookEndpoint(
    id="e1",
    url="https://receiver.example/",
    events=(EventType.SYNC_COMPLETED, EventType.FILE_INDEXED),
    collections=None,
    description="",
    api_url="https://api.example",
    created_at=NOW,
    secret="whsec_AAAA",
)
DELIVERY = WebhookDelivery("a", "e1", "msg_1", "file.indexed", NOW, "{}", next_at=NOW)
EVENT = WebhookEvent("a", "msg_1", EventType.FILE_INDEXED, NOW, {}, collection="c1")


def an_answer(status: int | None, at: datetime = NOW, retry_after: int | None = None) -> WebhookAnswer:
    return WebhookAnswer(at, 12, status, None if status else "no answer", "", retry_after)


def deliver(delivery: WebhookDelivery, status: int | None) -> WebhookDelivery:
    """Tries at each time that is due until the delivery has ended."""
    while delivery.next_at is not None:
        delivery = delivery.after(an_answer(status, delivery.next_at))
    return delivery


def test_a_delivery_that_always_fails_is_tried_eleven_times_within_about_a_day():
    ended = deliver(DELIVERY, 500)
    assert (ended.state, ended.attempts) == (DeliveryState.FAILED, 11)
    taken = ended.answers[-1].at - NOW
    assert timedelta(hours=18) < taken < timedelta(hours=28)
    assert sum(RETRY_SECONDS) == pytest.approx(22.7 * 3600, rel=0.01)


@given(st.text(), st.text(), st.integers(0, 12))
def test_a_wait_differs_by_a_fifth_at_most_and_is_the_same_for_whoever_computes_it(
    message: str, endpoint: str, failed: int
):
    wait = retry_wait(message, endpoint, failed, None)
    assert wait == retry_wait(message, endpoint, failed, None)
    if failed >= len(RETRY_SECONDS):
        assert wait is None
    else:
        assert wait is not None
        assert 0.8 * RETRY_SECONDS[failed] <= wait.total_seconds() <= 1.2 * RETRY_SECONDS[failed]


def test_what_fails_together_does_not_come_back_together():
    waits = {retry_wait(f"msg_{number}", "e1", 4, None) for number in range(100)}
    assert len(waits) == 100


@given(st.integers(0, 10**9))
def test_a_receiver_that_asks_for_time_gets_it_up_to_nine_hours(seconds: int):
    wait = retry_wait("msg_1", "e1", 0, seconds)
    assert wait is not None
    assert min(seconds, 9 * 3600) <= wait.total_seconds() <= max(9 * 3600, 6)


def test_a_delivery_ends_with_the_first_success_and_keeps_its_latest_answers():
    failing = DELIVERY.after(an_answer(500)).after(an_answer(None))
    delivered = failing.after(an_answer(204))
    assert (delivered.state, delivered.next_at, delivered.attempts) == (DeliveryState.DELIVERED, None, 3)
    assert [answer.status for answer in delivered.answers] == [500, None, 204]
    twice = deliver(deliver(DELIVERY, 500).replayed(NOW), 500)
    assert (twice.attempts, len(twice.answers)) == (22, ANSWERS_KEPT)


def test_a_receiver_that_wants_no_more_ends_the_delivery_and_is_disabled_at_once():
    assert DELIVERY.after(an_answer(410)).state is DeliveryState.FAILED
    disabled = ENDPOINT.after(an_answer(410), is_last=True)
    assert disabled.disabled_at == NOW
    assert "410" in (disabled.disabled_reason or "")


def test_a_replay_begins_with_short_waits_again():
    ended = deliver(DELIVERY, 500)
    again = ended.replayed(NOW + timedelta(days=2))
    assert again.state is DeliveryState.PENDING
    tried = again.after(an_answer(500, NOW + timedelta(days=2)))
    assert tried.next_at is not None
    assert tried.next_at - NOW - timedelta(days=2) < timedelta(seconds=7)


def fail(endpoint: WebhookEndpoint, *hours: int, is_last: bool = False) -> WebhookEndpoint:
    """The endpoint after attempts that have failed so many hours after ``NOW``."""
    for hour in hours:
        endpoint = endpoint.after(an_answer(500, NOW + timedelta(hours=hour)), is_last=is_last)
    return endpoint


def test_an_endpoint_that_fails_for_three_days_is_disabled_with_a_deliverys_last_attempt_and_says_since_when():
    failing = fail(ENDPOINT, 0, 20, 40, 60, 71)
    assert (failing.failing_since, failing.enabled) == (NOW, True)
    assert fail(failing, 71, is_last=True).enabled
    assert fail(failing, 72).enabled, "the delivery is tried again"
    disabled = fail(failing, 72, is_last=True)
    assert disabled.disabled_at == NOW + MAX_FAILING
    assert disabled.disabled_reason == "Every delivery has failed since 2026-11-26 09:00 UTC."


@given(st.lists(st.integers(25, 2000), max_size=5))
def test_failures_with_more_than_a_day_between_them_disable_nothing(waits: list[int]):
    hours = [sum(waits[:number]) for number in range(len(waits) + 1)]
    failing = fail(ENDPOINT, *hours, is_last=True)
    assert failing.enabled
    assert failing.failing_since == NOW + timedelta(hours=hours[-1])


def test_of_many_failures_within_an_hour_one_is_written():
    first = fail(ENDPOINT, 0)
    assert first.after(an_answer(500, NOW + timedelta(minutes=59)), is_last=True) == first
    assert fail(first, 1).last_failure == NOW + timedelta(hours=1)


def test_one_success_makes_an_endpoint_well_again():
    well = fail(ENDPOINT, 0, 20).after(an_answer(200), is_last=True)
    assert well == ENDPOINT
    assert fail(well, 72, is_last=True).enabled


def test_a_disabled_endpoint_wants_no_event_but_a_test_and_may_be_enabled_again():
    disabled = ENDPOINT.changed(WebhookChange(enabled=False), NOW)
    assert (disabled.disabled_at, disabled.disabled_reason) == (NOW, None)
    assert not disabled.wants(EVENT)
    assert not disabled.takes(DELIVERY)
    assert disabled.takes(replace(DELIVERY, type=TEST_EVENT))
    assert disabled.changed(WebhookChange(enabled=True), NOW) == ENDPOINT
    broken = replace(disabled, failing_since=NOW, last_failure=NOW, disabled_reason="why")
    assert broken.changed(WebhookChange(enabled=False), NOW) == broken, "it stays disabled for its reason"
    assert broken.changed(WebhookChange(enabled=True), NOW) == ENDPOINT


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"type": EventType.SYNC_FAILED}, False),
        ({"collection": None}, True),
    ],
)
def test_an_endpoint_gets_the_events_of_its_types(change: dict[str, Any], wanted: bool):
    assert ENDPOINT.wants(replace(EVENT, **change)) is wanted


@pytest.mark.parametrize(("collections", "wanted"), [(None, True), (("c1", "c2"), True), (("c2",), False)])
def test_an_endpoint_gets_the_events_of_its_collections(collections: tuple[str, ...] | None, wanted: bool):
    endpoint = replace(ENDPOINT, collections=collections)
    endpoints = WebhookEndpoints("a", 1, (endpoint,))
    assert endpoints.wanting(EVENT) == ([endpoint] if wanted else [])


def test_after_a_rotation_both_secrets_sign_for_a_day_and_a_second_one_drops_the_first():
    rotated = ENDPOINT.with_new_secret("whsec_BBBB", NOW)
    assert rotated.secrets_at(NOW) == ("whsec_BBBB", "whsec_AAAA")
    assert rotated.secrets_at(NOW + timedelta(days=1)) == ("whsec_BBBB",)
    assert rotated.with_new_secret("whsec_CCCC", NOW).secrets_at(NOW) == ("whsec_CCCC", "whsec_BBBB")
    assert "whsec" not in repr(rotated), "a log that has an endpoint has no secret"


def test_a_secret_has_the_prefix_and_the_length_that_the_specification_asks_for():
    secret = generate_webhook_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert secret != generate_webhook_secret()


@given(st.datetimes(datetime(2001, 1, 1), datetime(2199, 1, 1)), st.lists(st.text(), max_size=3))
def test_the_same_event_has_the_same_id_and_ids_are_sorted_by_time(moment: datetime, names: list[str]):
    at = moment.replace(tzinfo=UTC)
    assert message_id(at, *names) == message_id(at, *names)
    assert MESSAGE_ID.fullmatch(message_id(at, *names))
    assert message_id(at, *names) < message_id(at + timedelta(milliseconds=1), "another")
    assert message_id(at, "a", "b") != message_id(at, "ab")


def test_a_body_has_type_time_and_data_with_links_of_the_api():
    data = {"count": 1, "url": "/api/c/", "files": [{"path": "ü\ud800", "url": "/api/f/"}]}
    body = event_body(replace(EVENT, data=data), "https://api.example")
    assert body.isascii()
    assert json.loads(body) == {
        "type": "file.indexed",
        "timestamp": "2026-11-26T09:00:00.000Z",
        "data": {
            "count": 1,
            "url": "https://api.example/api/c/",
            "files": [{"path": "ü\ud800", "url": "https://api.example/api/f/"}],
        },
    }


def test_types_of_events_are_kept_once_and_in_one_order():
    assert parse_events(["file.removed", "sync.completed", "file.removed"]) == (
        EventType.SYNC_COMPLETED,
        EventType.FILE_REMOVED,
    )


@pytest.mark.parametrize("work", [replace(EVENT, data={"files": [{"path": "ü\ud800"}]}), DELIVERY.step])
def test_a_message_is_read_as_it_was_written(work: Any):
    assert webhook_work_from_json(work.to_json()) == work


@pytest.mark.parametrize("value", [None, [], {}, "file.indexed", ["file.deleted"], [1], [["file.indexed"]], ["*"]])
def test_other_types_of_events_are_refused(value: object):
    with pytest.raises(InvalidRequest) as error:
        parse_events(value)
    assert error.value.field == "events"


@pytest.mark.parametrize("value", [1, "x" * 201, "two\nlines", ["a"]])
def test_a_description_is_one_short_line(value: object):
    with pytest.raises(InvalidRequest) as error:
        parse_description(value)
    assert error.value.field == "description"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://127.0.0.1:8000/hooks?a=1", WebUrl("127.0.0.1", 8000, "/hooks?a=1", tls=False)),
        ("http://localhost:8000", WebUrl("localhost", 8000, "/", tls=False)),
        ("http://[::1]:8000/", WebUrl("::1", 8000, "/", tls=False)),
        ("https://receiver.example/", WebUrl("receiver.example", 443, "/")),
    ],
)
def test_a_local_system_may_send_to_its_own_machine(value: str, url: WebUrl):
    assert parse_local_url(value) == url
    if not url.tls:
        with pytest.raises(InvalidRequest):
            parse_https_url(value)


@pytest.mark.parametrize(
    "value",
    ["http://receiver.example/", "http://10.0.0.1/", "http://127.0.0.1.example/", "https://receiver.example:8443/"],
)
def test_what_is_neither_https_nor_this_machine_is_refused(value: str):
    with pytest.raises(InvalidRequest) as error:
        parse_local_url(value)
    assert error.value.field == "url"
