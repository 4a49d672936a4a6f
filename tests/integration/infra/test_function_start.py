"""On Lambda, a function whose settings are incomplete fails when it starts, not when it first needs them."""

import os
import subprocess
import sys

import pytest

from chalicelib.config import queue_variable
from chalicelib.domain.messages import Queue
from infra.package import ROOT
from infra.template.functions import ONE_THREAD
from tests.unit.test_config import ENVIRONMENT

# What the SQLite store does in a search; then the threads of the process, as Linux counts them.
MULTIPLY_AND_COUNT_THREADS = """
import app, numpy
vectors = numpy.ones((4000, 512), numpy.float32)
vectors @ vectors[0]
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("Threads:")))
"""


def start(environment: dict[str, str], program: str = "import app") -> "subprocess.CompletedProcess[str]":
    """Import app.py as Lambda does."""
    lambda_variables = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "similarix-sync-worker"}
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=ROOT, env=lambda_variables | environment, capture_output=True, text=True, check=False
    )


def test_a_function_with_all_settings_starts():
    assert start(ENVIRONMENT).returncode == 0


@pytest.mark.parametrize("name", [queue_variable(Queue.INDEX), "ACCOUNTS_TABLE"])
def test_a_function_without_a_setting_fails_at_its_start_and_names_the_variable(name):
    process = start({variable: value for variable, value in ENVIRONMENT.items() if variable != name})

    assert process.returncode != 0
    assert f"The environment variable {name} is missing" in process.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="counts threads as Linux does")
def test_a_function_multiplies_vectors_with_one_thread():
    process = start(ENVIRONMENT | ONE_THREAD, MULTIPLY_AND_COUNT_THREADS)

    assert process.stdout.split() == ["1"], process.stderr
