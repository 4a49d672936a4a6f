"""Shortcuts in the emulator: what it would do again and again with the same result.

The names with an underscore belong to the pinned version of the emulator.
"""

from collections.abc import Callable
from typing import Any


def take_shortcuts() -> None:
    # The emulator reads its settings when it is imported.
    from ministack.core import iam_actions  # noqa: PLC0415
    from ministack.services import sqs  # noqa: PLC0415

    iam_actions.dynamodb_transaction_checks = without_repetitions(iam_actions.dynamodb_transaction_checks)
    sqs._receive_messages_for_esm = receiving_from_filled(sqs, sqs._receive_messages_for_esm)


def without_repetitions(checks: Callable[..., list[tuple[str, str]]]) -> Callable[..., list[tuple[str, str]]]:
    """The checks of a transaction, one for each action on a table, and not one for each of its hundred items.

    What the emulator decides about an item depends on nothing else of it.
    """
    return lambda *arguments: list(dict.fromkeys(checks(*arguments)))


def receiving_from_filled(sqs: Any, receive: Callable[[str, int], list[Any]]) -> Callable[[str, int], list[Any]]:
    """The function by which event sources receive, which asks no further where the queue has no message at all.

    Every event source asks whenever some queue gets a message, and most queues are empty most of the time.
    """

    def receive_or_nothing(queue_url: str, max_number: int) -> list[Any]:
        return receive(queue_url, max_number) if sqs._get_q(queue_url)["messages"] else []

    return receive_or_nothing
