"""A child that must not outlive the process that started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

NODE_PROCESS = Path(__file__).parents[3] / "infra" / "opensearch" / "node_process.py"
PRINT_PID_AND_SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_the_child_ends_when_the_other_end_of_standard_input_closes():
    wrapper = subprocess.Popen(
        [sys.executable, "-P", str(NODE_PROCESS), sys.executable, "-c", PRINT_PID_AND_SLEEP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert wrapper.stdin is not None
    assert wrapper.stdout is not None
    child = int(wrapper.stdout.readline())
    wrapper.stdin.close()
    wrapper.wait(60)
    deadline = time.monotonic() + 60
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    wrapper.stdout.close()


def test_the_wrapper_ends_with_the_childs_exit_status():
    command = [sys.executable, "-P", str(NODE_PROCESS), sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as wrapper:
        assert wrapper.wait(60) == 7


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
