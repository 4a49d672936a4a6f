"""A circuit breaker: a service that has failed several times in a row is not called for a while."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalicelib.adapters.opensearch.errors import CircuitOpen

FAILURE_THRESHOLD = 5
OPEN_SECONDS = 4.0


class CircuitBreaker:
    """Closed, it lets calls through. After failures in a row it is open for a pause, then lets one call through to try.

    The pause is drawn between half and the whole of ``open_seconds``, so that not all processes return at once.
    """

    def __init__(
        self,
        *,
        failure_threshold: int = FAILURE_THRESHOLD,
        open_seconds: float = OPEN_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failure_threshold = failure_threshold
        self._open_seconds = open_seconds
        self._now = now
        self._failures = 0
        self._open_until = 0.0

    @contextmanager
    def guard(self, failures: tuple[type[BaseException], ...]) -> Iterator[None]:
        """Guard one call. Exceptions of these types count as failures; any other result closes the circuit.

        Raises:
            CircuitOpen: the call must not be made now.
        """
        if self._failures >= self._failure_threshold and self._now() < self._open_until:
            raise CircuitOpen
        try:
            yield
        except failures:
            self._failures += 1
            if self._failures >= self._failure_threshold:
                pause = random.uniform(self._open_seconds / 2, self._open_seconds)  # noqa: S311  # no secret
                self._open_until = self._now() + pause
            raise
        self._failures = 0
