"""A child that must not outlive whoever started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

NODE_PROCESS = Path(__file__).parents[3] / "infra" / "opensearch" / "node_process.py"
TELLS_ITS_ID_AND_SLEEPS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_a_child_ends_when_the_other_end_of_its_standard_input_closes():
    supervisor = subprocess.Popen(
        [sys.executable, "-P", str(NODE_PROCESS), sys.executable, "-c", TELLS_ITS_ID_AND_SLEEPS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    supervisor.stdin.close()
    supervisor.wait(60)
    deadline = time.monotonic() + 60
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    supervisor.stdout.close()


def test_its_end_is_the_childs_end():
    command = [sys.executable, "-P", str(NODE_PROCESS), sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        assert supervisor.wait(60) == 7


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
