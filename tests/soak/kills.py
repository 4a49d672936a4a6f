"""The processes of the functions on the emulator: which of them are at work, and their end."""

import os
import platform
import random
import signal
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from infra.emulator import Emulator

VICTIMS = ("sync-worker", "index-worker", "events-worker", "embedder")
# A function that waits for its next event reads its standard input, and does nothing else: the number of read(2).
READING = {"x86_64": "0", "aarch64": "63"}


class Killer:
    """``killed`` counts the ended processes by the name of their function."""

    def __init__(self, emulator: Emulator, dice: random.Random) -> None:
        self._emulator, self._dice = emulator, dice
        self.killed: Counter[str] = Counter()

    def kill_one(self, sparing: Collection[str] = ()) -> bool:
        """End one, by SIGKILL, of those that are at work at this moment; answers whether any was.

        Args:
            sparing: names of functions that are left alone.
        """
        busy = [(pid, name) for pid, name in self._busy() if name not in sparing]
        if not busy:
            return False
        pid, name = self._dice.choice(busy)
        with suppress(ProcessLookupError):  # it has ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)
            self.killed[name] += 1
            return True
        return False

    def _busy(self) -> Iterator[tuple[int, str]]:
        """The functions' own processes, children of the emulator's: not those that they start for a picture."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_text()
                name = next((each for each in VICTIMS if each in command), None)
                if parent == self._emulator.pid and name and "_worker.py" in command and _is_at_work(folder):
                    yield int(folder.name), name
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile


def _is_at_work(process: Path) -> bool:
    """Whether its main thread does anything but wait for an event; Linux says what a thread waits in."""
    call = (process / "syscall").read_text().split()
    return call[:2] != [READING[platform.machine()], "0x0"]
