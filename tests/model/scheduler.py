"""Runs workers one call of a port at a time, so that a test decides which one continues, waits, fails or dies.

Each worker is a greenlet. A call through a ``Stepped`` port pauses before the call and, if it writes, after it. There
the test may switch to another worker, let the call fail, lose its answer, or kill the worker.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from greenlet import getcurrent, greenlet

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable

WRITES = {
    "acquire", "begin", "complete_batch", "copy_thumbnails", "delete", "delete_images", "delete_orphan",
    "delete_thumbnail", "embed_objects", "end", "mark_listed", "put_images", "remove", "renew", "renew_lease",
    "save_all", "save_progress", "save_splits", "send_batches", "send_changes", "send_sync", "upsert",
}  # fmt: skip


# Writes that an adapter or its client makes again when the answer is lost. Those in a transaction are written once, as
# all repetitions have one token; the end of a sync is recognised as the call's own.
REPEATED = {
    "acquire", "delete", "delete_images", "delete_thumbnail", "mark_listed", "put_images", "remove", "renew",
    "renew_lease", "save_splits", "send_batches", "send_changes", "send_sync", "upsert",
}  # fmt: skip
ONCE_MORE = object()


class Killed(BaseException):
    """The worker's process has ended; nothing of its own code runs after this."""


class Throttled(Exception):
    """A service refuses the call because of too many requests."""


class Worker:
    """A started task; ``at`` names the call that it is about to make, or has just made.

    ``objects`` are the objects and ``records`` the records that it read last; ``reusable`` the records with an
    embedding at the time when it read the objects, by content key; ``model`` and ``quota`` the model version and the
    remaining files of the plan that it read; ``collection`` the collection that it read last. ``has_embedded`` says
    whether it has called the embedder since.
    """

    def __init__(self, name: str, task: Callable[[], Any]) -> None:
        self.name = name
        self.at = ""
        self.dead = False
        self.result: Any = None
        self.error: Exception | None = None
        self.objects: dict[str, Any] = {}
        self.records: dict[str, Any] = {}
        self.reusable: dict[str, list[tuple[str, str, int]]] = {}
        self.has_embedded = False
        self.model = ""
        self.quota = 0
        self.collection: Collection | None = None
        self._greenlet = _TaskGreenlet(self, task)

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
        """Let the call that it is about to make fail before it takes place."""
        if self.running and self.at.startswith("before"):
            self._greenlet.switch(Throttled(f"{self.at}: the test has throttled the call"))

    def lose_answer(self, *, is_repeated: bool) -> None:
        """Lose the answer to the write that it has just made.

        Args:
            is_repeated: the write is made once more, if it is one of those that are, and that answer arrives. Else
                those of all repetitions are lost, too, so the call fails although it took place.
        """
        if not self.running or not self.at.startswith("after "):
            return
        write = self.at.removeprefix("after ")
        if is_repeated:
            self._greenlet.switch(ONCE_MORE if write in REPEATED else None)
        else:
            lost = ConnectionError if write.startswith("send_") else Unavailable
            self._greenlet.switch(lost(f"{self.at}: the test has lost the answer"))

    def kill(self) -> None:
        if self.running:
            self._greenlet.throw(Killed)
        self.dead = True


class _TaskGreenlet(greenlet):
    def __init__(self, worker: Worker, task: Callable[[], Any]) -> None:
        super().__init__()
        self.worker = worker
        self._task = task

    def run(self, _: Any = None) -> None:
        try:
            self.worker.result = self._task()
        except Killed:
            self.worker.dead = True
        except Exception as error:
            self.worker.error = error


def pause(at: str) -> bool:
    """Return control to the test, if the caller is a worker; returns whether the call is to be made once more."""
    current = getcurrent()
    if isinstance(current, _TaskGreenlet):
        current.worker.at = at
        answer = current.parent.switch()
        if isinstance(answer, Exception):
            raise answer
        return answer is ONCE_MORE
    return False


def current_worker() -> Worker | None:
    current = getcurrent()
    return current.worker if isinstance(current, _TaskGreenlet) else None


class Stepped:
    """A port whose every call pauses; ``watch`` is called with the name, arguments and result of each."""

    def __init__(self, port: Any, watch: Callable[[str, tuple[Any, ...], Any], None] = lambda *_: None) -> None:
        self._port = port
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **options: Any) -> Any:
            pause(f"before {name}")
            while True:
                with _violations_end_the_worker():
                    result = attribute(*arguments, **options)
                    if isinstance(result, Iterator):
                        return _stream(name, result)
                    self._watch(name, arguments, result)
                if name not in WRITES or not pause(f"after {name}"):
                    return result

        return call


@contextmanager
def _violations_end_the_worker() -> Iterator[None]:
    """End the worker at a violation: its own code would hide the violation as the failure of a message."""
    try:
        yield
    except AssertionError as violation:
        worker = current_worker()
        if worker is None:
            raise
        worker.error = violation
        raise Killed from violation


def _stream(name: str, items: Iterator[Any]) -> Iterator[Any]:
    """The items in pages of two."""
    for number, item in enumerate(items):
        yield item
        if number % 2:
            pause(f"before more of {name}")
