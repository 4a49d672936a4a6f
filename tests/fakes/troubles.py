"""What became of failed messages, in memory."""

from datetime import datetime

from chalicelib.services.ports import Delivery


class FakeTroubles:
    """What a test may look at: ``reasons`` by message, and ``postponed``, each with its seconds."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.postponed: list[tuple[Delivery, int]] = []

    def note(self, delivery: Delivery, reason: str, now: datetime) -> None:
        self.reasons[delivery.id] = reason

    def postpone(self, delivery: Delivery, seconds: int) -> None:
        assert 0 <= seconds <= 43_200, "SQS hides a message for twelve hours at most"
        self.postponed.append((delivery, seconds))

    def reason(self, message: str) -> str | None:
        return self.reasons.get(message)
