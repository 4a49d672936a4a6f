"""``python -m tests.bench.emulator``: what each kind of request takes the emulator's process, before and now.

The code of an earlier commit and this one run in turns, each on a system of its own, so that other load meets both. A
ratio is the median of the turns' ratios.
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

COUNT, TURNS = 400, 3
EARLIER_COMMIT = "9254aca"  # before the emulator was made quicker
ROOT = Path(__file__).resolve().parents[3]
KINDS = Path(__file__).with_name("kinds.py")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.emulator", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="requests of each kind")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--earlier", default=EARLIER_COMMIT, help="the commit to compare with; empty for none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {"after": ROOT}
        if options.earlier:
            archive = subprocess.run(["git", "archive", options.earlier], cwd=ROOT, check=True, capture_output=True)
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            trees = {"before": Path(folder), **trees}
        turns: dict[str, list[dict[str, float]]] = {when: [] for when in trees}
        for turn in range(options.turns):
            for when in trees if turn % 2 == 0 else reversed(trees):
                turns[when].append(_measured(trees[when], options.count))
    for kind in turns["after"][0]:
        for when, found in turns.items():
            figure(f"emulator_{kind}_{when}_ms", 1000 * median(each[kind] for each in found) / options.count, "ms")
        if "before" in turns:
            pairs = zip(turns["before"], turns["after"], strict=True)
            figure(f"emulator_{kind}_ratio", median(new[kind] / old[kind] for old, new in pairs), "x")


def _measured(tree: Path, count: int) -> dict[str, float]:
    command = [sys.executable, str(KINDS), str(count)]
    run = subprocess.run(command, cwd=tree, env=environ | {"PYTHONPATH": str(tree)}, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
