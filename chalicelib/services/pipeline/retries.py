"""Retries failed messages: each failure is recorded, and the next delivery is delayed longer each time."""

from dataclasses import dataclass

from chalicelib.domain.errors import SimilarixError
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.services.ports import Clock, FailureLog, Queues

MAX_RETRY_DELAY_SECONDS = 900  # shorter than a sync's lease: a sync that waits for the message must not lose it
MAX_REASON_LENGTH = 2000  # characters


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
        self.failure_log.record(message, f"{type(error).__name__}: {text}"[:MAX_REASON_LENGTH], self.now())
        self.queues.delay(message, retry_delay(message.received, self.first_delay))


def retry_delay(deliveries: int, first_delay: int) -> int:
    """Seconds until the next delivery of a message that was delivered so many times.

    The first delay, four times as long after each further failure (30, 120, 480), and 900 at most.
    """
    return int(min(MAX_RETRY_DELAY_SECONDS, first_delay * 4 ** min(deliveries - 1, 9)))
