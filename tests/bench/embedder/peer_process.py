"""Starts a peer's process and talks to it; `peers.py` runs in it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from embedder_container.models import ModelDescription
from tests.bench.embedder.full_size import fastembed_folders
from tests.bench.embedder.image_files import ROOT

THREADS = os.cpu_count() or 1
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class Peer:
    """A process that embeds with another library."""

    def __init__(self, name: str, model: ModelDescription) -> None:
        command = [str(PEERS_PYTHON), str(Path(__file__).with_name("peers.py")), name, str(THREADS)]
        folders = [str(folder) for folder in fastembed_folders(model)]
        self._process = subprocess.Popen(
            [*command, *folders], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert self._read_line() == "ready", f"{name} did not start"

    def seconds(self, **request: Any) -> list[float]:
        """Send a request and return the seconds that the peer measured."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return list(json.loads(self._read_line()))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
