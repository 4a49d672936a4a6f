"""Starts a node again when it has ended by itself, a limited number of times."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from infra.opensearch.node import NodeError

MAX_RESTARTS = 5  # within RESTART_WINDOW_SECONDS; a node that ends more often has a fault that no restart removes
RESTART_WINDOW_SECONDS = 600
CHECK_SECONDS = 0.5  # between two looks at the process
PAUSE_SECONDS = 5  # longer before each further restart: what ended the node may take a while to pass


class Restartable(Protocol):
    """What the supervisor needs of a node."""

    @property
    def log(self) -> Path: ...

    @property
    def running(self) -> bool: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


class NodeSupervisor:
    """Watches a started node: ``with node, NodeSupervisor(node, print, give_up) as supervisor:``.

    Args:
        report: is given a line for a person to read, at each end and each restart.
        give_up: is called once, from another thread, when the node has ended for good.
    """

    def __init__(
        self,
        node: Restartable,
        report: Callable[[str], None],
        give_up: Callable[[], None],
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._node = node
        self._report = report
        self._give_up = give_up
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._restarting = False
        self._error: NodeError | None = None
        self._thread = threading.Thread(target=self._watch, name="node-supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        while self._thread.is_alive():
            if self._restarting:
                self._node.kill()  # otherwise the start would be waited for
            self._thread.join(CHECK_SECONDS)

    def check(self) -> None:
        """Raises NodeError if the node has ended for good; the message says where its log is."""
        if self._error is not None:
            raise self._error

    def _watch(self) -> None:
        restarts: deque[float] = deque()
        while not self._stopping.wait(CHECK_SECONDS):
            if self._node.running:
                continue
            while restarts and time.monotonic() - restarts[0] > RESTART_WINDOW_SECONDS:
                restarts.popleft()
            if len(restarts) == MAX_RESTARTS:
                minutes = RESTART_WINDOW_SECONDS // 60
                self._error = NodeError(
                    f"OpenSearch ended {MAX_RESTARTS + 1} times within {minutes} minutes and is not started again. "
                    f"Its log is {self._node.log}."
                )
                self._give_up()
                return
            self._report(f"OpenSearch has ended by itself and is started again. Its log is {self._node.log}.")
            if self._stopping.wait(self._pause_seconds * len(restarts)):
                return
            restarts.append(time.monotonic())
            self._restart()

    def _restart(self) -> None:
        self._restarting = True
        try:
            self._node.kill()  # what its end has left of its processes
            self._node.start()
        except NodeError as error:
            if not self._stopping.is_set():
                self._report(str(error))
        else:
            self._report("OpenSearch is ready again.")
        finally:
            self._restarting = False
