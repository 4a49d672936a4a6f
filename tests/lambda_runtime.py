"""Lambda's side of a function: the Runtime API, and what an execution environment withholds.

AWS's own runtime interface client (`awslambdaric`, as in Lambda's images) asks the API for events and answers them:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from typing import Any

REGION = "eu-west-1"
ARN = f"arn:aws:lambda:{REGION}:111122223333:function:similarix"
ANSWER_SECONDS = 60
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
# What Lambda's Python has: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
RUNTIME_PACKAGES = (
    *("awslambdaric", "simplejson", "snapshot-restore-py"),  # its client
    *("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
)
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
# A namespace of mounts of its own: a root that cannot be written, and shared memory that cannot either. Then no
# capabilities, and no way to them.
SANDBOX = """
mount --make-rprivate /
mount -t tmpfs -o ro none /dev/shm
mount -o remount,bind,ro /
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def sandboxed(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one as Lambda does."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-e", "-c", SANDBOX, "sh", *command]


def why_no_sandbox() -> str | None:
    """Return why this machine cannot withhold what Lambda withholds; None if it can."""
    try:
        done = subprocess.run(sandboxed(["true"]), capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or f"unshare ended with {done.returncode}" if done.returncode else None


def sqs_event(body: Mapping[str, Any]) -> dict[str, Any]:
    """What Lambda hands to the worker of a queue, of one message."""
    message = {
        "messageId": "message",
        "receiptHandle": "receipt",
        "body": json.dumps(body),
        "attributes": {"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:111122223333:similarix-events",
    }
    return {"Records": [message]}


def link_runtime(folder: Path) -> Path:
    """The folder, with the modules of Lambda's own Python and no others."""
    for distribution in RUNTIME_PACKAGES:
        for file in files(distribution) or ():
            top = file.parts[0]
            if top != ".." and not (folder / top).exists():
                (folder / top).symlink_to(SITE_PACKAGES / top)
    return folder


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A function that is ended leaves its connection; what else fails here, its caller misses."""


class Function:
    """A function of an unpacked package, run by the runtime interface client in a sandbox.

    With ``SNAP_START`` in its environment the client runs the hooks of a snapshot: it waits between them until
    ``restore`` is called, and nothing is taken or restored.

    Args:
        handler: as in the function's configuration, `module.name`.
        task_root: the folder of its code.
        paths: further folders of modules, which the runtime or the image has.
        seconds: that an invocation may take.
    """

    def __init__(
        self, handler: str, task_root: Path, paths: Sequence[Path], environment: Mapping[str, str], seconds: int
    ) -> None:
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._seconds = seconds
        self._log: str | None = None
        self._ready, self._restore = threading.Event(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._api())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        module_paths = [str(path) for path in (task_root, *paths)]
        program = f"import sys; sys.path[:0] = {module_paths!r}; from awslambdaric.__main__ import main; main(sys.argv)"
        self._started = time.perf_counter()
        self._ready_at = 0.0
        self._process = subprocess.Popen(
            # Without the packages of this project's environment: only what the function has on Lambda.
            sandboxed([sys.executable, "-S", "-c", program, handler]),
            cwd=task_root,
            env={
                "PATH": os.environ["PATH"],
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_LAMBDA_FUNCTION_NAME": "similarix",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
                "LAMBDA_TASK_ROOT": str(task_root),
                "_HANDLER": handler,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._wait, daemon=True).start()

    def ready_seconds(self) -> float:
        """Seconds from the start until the function was initialized: it waits for an event, or for its snapshot.

        Raises:
            AssertionError: it ended before, or took too long.
        """
        assert self._ready.wait(ANSWER_SECONDS), self.close()
        return self._ready_at - self._started

    def restore(self) -> None:
        """Let a function go on that waits for its snapshot to be restored."""
        self._restore.set()

    def invoke(self, event: dict[str, Any]) -> Any:
        """Return the function's response to an event.

        Raises:
            AssertionError: it failed; the message has its error.
        """
        self._events.put(event)
        try:
            kind, body = self._answers.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            kind, body = "nothing", None
        assert kind == "response", f"{kind}: {body}\n{self.close()}"
        return body

    def _wait(self) -> None:
        self._answers.put(("the function ended", self._process.wait()))

    def close(self) -> str:
        """End the function and return its log."""
        if self._log is None:
            self._process.kill()
            self._server.shutdown()
            self._server.server_close()
            self._log, _ = self._process.communicate()
        return self._log

    def _api(self) -> type[BaseHTTPRequestHandler]:
        function = self

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A response in one piece and at once: else each takes the 40 ms that a delayed acknowledgement may.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if not function._ready.is_set():
                    function._ready_at = time.perf_counter()
                    function._ready.set()
                if self.path.endswith("/restore/next"):
                    function._restore.wait()
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                event = function._events.get()
                body = json.dumps(event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + function._seconds) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", ARN)
                # Without it the client crashes.
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                kind = "init error" if self.path.endswith("init/error") else self.path.rpartition("/")[2]
                body = self._read_body()
                function._answers.put((kind, json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _read_body(self) -> bytes:
                if self.headers["Transfer-Encoding"] != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                chunks = []
                while length := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(length))
                    self.rfile.readline()
                return b"".join(chunks)

            def log_message(self, *args: Any) -> None:
                pass

        return Api
