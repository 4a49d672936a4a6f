"""Trying again where a service refused, and says that it will pass: two transactions met, or there was no capacity."""

import random
import time
from collections.abc import Callable, Iterator

CONFLICT_ATTEMPTS = 8
FIRST_CONFLICT_DELAY_SECONDS = 0.02


def attempts() -> Iterator[int]:
    """The numbers of some tries, with a growing random pause before each but the first."""
    for turn in range(CONFLICT_ATTEMPTS):
        if turn:
            # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            time.sleep(random.uniform(0, FIRST_CONFLICT_DELAY_SECONDS * 2 ** (turn - 1)))  # noqa: S311  # no secret
        yield turn


def with_retries(act: Callable[[], object], passes: Callable[[Exception], bool]) -> None:
    """Do ``act``, again after a growing random pause while its error is one that passes; the last error rises."""
    for turn in attempts():
        try:
            act()
            return
        except Exception as error:
            if turn == CONFLICT_ATTEMPTS - 1 or not passes(error):
                raise
