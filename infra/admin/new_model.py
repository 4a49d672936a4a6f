"""A model that is not deployed yet, run here: in a process without credentials: it opens strangers' pictures."""

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord
from chalicelib.services.ports import Sources
from infra.package import ROOT

DOWNLOADS_AT_ONCE = 8
URL_SECONDS = 900
TIMEOUT_SECONDS = 60
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "MODELS_DIR")

Say = Callable[[str], None]


class NewModel:
    """``embed`` makes a new model's pictures of records; ``stamp`` and ``dimension`` are the model's.

    Raises:
        ValueError: there is no such model; the message has the embedder's words.
    """

    def __init__(self, name: str, sources: Sources, say: Say, *, exact: bool = False) -> None:
        self._command = [sys.executable, "-m", "embedder_container.embed", "--model", name, *["--exact"] * exact]
        self._sources = sources
        self._say = say
        self._embedded = 0
        (told,) = self._run(["--text", "a picture"])
        self.stamp: str = told["model"]
        self.dimension: int = told["dimension"]

    def embed(self, collection: Collection, records: Sequence[FileRecord]) -> dict[str, ImageEmbedding]:
        source = self._sources.of(collection)
        with tempfile.TemporaryDirectory() as folder:
            files = {record.key: Path(folder) / str(place) for place, record in enumerate(records)}

            def fetch(record: FileRecord) -> bool:
                body = _download(source.presigned_get(record.key, seconds=URL_SECONDS))
                if body is None or len(body) != record.size:
                    return False  # gone or overwritten: its worker's own write comes
                files[record.key].write_bytes(body)
                return True

            with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
                fetched = [r for r, there in zip(records, pool.map(fetch, records), strict=True) if there]
            told = self._run([str(files[record.key]) for record in fetched]) if fetched else []
        pictures = {}
        for record, answer in zip(fetched, told, strict=True):
            assert record.embedding is not None
            if "vector" in answer:
                vector = struct.pack(f"<{self.dimension}f", *answer["vector"])
                pictures[record.key] = replace(record.embedding, model=self.stamp, vector=vector)
        self._embedded += len(pictures)
        self._say(f"{self._embedded:,} pictures embedded by {self.stamp}")
        return pictures

    def _run(self, arguments: Sequence[str]) -> list[dict[str, Any]]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        done = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if not lines:
            raise ValueError(done.stderr.strip() or "The embedder gave no answer.")
        return lines


def _download(url: str) -> bytes | None:
    answer = requests.get(url, timeout=TIMEOUT_SECONDS)
    return answer.content if answer.ok else None
