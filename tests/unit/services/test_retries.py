"""Failed messages have their reasons recorded, and are delivered again later each time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.services.pipeline.retries import MAX_REASON_LENGTH, retry_delay
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.unit.services.harness import Harness

MAX_DELIVERIES = 8  # of a message, in the template


def a_message(received: int = 1) -> ReceivedMessage:
    return ReceivedMessage("m1", "similarix-index", f"handle-{received}", received)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            StoreUnavailable("The search index cannot be used now."),
            "StoreUnavailable: The search index cannot be used now.",
        ),
        (KeyError("account"), "KeyError: 'account'"),
    ],
)
def test_the_recorded_reason_has_the_name_and_the_message_of_the_error(
    world: Harness, error: Exception, reason: str
) -> None:
    world.app.retries.handle_failure(a_message(), error)
    assert world.ports.failure_log.reason("m1") == reason


def test_the_last_reason_replaces_earlier_ones(world: Harness) -> None:
    for received, error in enumerate((ValueError("first"), ValueError("last")), start=1):
        world.app.retries.handle_failure(a_message(received), error)
    assert world.ports.failure_log.reason("m1") == "ValueError: last"


def test_a_very_long_reason_is_cut(world: Harness) -> None:
    world.app.retries.handle_failure(a_message(), ValueError("x" * 400_000))
    assert len(str(world.ports.failure_log.reason("m1"))) == MAX_REASON_LENGTH


def test_a_message_is_delayed_half_a_minute_after_its_first_failure_and_longer_after_each_further_one(
    world: Harness,
) -> None:
    for received in range(1, 6):
        world.app.retries.handle_failure(a_message(received), ValueError("again"))
    assert [seconds for _, seconds in world.ports.queues.delayed] == [30, 120, 480, 900, 900]


@given(st.integers(1, 1000), st.integers(1, 900))
def test_a_delay_is_always_shorter_than_the_lease_of_a_sync(deliveries: int, first_delay: int) -> None:
    assert timedelta(seconds=retry_delay(deliveries, first_delay)) < SYNC_LEASE


def test_a_message_goes_to_the_dead_letters_after_one_to_two_hours(world: Harness) -> None:
    first_delay = world.app.retries.first_delay
    delays = [retry_delay(deliveries, first_delay) for deliveries in range(1, MAX_DELIVERIES)]
    assert timedelta(hours=1) < timedelta(seconds=sum(delays)) < timedelta(hours=2)
