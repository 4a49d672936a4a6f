"""The failure log in memory."""

from datetime import datetime

from chalicelib.domain.messages import ReceivedMessage


class FakeFailureLog:
    """Keeps ``reasons`` by message id."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None:
        self.reasons[message.id] = reason

    def reason(self, message: str) -> str | None:
        return self.reasons.get(message)
