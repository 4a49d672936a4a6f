"""``make fuzz``: 100,000 damaged files through the decoders; no crash, no hang, no defect, no growth.

Where one is found, the command fails and the input lies in ``build/fuzz/``. SEED chooses other damages.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

from embedder_container.limits import DECODE_SECONDS
from tests.bench.figures import figure
from tests.fuzz.run import fuzz, keep

# Between the first tenth of the run and the last: what allocators keep for later comes and goes.
GROWTH_MB = 40.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where inputs that were found go")
    options = parser.parse_args()
    outcome = fuzz(options.inputs, options.seed, processes=os.cpu_count() or 1, seconds=DECODE_SECONDS)
    for code, count in outcome.counts.most_common():
        print(f"{count:>8,} {code}")
    tenth = max(1, len(outcome.resident_mb) // 10)
    held = [statistics.median(part) for part in (outcome.resident_mb[:tenth], outcome.resident_mb[-tenth:])]
    figure("fuzz_inputs", outcome.counts.total(), "1")
    figure("fuzz_findings", len(outcome.findings), "1")
    figure("fuzz_slowest_s", outcome.slowest_seconds, "s")
    figure("fuzz_growth_mb", held[1] - held[0], "MB")
    keep(outcome.findings, options.keep)
    return int(bool(outcome.findings) or held[1] - held[0] > GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
