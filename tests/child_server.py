"""A server of somebody else's make that tests start: in a folder that the tests delete, so it may be killed."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.child_process import ChildProcess, Step
from infra.opensearch import node_process


class ChildServer(ChildProcess):
    """Args:
    name: that messages begin with.
    error: of a server that does not start.
    command: what starts it.
    responds: whether it can be used.
    """

    start_seconds = 60

    def __init__(
        self,
        name: str,
        error: type[Exception],
        folder: Path,
        port: int,
        command: Sequence[str],
        responds: Callable[[], bool],
    ) -> None:
        super().__init__(folder, port, "server.log")
        self.name, self.error = name, error
        self._command, self._is_ready = command, responds

    def start(self) -> None:
        # node_process ends the server when the process that started it ends, even by a crash.
        self._launch([sys.executable, "-P", node_process.__file__, *self._command], log_mode="wb")
        try:
            self._wait_until_it_responds()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._end(Step(os.killpg, signal.SIGTERM, 10))

    def _responds(self) -> bool:
        return self._is_ready()
