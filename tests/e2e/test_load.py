"""Many callers of one machine: each is served, by a limited number of processes that do not spin."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.adapters.parallel import MAX_PARALLEL_CALLS
from infra.emulator import Emulator
from infra.emulator_limits import FUNCTIONS_AT_ONCE, workers_at_once
from infra.template.functions import ONE_THREAD
from infra.workers import WORKERS
from tests.bench.load.footprint import processes_by_function
from tests.e2e.harness import Caller

CALLERS = 24


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes as Linux shows them")
def test_many_searches_at_once_are_all_answered_by_a_limited_number_of_functions_with_few_threads_each(
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
    for process in functions:
        threads = int(_status(process).split("Threads:")[1].split()[0])
        assert threads <= 1 + MAX_PARALLEL_CALLS, "its own, and those of calls side by side, if there were any"
        assert ONE_THREAD.items() <= _environment(process).items(), "numpy starts none"


def _environment(process: int) -> dict[str, str]:
    variables = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(variable.split("=", 1) for variable in variables if "=" in variable)


def _status(process: int) -> str:
    return Path(f"/proc/{process}/status").read_text()
