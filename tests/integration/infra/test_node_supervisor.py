"""A node that ends by itself is started again, and one that ends again and again is not."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.opensearch.node import NodeError
from infra.opensearch.supervisor import MAX_RESTARTS, NodeSupervisor

SECONDS = 60


class Child:
    """A process in the place of a node: it runs a program, and starts without waiting."""

    log = Path("child.log")

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.starts += 1
        self._process = subprocess.Popen([sys.executable, "-c", self._program])

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def die(self) -> None:
        assert self._process is not None
        self._process.kill()


@pytest.fixture
def given_up() -> threading.Event:
    return threading.Event()


def wait_until_it_runs_again(child: Child, starts: int) -> None:
    deadline = time.monotonic() + SECONDS
    while child.starts < starts or not child.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_node_that_ends_is_started_again_with_a_line_for_each_step(given_up: threading.Event) -> None:
    child, lines = Child("import time; time.sleep(600)"), list[str]()
    child.start()
    try:
        with NodeSupervisor(child, lines.append, given_up.set, pause_seconds=0) as supervisor:
            child.die()
            wait_until_it_runs_again(child, starts=2)
            supervisor.check()
        assert child.running, "the supervisor restarts, and leaves the stop to the node's own context"
    finally:
        child.kill()
    assert lines == [
        "OpenSearch has ended by itself and is started again. Its log is child.log.",
        "OpenSearch is ready again.",
    ]


def test_a_node_that_ends_again_and_again_is_given_up_with_a_sentence(given_up: threading.Event) -> None:
    child = Child("pass")
    child.start()
    with NodeSupervisor(child, lambda _: None, given_up.set, pause_seconds=0) as supervisor:
        assert given_up.wait(SECONDS)
        with pytest.raises(NodeError, match=r"ended 6 times within 10 minutes .* Its log is child\.log\."):
            supervisor.check()
    assert child.starts == 1 + MAX_RESTARTS


def test_a_node_that_is_stopped_after_its_supervisor_is_not_started_again(given_up: threading.Event) -> None:
    child, lines = Child("import time; time.sleep(600)"), list[str]()
    child.start()
    with NodeSupervisor(child, lines.append, given_up.set, pause_seconds=0):
        assert child.running
    child.kill()
    assert (child.starts, lines, given_up.is_set()) == (1, [], False)
