"""What the local system holds: memory of its processes, by function, and sizes of its files."""

import os
import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from tests.bench.figures import figure

FUNCTION = re.compile(r"ministack-lambda-similarix-([a-z-]+?)-[^-/]*/")


def print_memory(name: str, emulator: int) -> None:
    """Print number and resident memory of the emulator's processes; decoders count as the embedder's."""
    total = 0.0
    for function, processes in sorted(processes_by_function(emulator).items()):
        resident = sum(map(_resident_mb, processes))
        figure(f"{name}_{function}_processes", len(processes), "processes")
        figure(f"{name}_{function}_mb", resident, "MB")
        total += resident
    figure(f"{name}_all_mb", total, "MB")


def processes_by_function(emulator: int) -> dict[str, list[int]]:
    """The emulator's processes by the name of their function, which is that of their folder."""
    processes: dict[str, list[int]] = defaultdict(list, {"emulator": [emulator]})
    for pid in descendants(emulator):
        with suppress(OSError):  # ended meanwhile
            function = FUNCTION.search(str(Path(f"/proc/{pid}/cwd").readlink()))
            processes[function.group(1) if function else "other"].append(pid)
    return processes


def processor_seconds(emulator: int) -> float:
    """What the emulator's processes have used of the processors since they began; of those that live."""
    ticks = 0
    for pid in (emulator, *descendants(emulator)):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def print_files(name: str, folder: Path) -> None:
    sizes = {
        "log": _size(*folder.glob("emulator.log*")),
        "sqlite": _size(folder / "vectors.sqlite"),
        "wal": _size(folder / "vectors.sqlite-wal"),
        "unpacked": _size(folder / "tmp"),
        "state": _size(folder / "state"),
        "cloudwatch": _size(*(folder / "state").glob("cloudwatch*")),
    }
    for kind, size in sizes.items():
        figure(f"{name}_{kind}_mb", size / 1e6, "MB")


def _resident_mb(process: int) -> float:
    with suppress(OSError):  # ended meanwhile
        resident = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        return int(resident.group(1)) * 1024 / 1e6 if resident else 0.0
    return 0.0


def _size(*paths: Path) -> int:
    total = 0
    for path in paths:
        for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
            with suppress(OSError):
                total += file.stat().st_size if file.is_file() else 0
    return total


def descendants(process: int) -> list[int]:
    """All processes that a process and those below it have started, and that live."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):  # the thread ended meanwhile
                for child in (task / "children").read_text().split():
                    found += [int(child), *descendants(int(child))]
    return found
