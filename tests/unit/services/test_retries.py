"""Messages that failed: remembered with their reasons, and handed out again later each time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.services.pipeline.retries import REASON_LIMIT, retry_delay
from chalicelib.services.pipeline.sync_worker import SYNC_LEASE
from tests.unit.services.harness import Harness

TRIES = 8  # of a message, in the template


def a_delivery(received: int = 1) -> ReceivedMessage:
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
def test_the_reason_names_the_error_and_what_it_says(world: Harness, error: Exception, reason: str) -> None:
    world.app.retries.handle_failure(a_delivery(), error)
    assert world.ports.failure_log.reason("m1") == reason


def test_the_reason_that_counts_is_the_last(world: Harness) -> None:
    for received, error in enumerate((ValueError("first"), ValueError("last")), start=1):
        world.app.retries.handle_failure(a_delivery(received), error)
    assert world.ports.failure_log.reason("m1") == "ValueError: last"


def test_a_reason_without_end_is_cut(world: Harness) -> None:
    world.app.retries.handle_failure(a_delivery(), ValueError("x" * 400_000))
    assert len(str(world.ports.failure_log.reason("m1"))) == REASON_LIMIT


def test_it_stays_away_for_half_a_minute_then_longer_and_longer(world: Harness) -> None:
    for received in range(1, 6):
        world.app.retries.handle_failure(a_delivery(received), ValueError("again"))
    assert [seconds for _, seconds in world.ports.queues.delayed] == [30, 120, 480, 900, 900]


@given(st.integers(1, 1000), st.integers(1, 900))
def test_it_never_stays_away_for_as_long_as_its_sync_may_go_without_news(received: int, first: int) -> None:
    assert timedelta(seconds=retry_delay(received, first)) < SYNC_LEASE


def test_it_is_given_up_after_something_over_an_hour(world: Harness) -> None:
    pauses = [retry_delay(received, world.app.retries.first_delay) for received in range(1, TRIES)]
    assert timedelta(hours=1) < timedelta(seconds=sum(pauses)) < timedelta(hours=2)
