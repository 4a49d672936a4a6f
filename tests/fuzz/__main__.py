"""``make stress SUITE=fuzz``: 100,000 damaged files through the decoders, without crash, hang, defect or memory growth.

If there is a finding, the command fails and the file is in ``build/fuzz/``. SEED chooses other damage.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

from embedder_container.limits import DECODE_SECONDS
from tests.bench.figures import figure
from tests.fuzz.run import fuzz, save_findings

# Between the first and the last tenth of the run: allocators keep and release memory all the time.
MAX_GROWTH_MB = 40.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="the folder for files that are findings")
    options = parser.parse_args()
    report = fuzz(options.inputs, options.seed, processes=os.cpu_count() or 1, seconds=DECODE_SECONDS)
    for code, count in report.counts.most_common():
        print(f"{count:>8,} {code}")
    tenth = max(1, len(report.resident_mb) // 10)
    first, last = (statistics.median(part) for part in (report.resident_mb[:tenth], report.resident_mb[-tenth:]))
    figure("fuzz_inputs", report.counts.total(), "1")
    figure("fuzz_findings", len(report.findings), "1")
    figure("fuzz_slowest_s", report.slowest_seconds, "s")
    figure("fuzz_growth_mb", last - first, "MB")
    save_findings(report.findings, options.keep)
    return int(bool(report.findings) or last - first > MAX_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
