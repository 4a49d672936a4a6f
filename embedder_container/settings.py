"""The embedder's settings: the only place that looks at the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedder_container.models import MODELS_SHIPPED

# Lambda grants one vCPU per 1,769 MB of memory.
MEGABYTES_PER_CPU = 1769


@dataclass(frozen=True)
class Settings:
    """What the environment decides.

    `MODEL`, `MODELS_DIR`, `EMBEDDER_THREADS`, `EMBEDDER_EXACT` (`1`: no JPEG is decoded at a reduced size, see
    limits.py), and in local runs only `AWS_ENDPOINT_URL`.
    """

    model: str
    models_dir: Path
    threads: int
    exact: bool
    endpoint: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings; raises ValueError for a number of threads that is none."""
        cpus = os.cpu_count() or 1
        if asked := environ.get("EMBEDDER_THREADS"):
            threads = int(asked)
        elif memory := environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
            threads = min(cpus, round(int(memory) / MEGABYTES_PER_CPU))
        else:
            threads = cpus
        return cls(
            model=environ.get("MODEL") or "lite",
            models_dir=Path(environ.get("MODELS_DIR") or MODELS_SHIPPED),
            threads=max(1, threads),
            exact=environ.get("EMBEDDER_EXACT") == "1",
            endpoint=environ.get("AWS_ENDPOINT_URL") or None,
        )
