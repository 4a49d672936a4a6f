"""Messages of one delivery that are handled together; each has an outcome of its own, so each is done or comes back."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from chalicelib.domain.errors import Unavailable

Message = TypeVar("Message")
Result = TypeVar("Result")


def handle_together(
    messages: Mapping[str, Message],
    together: Callable[[Sequence[Message]], Result],
    alone: Callable[[Message], Result],
) -> dict[str, Result | Exception | None]:
    """Handle messages, given by their ids; returns the result or the error of each, by its id.

    The result of what was handled together is the first message's, and None the others'. A system that is unavailable
    is nobody's fault: all of them fail. After any other error, a partial one included, one of them may be the cause, so
    each is handled alone, and only the cause fails.

    Args:
        together: handles several; it may fail when some of the work is done.
        alone: handles one, of which some of the work may be done.
    """
    if len(messages) == 1:
        ((message_id, message),) = messages.items()
        return {message_id: _attempt(partial(together, [message]))}
    outcome = _attempt(partial(together, list(messages.values())))
    if isinstance(outcome, Unavailable) and not outcome.is_partial:
        return dict.fromkeys(messages, outcome)
    if isinstance(outcome, Exception):
        return {message_id: _attempt(partial(alone, message)) for message_id, message in messages.items()}
    first = next(iter(messages))
    return {message_id: outcome if message_id == first else None for message_id in messages}


def _attempt(act: Callable[[], Result]) -> Result | Exception:
    """The result, or the error with which the message is to fail."""
    try:
        return act()
    except Exception as error:
        return error
