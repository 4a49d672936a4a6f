"""The attempts at a write or read that DynamoDB refused for now: a conflict, or too little capacity."""

import random
import time
from collections.abc import Iterator

MAX_ATTEMPTS = 8
FIRST_DELAY_SECONDS = 0.02
DATABASE_BUSY = "The database is busy. Try again in a moment."


def attempts() -> Iterator[int]:
    """Yield the number of each attempt, after a growing random delay before all but the first."""
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            time.sleep(random.uniform(0, FIRST_DELAY_SECONDS * 2 ** (attempt - 1)))  # noqa: S311  # no secret
        yield attempt
