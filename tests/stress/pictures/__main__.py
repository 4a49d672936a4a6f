"""``make stress SUITE=pictures FOLDER=…``: every file of a folder through the decoder process, beside libvips.

It prints what differs: a file that one of the two refuses, another size, or another picture (8×8 blocks of the squashed
picture differ by more than 6/255 in the mean). Where `pyvips` is not installed it prints what is refused. It ends with
an error only if a file crashes the decoder or is a defect of ours.

Without a FOLDER it decodes the costliest pictures that the limits admit, and prints their time and memory.
"""

import argparse
import math
import sys
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter

import numpy as np

from embedder_container.decode_memory import DecodeMemory
from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.limits import DECODE_MEMORY_BYTES, DECODE_SECONDS, MAX_FILE_BYTES
from embedder_container.models import SHIPPED_MODELS, PreprocessingConfig, load_description
from tests.bench.figures import figure
from tests.stress.pictures.reference import SIDE, Reference, difference, likeness, reference
from tests.stress.pictures.worst import worst_pictures

# At full size, so that a reduced decode is no difference.
SQUARE = PreprocessingConfig(SIDE, "squash", "bicubic", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), full_decode=True)
TOLERANCE = 6.0
FAULTS = (Code.DECODER_CRASHED, Code.INTERNAL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder
    return measure_worst() if folder is None else compare_folder(folder)


def compare_folder(folder: Path) -> int:
    libvips, counts, faults = reference(), Counter[str](), 0
    print(f"beside libvips {libvips.version}" if libvips else "without a reference: pyvips is not installed")
    pool = DecoderPool(SQUARE, processes=1)
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if path.stat().st_size > MAX_FILE_BYTES:
                counts["too_large"] += 1
                continue
            outcome, words = _compare(pool, libvips, path.read_bytes())
            counts[outcome] += 1
            faults += outcome in FAULTS or outcome == "defect"
            if words:
                print(f"{path.relative_to(folder)}: {words}", flush=True)
    finally:
        pool.close()
    for outcome, count in counts.most_common():
        print(f"{count:>8,} {outcome}")
    return int(faults > 0)


def _compare(pool: DecoderPool, libvips: Reference | None, data: bytes) -> tuple[str, str]:
    """Return the outcome in a word, and a sentence about it unless both sides agree."""
    other = libvips.square(data) if libvips else "no reference"
    try:
        own = pool.decode(data, thumbnail=True)
    except ItemError as error:
        if libvips is not None and isinstance(other, str):
            return "refused by both", ""
        opens = "" if libvips is None else ", libvips opens it"
        return error.code.value, f"{error.code.value}{opens}: {error.message}"
    except Exception as error:  # what the suite is meant to find
        return "defect", f"defect: {error}"
    if isinstance(other, str):
        return ("opened", "") if libvips is None else ("opened by us alone", f"libvips does not open it: {other}")
    pixels = 255 * own.pixels[0].transpose(1, 2, 0).astype(np.float64)
    shown, size = other
    if size != (own.width, own.height):
        return "of another size", f"{own.width}×{own.height}, libvips {size[0]}×{size[1]}"
    distance = difference(pixels, shown)
    if distance <= TOLERANCE:
        return "the same", ""
    turned = likeness(pixels, shown)
    return "another picture", f"{distance:.0f}/255 from libvips{f', which shows it {turned}' if turned else ''}"


def measure_worst() -> int:
    """Print seconds, processor seconds and memory of each of the costliest pictures; fails if one is refused."""
    refused, slowest, largest = 0, 0.0, 0.0
    for name, data in worst_pictures():
        # A process for each: its peak is this picture's alone.
        memory = _StatedMemory(2 * DECODE_MEMORY_BYTES, 0, processes=1)
        pool = DecoderPool(load_description(SHIPPED_MODELS, "lite").image, processes=1, memory=memory)
        try:
            pool.start(1)
            (decoder,) = pool._idle.queue
            decoder._wait_until_ready(math.inf)
            assert decoder._process is not None
            process = decoder._process.pid
            start = perf_counter()
            try:
                pool.decode(data, thumbnail=True)
            except ItemError as error:
                print(f"{name}: refused: {error.code}: {error.message}", flush=True)
                refused += 1
                continue
            seconds, megabytes = perf_counter() - start, _peak_megabytes(process)
            slowest, largest = max(slowest, seconds), max(largest, megabytes[1])
            print(
                f"{name}: {seconds:.1f} s, {_processor_seconds(process):.1f} s of the processor, "
                f"{megabytes[0]:,.0f} MB resident, {memory.stated / 1e6:,.0f} MB stated, "
                f"{megabytes[1]:,.0f} MB of address space",
                flush=True,
            )
        finally:
            pool.close()
    figure("worst_picture_s", slowest, "s")
    figure("worst_picture_limit_s", DECODE_SECONDS, "s")
    figure("worst_picture_mb", largest, "MB")
    figure("worst_picture_limit_mb", DECODE_MEMORY_BYTES / 1e6, "MB")
    return int(refused > 0)


class _StatedMemory(DecodeMemory):
    """Keeps how much memory the decoder last said that a picture takes; 0 if that is not much."""

    stated = 0

    def reserve(self, needed: int, deadline: float) -> AbstractContextManager[None]:
        self.stated = needed
        return super().reserve(needed, deadline)


def _peak_megabytes(process: int) -> tuple[float, float]:
    """Return the peaks of resident memory and of address space."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    resident, space = (int(lines.get(key, "0 kB").split()[0]) * 1024 / 1e6 for key in ("VmHWM", "VmPeak"))
    return resident, space


def _processor_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100


if __name__ == "__main__":
    sys.exit(main())
