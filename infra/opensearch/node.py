"""One OpenSearch node on loopback, as a child process with its data in a folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import requests

from infra.child_process import ChildProcess, Step
from infra.java import Java, find_java
from infra.localhost import HOST, direct_session, listens
from infra.maven import MavenError
from infra.opensearch.distribution import distribution
from infra.private_files import FOLDER_MODE, write_private

HEAP_MB = 512
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


class Node(ChildProcess):
    """OpenSearch on a port of loopback; ``pid`` is the process that waits for it, its parent."""

    name = "OpenSearch"
    error = NodeError
    start_seconds = 120

    def __init__(self, folder: Path, port: int, *, heap_mb: int = HEAP_MB, java_options: Sequence[str] = ()) -> None:
        super().__init__(folder, port, log="node.log")
        self._heap_mb = heap_mb
        self._java_options = java_options

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
        for folder in (self.folder, config):
            folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        write_private(config / "log4j2.properties", LOG4J_PROPERTIES)
        settings = OPENSEARCH_YML.format(host=HOST, port=self.port, folder=self.folder)
        write_private(config / "opensearch.yml", settings)
        # The node ends with the process that started it, however that one ends.
        wrapper = str(Path(__file__).with_name("node_process.py"))
        self._launch([sys.executable, "-P", wrapper, *self._command(home, java)])
        try:
            self._wait_until_it_responds()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        self._end(Step(os.killpg, signal.SIGTERM, STOP_SECONDS))

    def kill(self) -> None:
        """End the node at once, as a machine that fails would."""
        self._end()

    def resident_mb(self) -> float:
        """Memory that the node's processes use now, in MB."""
        assert self._process is not None
        ps = subprocess.run(
            ["ps", "-o", "rss=", "-g", str(self._process.pid)], capture_output=True, text=True, check=True
        )
        return sum(map(int, ps.stdout.split())) / 1024

    def _command(self, home: Path, java: Java) -> list[str]:
        return [
            str(java.command),
            *java.options,
            *self._java_options,
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

    def _responds(self) -> bool:
        """Whether every index that the node has can be searched."""
        try:
            condition = {"wait_for_status": "yellow", "timeout": "1s"}
            response = direct_session().get(f"{self.endpoint}/_cluster/health", params=condition, timeout=5)
            return response.ok and not response.json()["timed_out"]
        except (requests.RequestException, ValueError):
            return False
