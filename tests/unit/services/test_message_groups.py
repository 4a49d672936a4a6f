"""Messages that are handled together: each is done, or it fails for a reason of its own."""

from collections.abc import Sequence

import pytest

from chalicelib.domain.errors import SourceUnavailable, StoreUnavailable
from chalicelib.services.pipeline.message_groups import handle_together

GUILTY = "guilty"


class Handler:
    """Fails while a guilty message is among those that it handles."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or ValueError("damaged")
        self.together_calls: list[list[str]] = []
        self.alone_calls: list[str] = []

    def together(self, messages: Sequence[str]) -> str:
        self.together_calls.append(list(messages))
        if GUILTY in messages:
            raise self.error
        return "+".join(messages)

    def alone(self, message: str) -> str:
        self.alone_calls.append(message)
        if message == GUILTY:
            raise self.error
        return message


def test_what_was_handled_together_is_the_outcome_of_the_first_message() -> None:
    handler = Handler()
    assert handle_together({"1": "a", "2": "b"}, handler.together, handler.alone) == {"1": "a+b", "2": None}
    assert (handler.together_calls, handler.alone_calls) == ([["a", "b"]], [])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_only_the_message_that_makes_its_group_fail_fails(place: int) -> None:
    handler, messages = Handler(), ["a", "b"]
    messages.insert(place, GUILTY)
    outcomes = handle_together(dict(enumerate(messages)), handler.together, handler.alone)  # type: ignore[arg-type]
    failed = {key for key, outcome in outcomes.items() if isinstance(outcome, Exception)}
    assert failed == {place}
    assert handler.alone_calls == messages


def test_all_messages_fail_at_once_while_a_system_is_unavailable() -> None:
    error = StoreUnavailable("The search index cannot be used now.")
    handler = Handler(error)
    outcomes = handle_together({"1": "a", "2": GUILTY}, handler.together, handler.alone)
    assert outcomes == {"1": error, "2": error}
    assert handler.alone_calls == []


def test_only_the_cause_fails_after_an_error_of_some_objects() -> None:
    error = SourceUnavailable("One object cannot be read now.")
    error.is_partial = True
    handler = Handler(error)
    assert handle_together({"1": "a", "2": GUILTY}, handler.together, handler.alone) == {"1": "a", "2": error}


def test_a_single_message_is_tried_once() -> None:
    handler = Handler()
    assert handle_together({"1": GUILTY}, handler.together, handler.alone) == {"1": handler.error}
    assert (handler.together_calls, handler.alone_calls) == ([[GUILTY]], [])
