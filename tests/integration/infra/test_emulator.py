"""The emulator as a process: its environment, the state that it keeps, and that no process of it stays behind."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import infra.emulator
from infra.emulator import ACCOUNT, Emulator, EmulatorError, PortBusyError
from infra.folder_lock import FolderError, FolderInUseError, Recovery
from infra.localhost import HOST, free_port


@pytest.fixture
def port():
    return free_port()


def has_ended(group: int, seconds: float = 10) -> bool:
    """Whether no process of the group lives, zombies apart."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
        if not any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in processes.splitlines()):
            return True
        time.sleep(0.05)
    return False


def test_a_port_in_use_is_reported_in_one_sentence(tmp_path):
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"Port {port} .* is in use"):
            Emulator(tmp_path, port).start()


def test_the_emulators_state_survives_a_restart_and_no_process_stays_behind(tmp_path, port, monkeypatch):
    # The developer's own settings, each of which would send the client elsewhere.
    monkeypatch.setenv("AWS_PROFILE", "developer")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Emulator(tmp_path, port) as emulator:
        first = emulator.pid
        emulator.session().client("sqs", endpoint_url=emulator.endpoint).create_queue(QueueName="kept")
    assert has_ended(first)

    with Emulator(tmp_path, port) as emulator:
        sqs = emulator.session().client("sqs", endpoint_url=emulator.endpoint)
        sts = emulator.session().client("sts", endpoint_url=emulator.endpoint)
        assert sqs.get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")
        assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at a process's environment")
def test_the_emulator_inherits_nothing_of_the_developers_account(tmp_path, port, monkeypatch):
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    with Emulator(tmp_path, port) as emulator, open(f"/proc/{emulator.pid}/environ", "rb") as environ:
        assert b"=mine" not in environ.read()


def test_the_emulator_ends_by_itself_when_its_parent_is_killed_and_the_next_run_waits_for_it(tmp_path, port):
    program = (
        "import sys, time; from pathlib import Path; from infra.emulator import Emulator\n"
        "emulator = Emulator(Path(sys.argv[1]), int(sys.argv[2])); emulator.start()\n"
        "sqs = emulator.session().client('sqs', endpoint_url=emulator.endpoint); sqs.create_queue(QueueName='kept')\n"
        "print(emulator.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        group = int(parent.stdout.readline())
        parent.kill()

    with Emulator(tmp_path, port) as emulator:
        assert emulator.recovery is Recovery.NOTHING
        sqs = emulator.session().client("sqs", endpoint_url=emulator.endpoint)
        assert sqs.get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")
    assert has_ended(group)


def test_the_error_of_an_emulator_that_does_not_start_has_the_end_of_its_log(tmp_path, port):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").write_text("broken" * 1_000)

    with pytest.raises(EmulatorError, match=r"(?s)emulator\.log.*DatabaseError: file is not a database"):
        Emulator(tmp_path, port).start()


def test_a_second_emulator_on_a_folder_is_refused_and_touches_nothing(tmp_path, port):
    with Emulator(tmp_path, port):
        before = {file: file.stat().st_mtime_ns for file in (tmp_path / "emulator.log", tmp_path / "tmp")}
        with pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()}, which listens on port {port}"):
            Emulator(tmp_path, free_port()).start()

        assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that even root cannot write")
def test_a_folder_that_cannot_be_written_is_reported_in_one_sentence(port):
    with pytest.raises(FolderError, match=r"^The folder /proc/local cannot be written: [^\n]*\.$"):
        Emulator(Path("/proc/local"), port).start()


def test_the_emulator_does_not_load_the_application() -> None:
    """The functions do, in processes of their own: here it would be half of every start."""
    modules = sorted(file.stem for file in Path(infra.emulator.__file__).parent.glob("emulator_*.py"))
    program = f"import sys, {', '.join(f'infra.{name}' for name in modules)}\n"
    loaded = subprocess.run(
        [sys.executable, "-c", program + "print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"infra.emulator_memory", "chalicelib.domain.messages"} <= set(loaded)
    assert {"chalicelib.bootstrap", "chalicelib.adapters", "boto3", "infra.template"}.isdisjoint(loaded)
