"""Sends damaged files to the decoders as the embedder does, and counts the results."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.models import SHIPPED_MODELS, load_description
from tests.bench.resident import resident_mb
from tests.fuzz.corpus import build_corpus
from tests.fuzz.mutations import mutate

# No damage to a file may lead to these codes: they are faults of the decoder, not of the file.
FINDING_CODES = frozenset({Code.DECODER_CRASHED, Code.INTERNAL})


@dataclass
class FuzzReport:
    """How many inputs had each code (and 'decoded'), the findings (code and file), time and memory."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, bytes]] = field(default_factory=list)
    slowest_seconds: float = 0.0
    resident_mb: list[float] = field(default_factory=list)


def fuzz(inputs: int, seed: int, *, processes: int, seconds: float, batch: int = 500) -> FuzzReport:
    """Decode this many damaged files; one that takes longer than `seconds` is a finding.

    Returns:
        the report; `resident_mb` has an entry for each batch after the first.
    """
    pool = DecoderPool(load_description(SHIPPED_MODELS, "lite").image, processes, seconds)
    report = FuzzReport()
    files = _damaged_files(seed)

    def decode(data: bytes) -> tuple[str, float, bytes]:
        start = perf_counter()
        try:
            pool.decode(data, thumbnail=True)
            code = "decoded"
        except ItemError as error:
            timed_out = error.code is Code.TOO_COSTLY and "longer than" in error.message
            code = "hung" if timed_out else error.code.value
        except Exception as error:  # a defect of the decoder, which the fuzzer is meant to find
            code = f"defect: {error}"
        return code, perf_counter() - start, data

    try:
        with ThreadPoolExecutor(processes) as workers:
            for done in range(0, inputs, batch):
                batch_files = [next(files) for _ in range(min(batch, inputs - done))]
                for code, spent, data in workers.map(decode, batch_files):
                    report.counts[code.split(":")[0]] += 1
                    report.slowest_seconds = max(report.slowest_seconds, spent)
                    if code in FINDING_CODES or code == "hung" or code.startswith("defect"):
                        report.findings.append((code, data))
                if done:
                    report.resident_mb.append(resident_mb())
    finally:
        pool.close()
    return report


def save_findings(findings: list[tuple[str, bytes]], folder: Path) -> None:
    """Write each file that is a finding, and its code."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (code, data) in enumerate(findings):
        (folder / f"{number:03}-{code.split(':')[0]}.bin").write_bytes(data)
        (folder / f"{number:03}-{code.split(':')[0]}.txt").write_text(code)


def _damaged_files(seed: int) -> Iterator[bytes]:
    corpus, rng = build_corpus(), random.Random(seed)
    while True:
        yield mutate(corpus, rng)
