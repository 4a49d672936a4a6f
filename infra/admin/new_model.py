"""Runs a model that is not deployed yet, in a process without credentials because it opens strangers' pictures."""

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord
from chalicelib.services.ports import Sources
from infra.admin.command import Report
from infra.package import ROOT

CONCURRENT_DOWNLOADS = 8
SOURCE_URL_SECONDS = 900
DOWNLOAD_TIMEOUT_SECONDS = 60
PASSED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "MODELS_DIR")


class NewModel:
    """``version`` is the model version of the embeddings, ``dimension`` that of their vectors.

    Raises:
        ValueError: there is no such model; the message is the embedder's.
    """

    def __init__(self, name: str, sources: Sources, report: Report, *, full_decode: bool = False) -> None:
        options = ["--full-decode"] if full_decode else []
        self._command = [sys.executable, "-m", "embedder_container.embed", "--model", name, *options]
        self._sources = sources
        self._report = report
        self._embedded = 0
        (sample,) = self._run(["--text", "a picture"])
        self.version: str = sample["model"]
        self.dimension: int = sample["dimension"]

    def embed(self, collection: Collection, records: Sequence[FileRecord]) -> dict[str, ImageEmbedding]:
        """The model's embeddings of the records' objects, by key, without those that cannot be read now."""
        source = self._sources.of(collection)
        with tempfile.TemporaryDirectory() as folder:
            files = {record.key: Path(folder) / str(number) for number, record in enumerate(records)}

            def download(record: FileRecord) -> bool:
                body = _download(source.presigned_get(record.key, seconds=SOURCE_URL_SECONDS))
                if body is None or len(body) != record.size:
                    return False  # removed or overwritten: the worker that handles the change embeds it
                files[record.key].write_bytes(body)
                return True

            with ThreadPoolExecutor(CONCURRENT_DOWNLOADS) as pool:
                downloads = zip(records, pool.map(download, records), strict=True)
                downloaded = [record for record, succeeded in downloads if succeeded]
            results = self._run([str(files[record.key]) for record in downloaded]) if downloaded else []
        embeddings = {}
        for record, result in zip(downloaded, results, strict=True):
            assert record.embedding is not None
            if "vector" in result:
                vector = struct.pack(f"<{self.dimension}f", *result["vector"])
                embeddings[record.key] = replace(record.embedding, model=self.version, vector=vector)
        self._embedded += len(embeddings)
        self._report(f"{self._embedded:,} pictures embedded by {self.version}")
        return embeddings

    def _run(self, arguments: Sequence[str]) -> list[dict[str, Any]]:
        """Run the embedder's command; returns an object for each of its inputs."""
        environment = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
        process = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        results = [json.loads(line) for line in process.stdout.splitlines()]
        if not results:
            raise ValueError(process.stderr.strip() or "The embedder returned nothing.")
        return results


def _download(url: str) -> bytes | None:
    response = requests.get(url, timeout=DOWNLOAD_TIMEOUT_SECONDS)
    return response.content if response.ok else None
