"""Fetches ahead of those who want what is fetched, a bounded number at a time; what is here first goes first."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Fetched = TypeVar("Fetched")


class Prefetch(Generic[Item, Fetched]):
    """Fetches of `items` in a pool, never more than `ahead` under way or waiting to be taken."""

    def __init__(self, pool: Executor, fetch: Callable[[Item], Fetched], items: Iterable[Item], ahead: int) -> None:
        self._pool = pool
        self._fetch = fetch
        self._lock = threading.Lock()
        self._later = list(reversed(list(items)))
        self._ahead: list[Future[Fetched]] = []
        while self._later and len(self._ahead) < ahead:
            self._next()

    def take(self, *, wait: bool) -> Future[Fetched] | None:
        """One that is here; else, if told to wait, the one that is longest under way. None when there is none."""
        with self._lock:
            taken = next((each for each in self._ahead if each.done()), None)
            if taken is None and wait and self._ahead:
                taken = self._ahead[0]
            if taken is not None:
                self._ahead.remove(taken)
                if self._later:
                    self._next()
            return taken

    def left(self) -> int:
        """How many nobody has taken yet."""
        with self._lock:
            return len(self._later) + len(self._ahead)

    def _next(self) -> None:
        self._ahead.append(self._pool.submit(self._fetch, self._later.pop()))
