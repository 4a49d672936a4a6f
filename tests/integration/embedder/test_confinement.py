"""Code that runs in a decoder process gets nowhere: each wall is tried from within, as an attacker's code would.

A real decoder process is started, by a parent as the embedder is one; in place of serving requests it runs an attempt.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from embedder_container.decoder_pool import DecoderPool
from embedder_container.decoder_process import _warn_of_missing_walls
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description
from tests.embedder.samples import photo

CONFIG = load_description(SHIPPED_MODELS, "lite").image.to_json()
SECRET = "a secret of the embedder's environment"
# Runs in the decoder: `attempt` is called after all walls were built, with the parent's process id.
DECODER = """
import json, os, signal, socket, subprocess, sys, threading, ctypes
from embedder_container import confinement, decoder

confinement._WALLS = [wall for wall in confinement._WALLS if wall[0] not in {without}]

{attempt}

def try_it(server, missing_walls):
    server._begin()
    try:
        outcome = repr(attempt({parent}))
    except BaseException as error:
        outcome = type(error).__name__
    server._send(json.dumps({{"outcome": outcome, "missing": missing_walls}}).encode())
    os._exit(0)

decoder.Server.serve = try_it
decoder.main()
"""
# The embedder's side: it hides itself as the handler does, and prints what the decoder wrote.
PARENT = """
import os, subprocess, sys
from embedder_container import confinement
from embedder_container.models import PreprocessingConfig
from embedder_container.slots import Slots
confinement.forbid_inspection()
slots, memory = Slots.create(PreprocessingConfig.from_json(sys.argv[2]).square_bytes)
script = sys.argv[1].replace("PARENT", str(os.getpid()))
environment = {{name: os.environ[name] for name in ("PATH", "PYTHONPATH")}}
command = [sys.executable, "-c", script, sys.argv[2], str(memory)]
done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stdin=0, pass_fds=[memory])
sys.stdout.buffer.write(done.stdout or str(done.returncode).encode())
""".replace("{{", "{").replace("}}", "}")
FILTER, DESCRIPTORS = "a filter of system calls", "no new descriptors"
REFUSED = ("OSError", "PermissionError", "FileNotFoundError", "BlockingIOError")

linux_on_x86 = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the filter is written for Linux on x86-64"
)


def outcome_of(attempt: str, without: Sequence[str] = ()) -> str:
    """What an attempt gave: the repr of its value, or the name of its exception; some walls may be left out."""
    script = DECODER.format(attempt=attempt, parent="PARENT", without=list(without))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "SECRET": SECRET}
    command = [sys.executable, "-c", PARENT, script, CONFIG]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    reply = json.loads(done.stdout)
    assert isinstance(reply, dict), f"the decoder ended: {done.stdout} {done.stderr}"
    assert reply["missing"] == []
    return str(reply["outcome"])


def outcomes_of(expressions: Sequence[str], before: str = "pass", without: Sequence[str] = ()) -> set[str]:
    """The different outcomes of some expressions, each evaluated in one decoder process: "refused", or its value."""
    attempt = f"""
def attempt(parent):
    {before}
    outcomes = set()
    for expression in {list(expressions)!r}:
        try:
            outcomes.add(str(eval(expression, globals(), {{"parent": parent}})))
        except OSError:
            outcomes.add("refused")
    return sorted(outcomes)
"""
    return set(json.loads(outcome_of(attempt, without).replace("'", '"')))


@linux_on_x86
class TestWalls:
    def test_the_embedders_own_process_cannot_be_read(self) -> None:
        places = [f"open(f'/proc/{{parent}}/{place}', 'rb').read(1)" for place in ("environ", "mem", "maps", "fd/0")]
        assert outcomes_of(places) == {"refused"}

    @pytest.mark.parametrize("call", ["ptrace", "process_vm_readv"])
    def test_no_system_call_reads_another_process(self, call: str) -> None:
        number = {"ptrace": "101, 16", "process_vm_readv": "310"}[call]
        attempt = f"def attempt(parent): return ctypes.CDLL(None).syscall({number}, parent, 0, 0, 0, 0, 0)"
        assert outcome_of(attempt) == "-1"

    def test_no_file_is_opened_even_in_place_of_a_closed_one(self) -> None:
        flags = ("O_RDONLY", "O_WRONLY", "O_RDWR | os.O_CREAT", "O_TMPFILE | os.O_WRONLY")
        paths = ("/etc/hostname", "/tmp", "/dev/shm/file", __file__)
        opens = [f"os.open({path!r}, os.{flag}, 0o600)" for path in paths for flag in flags]
        assert outcomes_of(opens, before="os.close(0)") == {"refused"}

    def test_no_file_is_changed_by_its_name(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("kept")
        name = repr(str(file))
        calls = (f"unlink({name})", f"truncate({name}, 0)", f"rename({name}, {name} + 'x')", f"chmod({name}, 0)")
        assert outcomes_of([f"os.{call}" for call in (*calls, f"mkdir({name} + 'x')")]) == {"refused"}
        assert (file.read_text(), list(tmp_path.iterdir())) == ("kept", [file])

    @pytest.mark.parametrize(
        "start",
        [
            "os.fork()",
            "os.execv('/bin/true', ['true'])",
            "os.posix_spawn('/bin/true', ['true'], {})",
            "subprocess.run(['/bin/true'])",
            "ctypes.CDLL(None).vfork() == 0 and os._exit(1) or (_ for _ in ()).throw(OSError())",
        ],
    )
    def test_no_process_is_started(self, start: str) -> None:
        assert outcome_of(f"def attempt(parent): return {start}") in REFUSED

    def test_no_socket_is_opened(self) -> None:
        families = ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_VSOCK")
        assert outcomes_of([f"socket.socket(socket.{family})" for family in families]) == {"refused"}

    def test_no_other_process_is_ended(self) -> None:
        assert outcome_of("def attempt(parent): os.kill(parent, signal.SIGKILL)") in REFUSED
        attempt = "def attempt(parent): return ctypes.CDLL(None).syscall(234, parent, parent, 9)"
        assert outcome_of(attempt) == "-1"

    def test_no_memory_becomes_code(self) -> None:
        attempt = "import mmap\ndef attempt(parent): mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)"
        assert outcome_of(attempt) in REFUSED

    def test_no_wall_is_taken_down(self) -> None:
        attempt = "import resource\ndef attempt(parent): resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"
        assert outcome_of(attempt) == "ValueError"
        assert outcome_of("def attempt(parent): return ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)") == "-1"

    def test_a_codec_may_start_a_thread(self) -> None:
        attempt = (
            "def attempt(parent):\n    thread = threading.Thread(target=int)\n"
            "    thread.start()\n    thread.join()\n    return 'joined'"
        )
        assert outcome_of(attempt) == "'joined'"

    def test_files_and_sockets_stay_closed_on_a_system_without_the_filter(self) -> None:
        opens = [
            "open(f'/proc/{parent}/environ')",
            "open('/etc/hostname')",
            "open('/tmp/file', 'w')",
            "socket.socket()",
        ]
        assert outcomes_of(opens, without=[FILTER]) == {"refused"}

    def test_the_same_attempts_succeed_without_these_walls(self) -> None:
        attempts = ["open('/etc/passwd').fileno() > 0", "socket.socket().fileno() > 0", "os.fork() > 0 or os._exit(0)"]
        assert outcomes_of(attempts, without=[FILTER, DESCRIPTORS]) == {"True"}

    def test_the_embedders_process_stays_closed_even_where_files_can_be_opened(self) -> None:
        for place in ("environ", "mem", "maps"):
            attempt = f"def attempt(parent): return open(f'/proc/{{parent}}/{place}', 'rb').read(1)"
            assert outcome_of(attempt, without=[FILTER, DESCRIPTORS]) == "PermissionError"

    def test_a_decoder_cannot_be_inspected_by_others_which_have_other_customers_pictures(self) -> None:
        get_dumpable = "def attempt(parent): return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)"
        assert outcome_of(get_dumpable, without=[FILTER]) == "0"

    def test_the_walls_stand_around_the_pools_own_processes(self, lite: Model) -> None:
        pool = DecoderPool(lite.description.image, processes=1)
        pool.decode(photo(), thumbnail=False)
        (decoder,) = pool._idle.queue
        assert decoder._process is not None
        lines = Path(f"/proc/{decoder._process.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16)) == ("2", "1", 0)
        pool.close()

    def test_the_embedders_handler_cannot_be_inspected(self) -> None:
        script = (
            "import ctypes; from embedder_container.handler import handler; handler({'op': 'describe'}, None); "
            "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "0"


def test_a_missing_wall_is_named_once_in_the_log(
    lite: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = (
        "import sys; from embedder_container import confinement, decoder; "
        "confinement._SYSTEM_CALLS['seccomp'] = 9999; decoder.main()"  # a number that no kernel has
    )
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", script, *command[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("embedder_container.decoder_process.subprocess.Popen", start)
    _warn_of_missing_walls.cache_clear()
    pool = DecoderPool(lite.description.image, processes=2)
    with pool._idle_decoders() as decoders:
        for decoder in decoders:
            decoder.send(photo(), thumbnail=False)
            decoder.receive()
    pool.close()
    (record,) = [record for record in caplog.records if "confined without" in record.message]
    assert "a filter of system calls (" in record.message
