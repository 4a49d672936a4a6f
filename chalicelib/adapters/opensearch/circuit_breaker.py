"""A circuit breaker: who has failed several times in a row is left in peace for a while."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FAILURE_THRESHOLD = 5
OPEN_SECONDS = 4.0


class CircuitOpen(Exception):
    """Not tried: the last calls failed, and the pause after them is not over."""


class CircuitBreaker:
    """Closed, it lets calls through; after ``failures`` in a row it is open for a pause, then lets one through to see.

    The pause is drawn between half and the whole of ``pause_seconds``, so that not all processes come back at once.
    """

    def __init__(
        self,
        *,
        failures: int = FAILURE_THRESHOLD,
        pause_seconds: float = OPEN_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause = pause_seconds
        self._now = now
        self._failed = 0
        self._open_until = 0.0

    @contextmanager
    def guard(self, counts: tuple[type[BaseException], ...]) -> Iterator[None]:
        """One call; an exception of the kinds that count brings the circuit nearer to opening.

        Raises:
            CircuitOpen: the call must not be made now.
        """
        if self._failed >= self._limit and self._now() < self._open_until:
            raise CircuitOpen
        try:
            yield
        except counts:
            self._failed += 1
            if self._failed >= self._limit:
                self._open_until = self._now() + random.uniform(self._pause / 2, self._pause)  # noqa: S311  # no secret
            raise
        self._failed = 0
