"""Messages that could not be handled: handed out again later and later, and remembered with their reasons."""

from dataclasses import dataclass

from chalicelib.domain.errors import SimilarixError
from chalicelib.services.ports import Clock, Delivery, Troubles

LONGEST_PAUSE_SECONDS = 900  # under a sync's lease: one that waits for the message must not count as dead meanwhile
REASON_LIMIT = 2000  # characters


@dataclass(frozen=True, slots=True)
class Failing:
    """``first_pause`` is how many seconds a message stays away that has failed once, 900 at most."""

    troubles: Troubles
    now: Clock
    first_pause: int = 30

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """Note why a message failed, and have its queue hand it out again after a pause that grows with each time."""
        text = error.message if isinstance(error, SimilarixError) else str(error)
        self.troubles.note(delivery, f"{type(error).__name__}: {text}"[:REASON_LIMIT], self.now())
        self.troubles.postpone(delivery, pause(delivery.received, self.first_pause))


def pause(received: int, first: int) -> int:
    """Seconds until the next try of a message that was handed out so often: the first, four times as many after each
    further failure (30, 120, 480), and 900 at most."""
    return int(min(LONGEST_PAUSE_SECONDS, first * 4 ** min(received - 1, 9)))
