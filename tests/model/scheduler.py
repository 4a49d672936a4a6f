"""Workers that run a call of a port at a time, so that a test decides who goes on, who waits and who dies where.

Each worker is a greenlet. Whatever it reaches through a ``Stepped`` port pauses before the call and, where the call
writes, after it; there the test may switch to another worker, have the call fail, or end the worker for good.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isgenerator
from typing import Any

from greenlet import getcurrent, greenlet

WRITES = {
    "save_progress", "begin", "complete_batch", "copy_thumbnail", "delete_thumbnail", "embed_objects", "end", "renew_lease", "delete",
    "remove", "save_all", "save_splits", "send_batches", "send_sync", "mark_listed", "acquire", "upsert",
}  # fmt: skip


class Killed(BaseException):
    """The worker's process is no more; nothing of its own code runs after this."""


class Throttled(Exception):
    """A service that is asked for too much refuses the call."""


class Worker:
    """A task that has been begun; ``at`` says which call it is about to make, or has just made."""

    def __init__(self, name: str, act: Callable[[], Any]) -> None:
        self.name = name
        self.at = ""
        self.dead = False
        self.result: Any = None
        self.error: Exception | None = None
        self.looked: dict[str, Any] = {}  # what it last saw of each object
        self.known: dict[str, list[tuple[str, str, int]]] = {}  # records with a picture when it did, by content
        self.asked = False  # whether it has asked the embedder since
        self.stamp = ""  # of the model, as it was told
        self.records: dict[str, Any] = {}  # what it last read of the catalogue
        self.room = 0  # in the account's plan, as it was told
        self._greenlet = _Stepping(self, act)

    @property
    def running(self) -> bool:
        return not self.dead and not self._greenlet.dead

    def step(self, calls: int = 1) -> None:
        for _ in range(calls):
            if self.running:
                self._greenlet.switch(None)

    def run(self) -> None:
        while self.running:
            self.step()

    def fail(self) -> None:
        """The call that it is about to make does not take place."""
        if self.running and self.at.startswith("before"):
            self._greenlet.switch(Throttled(f"{self.at}, as the test wants it"))

    def kill(self) -> None:
        if self.running:
            self._greenlet.throw(Killed)
        self.dead = True


class _Stepping(greenlet):
    def __init__(self, worker: Worker, act: Callable[[], Any]) -> None:
        super().__init__()
        self.worker = worker
        self._act = act

    def run(self, _: Any = None) -> None:
        try:
            self.worker.result = self._act()
        except Killed:
            self.worker.dead = True
        except Exception as error:
            self.worker.error = error


def pause(at: str) -> None:
    """Give the test the word, if a worker comes by."""
    current = getcurrent()
    if isinstance(current, _Stepping):
        current.worker.at = at
        fault = current.parent.switch()
        if fault is not None:
            raise fault


def current_worker() -> Worker | None:
    current = getcurrent()
    return current.worker if isinstance(current, _Stepping) else None


class Stepped:
    """A port whose every call pauses; ``watch`` is told of each that took place: its name, arguments and answer."""

    def __init__(self, port: Any, watch: Callable[[str, tuple[Any, ...], Any], None] = lambda *_: None) -> None:
        self._port = port
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            pause(f"before {name}")
            with _past_the_application():
                answer = found(*arguments, **options)
                if isgenerator(answer):
                    return _stream(name, answer)
                self._watch(name, arguments, answer)
            if name in WRITES:
                pause(f"after {name}")
            return answer

        return call


@contextmanager
def _past_the_application() -> Iterator[None]:
    """What must never happen ends the worker: its own code would take it for a message that failed, and hide it."""
    try:
        yield
    except AssertionError as broken:
        worker = current_worker()
        if worker is None:
            raise
        worker.error = broken
        raise Killed from broken


def _stream(name: str, items: Iterator[Any]) -> Iterator[Any]:
    """A listing in pages of two."""
    for place, item in enumerate(items):
        yield item
        if place % 2:
            pause(f"before more of {name}")
