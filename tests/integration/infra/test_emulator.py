"""The emulator as a process: what it is told, what it keeps, and that nothing of it stays."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from infra.emulator import ACCOUNT, Emulator, EmulatorError, PortBusyError
from infra.emulator_process import release_messages
from infra.localhost import HOST


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def gone(group: int, seconds: float = 10) -> bool:
    """Whether no process of the group lives on, those apart that only wait to be buried."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
        if not any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in listed.splitlines()):
            return True
        time.sleep(0.05)
    return False


def test_a_busy_port_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"Port {port} .* is in use"):
            Emulator(tmp_path, port).start()


def test_what_it_keeps_is_there_after_a_restart_and_no_process_stays(tmp_path, port, monkeypatch):
    # The developer's own settings, each of which would lead elsewhere.
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Emulator(tmp_path, port) as emulator:
        first = emulator._process.pid
        emulator.session().client("sqs", endpoint_url=emulator.endpoint).create_queue(QueueName="kept")
    assert gone(first)

    with Emulator(tmp_path, port) as emulator:
        sqs = emulator.session().client("sqs", endpoint_url=emulator.endpoint)
        sts = emulator.session().client("sts", endpoint_url=emulator.endpoint)
        assert sqs.get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")
        assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at a process's environment")
def test_it_knows_nothing_of_the_developers_account(tmp_path, port, monkeypatch):
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    with Emulator(tmp_path, port) as emulator, open(f"/proc/{emulator._process.pid}/environ", "rb") as environ:
        assert b"=mine" not in environ.read()


def test_it_ends_when_its_parent_is_killed(tmp_path, port):
    program = (
        "import sys, time; from pathlib import Path; from infra.emulator import Emulator\n"
        "emulator = Emulator(Path(sys.argv[1]), int(sys.argv[2])); emulator.start()\n"
        "print(emulator._process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        group = int(parent.stdout.readline())
        parent.kill()

    assert gone(group)
    assert (tmp_path / "state" / "scheduler.json").exists()  # saved on the way out


def test_one_that_does_not_start_shows_the_end_of_its_log(tmp_path, port):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sqs.json").write_text("broken")

    with pytest.raises(EmulatorError, match=r"(?s)emulator\.log.*JSONDecodeError"):
        Emulator(tmp_path, port).start()


def test_messages_that_functions_held_are_shown_again_and_delayed_ones_are_not(tmp_path):
    held, delayed, waiting = (
        {"receive_count": 1, "visible_at": 2000.0},
        {"receive_count": 0, "visible_at": 2000.0},
        {"receive_count": 2, "visible_at": 500.0},
    )
    queues = {"data": {"queue": {"messages": [held, delayed, waiting]}}}
    file = tmp_path / "sqs.json"
    file.write_text(json.dumps({"payload": {"queues": queues}}))
    release_messages(tmp_path, now=1000.0)

    messages = json.loads(file.read_text())["payload"]["queues"]["data"]["queue"]["messages"]
    assert [message["visible_at"] for message in messages] == [1000.0, 2000.0, 500.0]


def test_without_a_state_there_is_nothing_to_release(tmp_path):
    release_messages(tmp_path, now=1000.0)

    assert not (tmp_path / "sqs.json").exists()
