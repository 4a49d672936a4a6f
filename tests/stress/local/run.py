"""``make run`` as a process of its own, which a test kills in parts."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from infra.folder_lock import HOLDER_FILE, Holder
from infra.local_system import LocalSystem

START_SECONDS = 240
LOST_SECONDS = 1.5  # that the machine's end takes from the journal
RUNNING = "Similarix is running"


class LocalRun:
    """A run on a folder; ``output`` has the lines that it has printed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._command = [sys.executable, "-m", "infra.run", "--port", str(port), "--folder", str(folder)]
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    def start(self) -> LocalSystem:
        """Returns once the run says that the system is running.

        Raises:
            RuntimeError: it ended before, or did not say so in time.
        """
        log = self.folder.with_name(f"{self.folder.name}.log")
        with log.open("w") as file:
            self._process = subprocess.Popen(
                self._command, stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while RUNNING not in (printed := log.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The run did not start:\n{printed}")
            time.sleep(0.1)
        self.output = printed.splitlines()
        system = LocalSystem.read(self.folder)
        assert system is not None
        return system

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait()

    def kill_everything(self) -> None:
        run, emulator = self._pids()
        for end in (lambda: os.killpg(run, signal.SIGKILL), lambda: os.killpg(emulator, signal.SIGKILL)):
            _ignoring_ended(end)
        self._wait()

    def kill_emulator(self) -> None:
        """The emulator alone: its functions are left to the run, which ends."""
        _, emulator = self._pids()
        _ignoring_ended(lambda: os.kill(emulator, signal.SIGKILL))
        self._wait()

    def kill_run(self) -> None:
        """The run alone: the emulator ends by itself, and the next run waits for it."""
        run, _ = self._pids()
        _ignoring_ended(lambda: os.kill(run, signal.SIGKILL))
        self._wait()

    def kill_machine(self) -> None:
        """Everything, and what the emulator has written in the last seconds, as when the power fails."""
        earlier = self.folder.with_name("earlier.sqlite")
        with closing(sqlite3.connect(self._journal)) as journal, closing(sqlite3.connect(earlier)) as copy:
            journal.backup(copy)
        time.sleep(LOST_SECONDS)
        self.kill_everything()
        for file in self._journal.parent.glob(f"{self._journal.name}*"):
            file.unlink()
        earlier.replace(self._journal)
        holder = json.loads((self.folder / HOLDER_FILE).read_text())
        (self.folder / HOLDER_FILE).write_text(json.dumps(holder | {"boot": "an earlier one"}))

    def kill_functions(self) -> None:
        """Every function's process; the run goes on."""
        _, emulator = self._pids()
        for pid in list(_members(emulator)):
            if pid != emulator:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def _journal(self) -> Path:
        return self.folder / "state" / "journal.sqlite"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def _pids(self) -> tuple[int, int]:
        """The process of the run, and the emulator's."""
        holder = Holder.read(self.folder)
        assert self._process is not None
        assert holder is not None
        assert holder.emulator is not None
        return self._process.pid, holder.emulator

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait()
        self._process = None


def _members(group: int) -> Iterator[int]:
    """The processes of a process group."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, process_group = map(int, line.split())
        if process_group == group:
            yield pid


def _ignoring_ended(end: Callable[[], None]) -> None:
    with suppress(ProcessLookupError):
        end()
