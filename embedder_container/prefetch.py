"""Fetches items ahead of their consumers, a bounded number at a time; the first to arrive is consumed first."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Fetched = TypeVar("Fetched")


class Prefetch(Generic[Item, Fetched]):
    """Fetches `items` in a pool; at most `ahead` of them are running or finished and not yet popped."""

    def __init__(self, pool: Executor, fetch: Callable[[Item], Fetched], items: Iterable[Item], ahead: int) -> None:
        self._pool = pool
        self._fetch = fetch
        self._lock = threading.Lock()
        self._unsubmitted = list(reversed(list(items)))
        self._submitted: list[Future[Fetched]] = []
        while self._unsubmitted and len(self._submitted) < ahead:
            self._submit_next()

    def pop(self, *, wait: bool) -> Future[Fetched] | None:
        """Remove and return a finished fetch, or None; with `wait`, the one that has run longest instead of None."""
        with self._lock:
            future = next((future for future in self._submitted if future.done()), None)
            if future is None and wait and self._submitted:
                future = self._submitted[0]
            if future is not None:
                self._submitted.remove(future)
                if self._unsubmitted:
                    self._submit_next()
            return future

    def remaining(self) -> int:
        """Return how many items have not been popped."""
        with self._lock:
            return len(self._unsubmitted) + len(self._submitted)

    def _submit_next(self) -> None:
        self._submitted.append(self._pool.submit(self._fetch, self._unsubmitted.pop()))
