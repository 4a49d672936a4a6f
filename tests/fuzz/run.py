"""Feeds damaged files to the decoders as the embedder does, and watches what becomes of them."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.models import MODELS_SHIPPED, load_description
from tests.bench.resident import resident_mb
from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated

# What no damage to a file may lead to: these say something of the decoder, not of the file.
FINDINGS = frozenset({Code.DECODER_CRASHED, Code.INTERNAL})


@dataclass
class Outcome:
    """What became of all inputs: how many of each code (and 'decoded'), what was found, how memory and time went."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, bytes]] = field(default_factory=list)
    slowest_seconds: float = 0.0
    resident_mb: list[float] = field(default_factory=list)


def fuzz(inputs: int, seed: int, *, processes: int, seconds: float, batch: int = 500) -> Outcome:
    """Decode so many damaged files; one that takes longer than `seconds` is a finding.

    Returns:
        the outcome; `resident_mb` has an entry for each batch after the first.
    """
    pool = DecoderPool(load_description(MODELS_SHIPPED, "lite").image, processes, seconds)
    outcome = Outcome()
    files = _files(seed)

    def decode(data: bytes) -> tuple[str, float, bytes]:
        began = perf_counter()
        try:
            pool.decode(data, thumbnail=True)
            code = "decoded"
        except ItemError as error:
            hung = error.code is Code.TOO_COSTLY and "longer than" in error.message
            code = "hung" if hung else error.code.value
        except Exception as error:  # a defect of ours, which the fuzzer exists to find
            code = f"defect: {error}"
        return code, perf_counter() - began, data

    try:
        with ThreadPoolExecutor(processes) as workers:
            for done in range(0, inputs, batch):
                for code, spent, data in workers.map(decode, [next(files) for _ in range(min(batch, inputs - done))]):
                    outcome.counts[code.split(":")[0]] += 1
                    outcome.slowest_seconds = max(outcome.slowest_seconds, spent)
                    if code in FINDINGS or code == "hung" or code.startswith("defect"):
                        outcome.findings.append((code, data))
                if done:
                    outcome.resident_mb.append(resident_mb())
    finally:
        pool.close()
    return outcome


def keep(findings: list[tuple[str, bytes]], folder: Path) -> None:
    """Write each input that was a finding, for a closer look."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (code, data) in enumerate(findings):
        (folder / f"{number:03}-{code.split(':')[0]}.bin").write_bytes(data)
        (folder / f"{number:03}-{code.split(':')[0]}.txt").write_text(code)


def _files(seed: int) -> Iterator[bytes]:
    known, chance = corpus(), random.Random(seed)
    while True:
        yield mutated(known, chance)
