"""Many callers of one machine: each is served, by a limited number of processes that do not spin."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.emulator import Emulator
from infra.emulator_limits import FUNCTIONS_AT_ONCE, workers_at_once
from infra.workers import WORKERS
from tests.bench.load.footprint import processes_by_function
from tests.e2e.harness import Caller

CALLERS = 24


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes as Linux shows them")
def test_many_searches_at_once_are_all_answered_by_a_limited_number_of_functions_with_one_thread_each(
    api: Caller, emulator: Emulator
) -> None:
    def search(number: int) -> int:
        return api("GET", "/api/search/", params={"query": f"an owl beside number {number}"}).status_code

    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(search, range(2 * CALLERS))) == {200}
    assert emulator.pid is not None
    processes = processes_by_function(emulator.pid)
    functions = processes["api"]
    # As many again may serve all other requests: they wait apart from searches.
    assert 1 <= len(functions) <= 2 * FUNCTIONS_AT_ONCE
    for name in (row.function.lambda_name for row in WORKERS):
        assert len(processes[name]) <= workers_at_once(f"-{name}", is_quiet=True), name
    threads = {status.split("Threads:")[1].split()[0] for status in map(_status, functions)}
    assert threads == {"1"}


def _status(process: int) -> str:
    return Path(f"/proc/{process}/status").read_text()
