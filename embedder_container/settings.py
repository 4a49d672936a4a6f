"""The embedder's settings: only this module reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedder_container.limits import FUNCTION_MEMORY_MB
from embedder_container.models import SHIPPED_MODELS

# Lambda grants one vCPU per 1,769 MB of memory.
MEGABYTES_PER_CPU = 1769


@dataclass(frozen=True)
class Settings:
    """The values of the environment's variables.

    `MODEL`, `MODELS_DIR`, `EMBEDDER_THREADS`, `EMBEDDER_FULL_DECODE` (`1`: no JPEG is decoded at a reduced size, see
    limits.py), and in local runs only `AWS_ENDPOINT_URL` and `LOCAL_SERVERS` (`1`: customers' servers may be on this
    machine). Lambda sets `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`.
    """

    model: str
    models_dir: Path
    threads: int
    full_decode: bool
    memory_mb: int
    endpoint: str | None
    local_servers: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings; raises ValueError if the number of threads is not a number."""
        cpus = os.cpu_count() or 1
        memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        if requested := environ.get("EMBEDDER_THREADS"):
            threads = int(requested)
        elif memory:
            threads = min(cpus, round(int(memory) / MEGABYTES_PER_CPU))
        else:
            threads = cpus
        return cls(
            model=environ.get("MODEL") or "lite",
            models_dir=Path(environ.get("MODELS_DIR") or SHIPPED_MODELS),
            threads=max(1, threads),
            full_decode=environ.get("EMBEDDER_FULL_DECODE") == "1",
            memory_mb=int(memory or FUNCTION_MEMORY_MB),
            endpoint=environ.get("AWS_ENDPOINT_URL") or None,
            local_servers=environ.get("LOCAL_SERVERS") == "1",
        )
