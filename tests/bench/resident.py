"""The memory of processes, as Linux counts it."""

import os
import re
from contextlib import suppress
from pathlib import Path


def peak_mb() -> float:
    """Returns the sum of the peaks of this process and each of its children, in MB."""
    return sum(_field(pid, "VmHWM") for pid in (os.getpid(), *children()))


def resident_mb() -> float:
    """Returns the memory of this process and its children now, in MB."""
    return sum(_field(pid, "VmRSS") for pid in (os.getpid(), *children()))


def children() -> list[int]:
    """Returns the ids of the processes that this one started and that are alive."""
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread ended meanwhile
            pids += [int(pid) for pid in (task / "children").read_text().split()]
    return pids


def _field(pid: int, name: str) -> float:
    match = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match.group(1)) * 1024 / 1e6 if match else 0.0
