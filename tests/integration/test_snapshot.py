"""Two processes that go on from one memory, as environments of one snapshot do, share nothing that must be unique."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_config import ENVIRONMENT

ROOT = Path(__file__).parents[2]
# Lambda's client runs the hooks in this order: awslambdaric/lambda_runtime_hooks_runner.py.
FORKS = """
import json, os, random, secrets, uuid
import app
from snapshot_restore_py import get_after_restore, get_before_snapshot
for function, arguments, options in reversed(get_before_snapshot()):
    function(*arguments, **options)
state = random.getstate()
for _ in range(2):
    if not os.fork():
        random.setstate(state)  # which Python makes anew after a fork, but not after a restoration
        stale = random.random()
        for function, arguments, options in get_after_restore():
            function(*arguments, **options)
        values = [random.random(), str(uuid.uuid4()), secrets.token_hex(), app.services().now().isoformat()]
        print(json.dumps([stale, values]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_environments_of_one_snapshot_share_no_number_no_name_and_no_time():
    environment = ENVIRONMENT | {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_FUNCTION_NAME": "similarix-api",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (stale, first), (stale_too, second) = map(json.loads, done.stdout.splitlines())

    assert stale == stale_too, "what is not made again is shared"
    assert all(one != other for one, other in zip(first, second, strict=True))
