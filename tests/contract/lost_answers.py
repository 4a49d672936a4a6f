"""Answers of DynamoDB that are lost: the call takes place, and its caller is told that DynamoDB is unavailable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.domain.errors import Unavailable


@contextmanager
def lost_answers(client: Any, operation: str, count: int) -> Iterator[list[None]]:
    """Lose the answers of the next calls of an operation; the list has one item for each call."""
    calls: list[None] = []

    def lose(**_: Any) -> None:
        calls.append(None)
        if len(calls) <= count:
            raise Unavailable("The answer was lost.")

    event = f"after-call.dynamodb.{operation}"
    client.meta.events.register(event, lose)
    try:
        yield calls
    finally:
        client.meta.events.unregister(event, lose)
