"""How a figure is printed and what is taken from a row of timings."""

import statistics
from collections.abc import Callable, Sequence
from time import perf_counter


def figure(name: str, value: float, unit: str) -> None:
    """Three digits, and no exponent."""
    print(
        f"figure {name} {value:.3g} {unit}" if abs(value) < 1_000 else f"figure {name} {value:.0f} {unit}", flush=True
    )


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(act: Callable[[], object], times: int, *, warm: int = 5) -> list[float]:
    """How long ``act`` takes, ``times`` times, after some that do not count."""
    taken = []
    for turn in range(warm + times):
        began = perf_counter()
        act()
        if turn >= warm:
            taken.append((perf_counter() - began) * 1000)
    return taken
