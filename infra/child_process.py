"""A server as a child process of this one: its start, the wait until it responds, its log and its end."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from infra.localhost import HOST
from infra.private_files import OTHERS, private

PROBE_SECONDS = 0.05  # between two looks whether the server responds
LOG_LINES = 5  # that the error of a server that did not start shows


class Step(NamedTuple):
    """A signal to the child alone, or to its group (``os.killpg``), and the seconds to wait for the end."""

    send: Callable[[int, int], None]
    number: signal.Signals
    seconds: float


class ChildProcess(ABC):
    """Start with ``with …(folder, port) as server:`` or ``start``; its data stay in the folder for the next start.

    Args:
        folder: its working directory, with its log.
        port: on loopback, which it listens on.
        log: the name of its log.
    """

    name: str  # that messages begin with
    error: type[Exception]  # of a server that does not start
    start_seconds: float  # until it must respond

    def __init__(self, folder: Path, port: int, log: str) -> None:
        self.folder = folder.resolve()
        self.port = port
        self.endpoint = f"http://{HOST}:{port}"
        self.log = self.folder / log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Returns once the server responds."""

    @abstractmethod
    def stop(self) -> None:
        """End the server, once it has written its data; does nothing if it does not run."""

    @abstractmethod
    def _responds(self) -> bool:
        """Whether the server can be used."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process, the leader of a group of its own."""
        return self._process.pid if self._process is not None else None

    def _launch(
        self,
        command: Sequence[str],
        *,
        log_mode: Literal["ab", "wb"] = "ab",
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> int:
        """Start the command; returns its process.

        Args:
            environment: all of its variables; those of this process unless given.
            inherited: file descriptors that it keeps.
        """
        with open(self.log, log_mode, opener=private) as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # stays open: its end shows the child that this process has ended
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
                pass_fds=inherited,
                umask=OTHERS,
                start_new_session=True,  # the terminal's Ctrl-C is for this process alone
            )
        return self._process.pid

    def _wait_until_it_responds(self) -> None:
        """Raises ``error`` when it ends instead, or does not respond in time."""
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if not self.running:
                lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise self.error("\n".join((f"{self.name} ended as it started. Its log is {self.log}:", *lines)))
            if self._responds():
                return
            time.sleep(PROBE_SECONDS)
        raise self.error(f"{self.name} did not respond within {self.start_seconds} s. Its log is {self.log}.")

    def _end(self, *steps: Step) -> None:
        """Take one step after the other until the child has ended; at last kill its whole group."""
        process, self._process = self._process, None
        if process is None:
            return
        has_ended = process.poll() is None and any(_has_ended(process, step) for step in steps)
        if not has_ended:
            # It does not end, or was killed before and could not end its own children.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _has_ended(process: "subprocess.Popen[bytes]", step: Step) -> bool:
    step.send(process.pid, step.number)
    try:
        process.wait(step.seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
