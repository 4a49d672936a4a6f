"""Syncs, deletions and a purge of five million objects, in simulated time: ``make stress SUITE=continuations``.

OBJECTS says how many. Prints what each took, and ends with an error if one did not end, or came near the guard.
"""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout

from chalicelib import workers
from chalicelib.domain.messages import MAX_CONTINUATIONS
from tests.bench.figures import figure
from tests.stress.continuations.simulation import Chains, LongWork

OBJECTS = int(os.environ.get("OBJECTS", "5000000"))
WORK: dict[str, tuple[Callable[[], LongWork], Callable[[LongWork], Chains]]] = {
    "first_sync": (lambda: LongWork(OBJECTS, scale=1, listed=True, recorded=False), LongWork.run_sync),
    "sync_of_an_emptied_bucket": (lambda: LongWork(OBJECTS, scale=1, listed=False, recorded=True), LongWork.run_sync),
    "deletion": (lambda: LongWork(OBJECTS, scale=1, listed=False, recorded=True), LongWork.run_deletion),
    "purge": (lambda: LongWork(OBJECTS, scale=1, listed=False, recorded=True), LongWork.run_purge),
}


def main() -> int:
    workers.logger.setLevel("CRITICAL")
    failed = []
    for name, (begin, run) in WORK.items():
        work = begin()
        with redirect_stdout(io.StringIO()):  # metrics, a line for each invocation
            chains = run(work)
        figure(f"{name}_invocations", chains.invocations.total(), "invocations")
        figure(f"{name}_continuations", chains.continuations, "continuations")
        figure(f"{name}_longest_invocation", chains.longest, "s")
        figure(f"{name}_duration", chains.days, "days")
        if chains.failed or not work.ended or chains.continuations * 10 > MAX_CONTINUATIONS:
            failed.append(name)
    if failed:
        print(f"These did not end as they should: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
