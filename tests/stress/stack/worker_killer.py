"""Kills processes of the emulator's functions while they are busy."""

import os
import platform
import random
import signal
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from infra.emulator import Emulator

FUNCTIONS = ("sync-worker", "index-worker", "events-worker", "embedder")
# A function that waits for its next event blocks in read(2) of its standard input; these are that call's numbers.
READ_SYSCALLS = {"x86_64": "0", "aarch64": "63"}


class WorkerKiller:
    """``killed`` counts the killed processes by the name of their function."""

    def __init__(self, emulator: Emulator, rng: random.Random) -> None:
        self._emulator, self._rng = emulator, rng
        self.killed: Counter[str] = Counter()

    def kill_one(self, spared: Collection[str] = ()) -> bool:
        """Sends SIGKILL to one process that is busy at this moment; returns whether there was one.

        Args:
            spared: names of functions whose processes are left alone.
        """
        busy = [(pid, name) for pid, name in self._busy_processes() if name not in spared]
        if not busy:
            return False
        pid, name = self._rng.choice(busy)
        with suppress(ProcessLookupError):  # it has ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)
            self.killed[name] += 1
            return True
        return False

    def _busy_processes(self) -> Iterator[tuple[int, str]]:
        """The functions' own processes, which are children of the emulator, without those that they start themselves
        to decode a picture."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_text()
                name = next((function for function in FUNCTIONS if function in command), None)
                if parent == self._emulator.pid and name and "_worker.py" in command and _is_busy(folder):
                    yield int(folder.name), name
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile


def _is_busy(process: Path) -> bool:
    """Whether its main thread does anything but wait for an event; ``/proc/PID/syscall`` names the call it waits in."""
    call = (process / "syscall").read_text().split()
    return call[:2] != [READ_SYSCALLS[platform.machine()], "0x0"]
