"""Retries of messages whose handling failed: delayed longer each time, and their reasons recorded."""

from dataclasses import dataclass

from chalicelib.domain.errors import SimilarixError
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.services.ports import Clock, FailureLog, Queues

MAX_DELAY_SECONDS = 900  # under a sync's lease: one that waits for the message must not count as dead meanwhile
REASON_LIMIT = 2000  # characters


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Args:
    first_delay: seconds until a message is delivered again that has failed once, 900 at most.
    """

    queues: Queues
    failure_log: FailureLog
    now: Clock
    first_delay: int

    def handle_failure(self, message: ReceivedMessage, error: Exception) -> None:
        """Record why a message failed, and delay its next delivery."""
        text = error.message if isinstance(error, SimilarixError) else str(error)
        self.failure_log.record(message, f"{type(error).__name__}: {text}"[:REASON_LIMIT], self.now())
        self.queues.delay(message, retry_delay(message.received, self.first_delay))


def retry_delay(received: int, first: int) -> int:
    """Seconds until the next delivery of a message that was delivered ``received`` times.

    The first delay, four times as long after each further failure (30, 120, 480), and 900 at most.
    """
    return int(min(MAX_DELAY_SECONDS, first * 4 ** min(received - 1, 9)))
