"""A clock that stands still until a test advances it."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Returns ``time`` when it is called; ``pass_by`` advances it."""

    def __init__(self, time: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, span: timedelta) -> None:
        self.time += span
