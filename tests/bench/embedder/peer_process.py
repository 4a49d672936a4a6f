"""A peer's process, from our side; see peers.py."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from embedder_container.models import ModelDescription
from tests.bench.embedder.full_size import fastembed_folders
from tests.bench.embedder.pictures import ROOT

THREADS = os.cpu_count() or 1
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class Peer:
    """A peer's process; see peers.py."""

    def __init__(self, name: str, card: ModelDescription) -> None:
        command = [str(PEERS_PYTHON), str(Path(__file__).with_name("peers.py")), name, str(THREADS)]
        folders = [str(folder) for folder in fastembed_folders(card)]
        self._process = subprocess.Popen(
            [*command, *folders], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert self._ask() == "ready", f"{name} did not start"

    def seconds(self, **asked: Any) -> list[float]:
        assert self._process.stdin is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return list(json.loads(self._ask()))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ask(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
