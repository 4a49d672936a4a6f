"""Messages that could not be handled: handed out again later and later, and remembered with their reasons."""

from dataclasses import dataclass

from chalicelib.domain.errors import SimilarixError
from chalicelib.services.ports import Clock, Delivery, Troubles

FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 900  # under a sync's lease: one that waits for the message must not count as dead meanwhile
REASON_LIMIT = 2000  # characters


@dataclass(frozen=True, slots=True)
class Failing:
    troubles: Troubles
    now: Clock

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """Note why a message failed, and have its queue hand it out again after a pause that grows with each time."""
        text = error.message if isinstance(error, SimilarixError) else str(error)
        self.troubles.note(delivery, f"{type(error).__name__}: {text}"[:REASON_LIMIT], self.now())
        self.troubles.postpone(delivery, pause(delivery.received))


def pause(received: int) -> int:
    """Seconds until the next try of a message that has been handed out so often: 30, 120, 480, then 900."""
    return int(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 4 ** min(received - 1, 9)))
