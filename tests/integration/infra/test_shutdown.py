"""``make run`` ends on a signal, whatever Python does at that moment."""

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
def test_a_signal_during_the_finalization_of_an_object_is_not_lost(signal: str):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(signal=signal)], capture_output=True, text=True, check=True
    )
    assert "Exception ignored" in process.stderr
    assert process.stdout.splitlines() == ["True"]


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_signal_interrupts_the_running_code(signal: str):
    script = SCRIPT.format(signal=signal).replace("Finalized()", f"os.kill(os.getpid(), signal.{signal})")
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.splitlines() == ["interrupted", "True"]
