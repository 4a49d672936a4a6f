"""Reasons of failed messages, in memory."""

from datetime import datetime

from chalicelib.domain.messages import ReceivedMessage


class FakeFailureLog:
    """What a test may look at: ``reasons`` by message."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None:
        self.reasons[message.id] = reason

    def reason(self, message: str) -> str | None:
        return self.reasons.get(message)
