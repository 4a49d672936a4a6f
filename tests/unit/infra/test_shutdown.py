"""``make run`` ends when it is told to, whatever Python does at that moment."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal
from infra.run import stop_on_signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{signal})
        sum(range(100_000))

stopping = stop_on_signals()
try:
    Finalized()
except KeyboardInterrupt:
    print("interrupted")
print(stopping.wait(10))
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_while_an_object_is_finalized_is_not_lost(signal: str):
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(signal=signal)], capture_output=True, text=True, check=True
    )
    assert "Exception ignored" in said.stderr
    assert said.stdout.splitlines() == ["True"]


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_signal_interrupts_what_runs(signal: str):
    script = SCRIPT.format(signal=signal).replace("Finalized()", f"os.kill(os.getpid(), signal.{signal})")
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["interrupted", "True"]
