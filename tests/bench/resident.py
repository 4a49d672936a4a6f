"""What processes hold in memory, as Linux counts it."""

import os
import re
from contextlib import suppress
from pathlib import Path


def peak_mb() -> float:
    """The sum of the most that this process and each of its children ever held, in MB."""
    return sum(_field(pid, "VmHWM") for pid in (os.getpid(), *children()))


def resident_mb() -> float:
    """What this process and its children hold now, in MB."""
    return sum(_field(pid, "VmRSS") for pid in (os.getpid(), *children()))


def children() -> list[int]:
    """The processes that this one started and that are alive."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread ended meanwhile
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def _field(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 / 1e6 if found else 0.0
