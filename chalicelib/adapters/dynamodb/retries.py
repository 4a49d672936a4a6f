"""The attempts at a call that DynamoDB refused for now: a conflict, or too little capacity."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIRST_DELAY_SECONDS = 0.02
MAX_DELAY_SECONDS = 2.0
DATABASE_BUSY = "The database is busy. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Retries:
    """Args:
    patience: seconds for which a refused call is repeated. Two are short enough for a request.
    """

    patience: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def attempts(self) -> Iterator[int]:
        """Yield the number of each attempt, after a growing random delay before all but the first."""
        begun, attempt = self.now(), 0
        while True:
            yield attempt
            delay = random_delay(attempt)
            if self.now() + delay > begun + self.patience:
                return
            self.sleep(delay)
            attempt += 1


def random_delay(attempt: int) -> float:
    """Seconds after the attempt of this number, the first of which is 0, until the next one."""
    # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    return random.uniform(0, min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**attempt))  # noqa: S311  # no secret


OF_A_REQUEST = Retries()
