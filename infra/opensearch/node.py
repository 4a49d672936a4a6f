"""One OpenSearch node on loopback, as a child process with its data in a folder."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from infra.java import Java, find_java
from infra.localhost import HOST, direct_session, listens
from infra.maven import MavenError
from infra.opensearch.distribution import distribution

HEAP_MB = 512
START_SECONDS = 120
STOP_SECONDS = 30
LOG4J_PROPERTIES = """status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d][%p][%c{1}] %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""
OPENSEARCH_YML = """cluster.name: similarix-local
discovery.type: single-node
http.host: {host}
http.port: {port}
transport.host: {host}
transport.port: 0
path.data: {folder}/data
path.logs: {folder}/logs
action.auto_create_index: false
cluster.routing.allocation.disk.threshold_enabled: false
"""


class NodeError(Exception):
    """The node cannot start; the message says why. ``make run`` prints it, and tests that need a node are skipped."""


class Node:
    """Start with ``with Node(folder, port) as node:`` or ``start``; data stays in the folder for the next start."""

    def __init__(self, folder: Path, port: int, *, heap_mb: int = HEAP_MB) -> None:
        self.folder = folder.resolve()
        self.port = port
        self.endpoint = f"http://{HOST}:{port}"
        self.log = self.folder / "node.log"
        self._heap_mb = heap_mb
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once the node responds.

        Raises:
            NodeError: the port is in use, a part cannot be downloaded, or the node ended or did not respond in time.
        """
        if listens(self.port):
            raise NodeError(f"Port {self.port} on {HOST} is in use.")
        try:
            home, java = distribution(), find_java()
        except (MavenError, ImportError, OSError) as error:
            raise NodeError(f"OpenSearch cannot run on this machine: {error}") from error
        config = self.folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "log4j2.properties").write_text(LOG4J_PROPERTIES)
        (config / "opensearch.yml").write_text(OPENSEARCH_YML.format(host=HOST, port=self.port, folder=self.folder))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                # The node ends with the process that started it, however that one ends.
                [sys.executable, "-P", str(Path(__file__).with_name("node_process.py")), *self._command(home, java)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # the terminal's Ctrl-C is for this process alone
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the node, once it has written its data; does nothing if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, as a machine that fails would."""
        self._end(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process that waits for the node, its parent."""
        return self._process.pid if self._process is not None else None

    def resident_mb(self) -> float:
        """Memory that the node's processes use now, in MB."""
        assert self._process is not None
        ps = subprocess.run(
            ["ps", "-o", "rss=", "-g", str(self._process.pid)], capture_output=True, text=True, check=True
        )
        return sum(map(int, ps.stdout.split())) / 1024

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, with_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def _command(self, home: Path, java: Java) -> list[str]:
        return [
            str(java.command),
            *java.options,
            "--enable-native-access=ALL-UNNAMED",
            f"-Xms{self._heap_mb}m",
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            "-Dfile.encoding=UTF-8",
            # OpenSearch makes system calls through JNA; without it, the node starts under root, too, with one warning.
            "-Djna.nosys=true",
            "-Djna.nounpack=true",
            "-Djna.boot.library.path=/nonexistent",
            "-Dlog4j2.disable.jmx=true",
            f"-Dopensearch.path.home={home}",
            f"-Dopensearch.path.conf={self.folder / 'config'}",
            "-Dopensearch.distribution.type=tar",
            "-Dopensearch.bundled_jdk=false",
            "-cp",
            f"{home}/lib/*",
            "org.opensearch.bootstrap.OpenSearch",
        ]

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise NodeError(f"OpenSearch ended as it started. Its log is {self.log}:\n{self._last_lines()}")
            if _ready(self.endpoint):
                return
            time.sleep(0.1)
        raise NodeError(f"OpenSearch did not respond within {START_SECONDS} s. Its log is {self.log}.")

    def _last_lines(self, count: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def _ready(endpoint: str) -> bool:
    """Whether every index that the node has can be searched."""
    try:
        condition = {"wait_for_status": "yellow", "timeout": "1s"}
        response = direct_session().get(f"{endpoint}/_cluster/health", params=condition, timeout=5)
        return response.ok and not response.json()["timed_out"]
    except (requests.RequestException, ValueError):
        return False
