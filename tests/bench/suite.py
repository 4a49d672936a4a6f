"""What each file of tests takes of the processors: ``make bench SUITE=tests``, or ``pytest -p tests.bench.suite …``.

A file's seconds are those of the process that runs it and of all that it has started: emulators with their functions,
nodes, browsers, commands. What works on after a test counts for the next one. Linux alone, whose ``/proc`` has the
times: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html.
"""

import ctypes
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bench.load.footprint import descendants

TICKS = os.sysconf("SC_CLK_TCK")  # of a second
PROPERTY = "processor seconds"
SHOWN = 40  # files
SET_CHILD_SUBREAPER = 36  # of prctl(2): processes whose parent has ended become children of this one


class Costs:
    """Notes what a process and its children have taken since the last test, and adds it to the report of the next."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._noted = processor_seconds(os.getpid())
        self._by_file: Counter[str] = Counter()

    def pytest_collection_finish(self) -> None:
        """To collect tests is no file's cost."""
        self._noted = processor_seconds(os.getpid())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Any:
        report = yield
        if call.when == "teardown":
            now = processor_seconds(os.getpid())
            report.user_properties.append((PROPERTY, now - self._noted))
            self._noted = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In the process that shows the results, too, which gets the reports of the others."""
        if report.when == "teardown":
            file = report.nodeid.partition("::")[0]
            self._by_file[file] += dict(report.user_properties)[PROPERTY]  # type: ignore[call-overload]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for file, seconds in self._by_file.most_common(SHOWN):
            terminalreporter.write_line(f"figure {file} {seconds:.1f} s of a processor")
        terminalreporter.write_line(f"figure all_tests {self._by_file.total():.0f} s of a processor")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Costs())


def processor_seconds(process: int) -> float:
    """What a process and all below it have taken, with those that have ended and were waited for."""
    return sum(_own_seconds(each) for each in (process, *descendants(process)))


def _own_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has just ended
    return sum(map(int, fields[11:15])) / TICKS
