"""``make bench SUITE=bulk``: 1,000 copies, deletions and a first sync, by an earlier commit and by this one.

Both run in turns on one machine, each on a system of its own, so that other load meets both. A ratio is the median of
the turns' ratios. Of each flow: seconds, objects a second, and which process has used how much of the processors.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from os import environ
from pathlib import Path
from statistics import median

from tests.bench.figures import figure

COPIES, FILES, OBJECTS, TURNS = 1_000, 500, 2_000, 3
EARLIER_COMMIT = "fee4807"  # before events of one collection were handled together
ROOT = Path(__file__).resolve().parents[3]
FLOWS = Path(__file__).with_name("flows.py")

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk", description=__doc__)
    parser.add_argument("--copies", type=int, default=COPIES, help="objects that are copied, then deleted")
    parser.add_argument("--files", type=int, default=FILES, help="files that are uploaded, then deleted")
    parser.add_argument("--objects", type=int, default=OBJECTS, help="objects of the first sync")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--earlier", default=EARLIER_COMMIT, help="the commit to compare with; empty for none")
    parser.add_argument("--count", action="store_true", help="count requests, which takes longer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {"after": ROOT}
        if options.earlier:
            trees = {"before": _extracted(options.earlier, Path(folder)), **trees}
        turns: dict[str, list[dict[str, Figures]]] = {when: [] for when in trees}
        sizes = [*map(str, (options.copies, options.files, options.objects)), *(["--count"] if options.count else [])]
        for turn in range(options.turns):
            for when in trees if turn % 2 == 0 else reversed(trees):
                turns[when].append(_measured(trees[when], sizes))
    counts = {"copies": options.copies, "deletes": options.copies, "file_deletes": options.files}
    counts["first_sync"] = counts["first_sync_of_copies"] = options.objects
    for flow in turns["after"][0]:
        for when, found in turns.items():
            _print(f"bulk_{flow}_{when}", [measured[flow] for measured in found], counts[flow])
        if "before" in turns:
            seconds = {when: [measured[flow]["s"] for measured in found] for when, found in turns.items()}
            ratios = [old / new for old, new in zip(seconds["before"], seconds["after"], strict=True)]
            figure(f"bulk_{flow}_ratio", median(ratios), "x")


def _extracted(commit: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def _measured(tree: Path, sizes: list[str]) -> dict[str, Figures]:
    run = subprocess.run(
        [sys.executable, str(FLOWS), *sizes],
        cwd=tree,
        env=environ | {"PYTHONPATH": str(tree)},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Figures] = json.loads(run.stdout.splitlines()[-1])
    return found


def _print(name: str, turns: list[Figures], objects: int) -> None:
    medians = {key: median(turn.get(key, 0) for turn in turns) for key in {key for turn in turns for key in turn}}
    figure(f"{name}_s", medians.pop("s"), "s")
    for key, value in sorted(medians.items()):
        if key.endswith("_s"):
            figure(f"{name}_{key.removesuffix('_s')}_ms", 1000 * value / objects, "ms an object")
        else:
            figure(f"{name}_{key}", value / objects, "an object")


if __name__ == "__main__":
    main()
