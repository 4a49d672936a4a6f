"""Trying again where two transactions met: DynamoDB refuses one of them, and says so."""

import random
import time
from collections.abc import Callable

TRIES = 8
FIRST_PAUSE_SECONDS = 0.02


def with_retries(act: Callable[[], object], passes: Callable[[Exception], bool]) -> None:
    """Do ``act``, again after a growing random pause while its error is one that passes; the last error rises."""
    for attempt in range(TRIES):
        try:
            act()
            return
        except Exception as error:
            if attempt == TRIES - 1 or not passes(error):
                raise
        # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  # no secret
