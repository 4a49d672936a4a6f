"""What the first sync of a million objects writes to DynamoDB's partitions: ``make stress SUITE=partitions``.

OBJECTS says how many. Prints the busiest seconds of the hottest partition of each table and index, with the pace of
the template and without one, and ends with an error if one with it has more than four fifths of what a partition takes.
"""

import os
import sys

from infra.template import read_template
from infra.workers import WORKERS
from tests.bench.figures import figure
from tests.stress.partitions.simulation import AIM, WINDOW_SECONDS, sync_load

OBJECTS = int(os.environ.get("OBJECTS", "1000000"))
SECONDS_PER_BATCH = {"fast": 0.2, "clip": 16 / 34}  # a small model, and CLIP at 20 pictures a second and processor


def main() -> int:
    default = read_template()["Parameters"]["CollectionWriteUnits"]["Default"]
    workers = sum(row.max_concurrency for row in WORKERS if row.paces_writes)
    too_hot = False
    for pace, units in (("paced", default), ("unpaced", None)):
        for model, seconds in SECONDS_PER_BATCH.items():
            load = sync_load(OBJECTS, workers=workers, units=units, seconds_per_batch=seconds)
            figure(f"{pace}_{model}_objects_a_second", OBJECTS / load.seconds, "objects/s")
            for name in load.names:
                figure(f"{pace}_{model}_{name}_busiest_ten_seconds", load.busiest(name, WINDOW_SECONDS), "units/s")
                figure(f"{pace}_{model}_{name}_busiest_second", load.busiest(name), "units/s")
                too_hot |= units is not None and load.busiest(name, WINDOW_SECONDS) > AIM
    if too_hot:
        print("A partition gets more than four fifths of what it takes.")
    return int(too_hot)


if __name__ == "__main__":
    sys.exit(main())
