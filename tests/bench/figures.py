"""Prints figures, and takes timings and their percentiles."""

import statistics
from collections.abc import Callable, Sequence
from time import perf_counter


def figure(name: str, value: float, unit: str) -> None:
    """Prints a figure with three digits, without an exponent."""
    print(
        f"figure {name} {value:.3g} {unit}" if abs(value) < 1_000 else f"figure {name} {value:.0f} {unit}", flush=True
    )


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(act: Callable[[], object], times: int, *, warm: int = 5) -> list[float]:
    """The durations of ``times`` calls of ``act``, after ``warm`` calls that are not counted."""
    durations = []
    for turn in range(warm + times):
        started = perf_counter()
        act()
        if turn >= warm:
            durations.append((perf_counter() - started) * 1000)
    return durations
