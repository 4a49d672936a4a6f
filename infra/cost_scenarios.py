"""What an idle month, a million pictures and a million searches cost, with each store and each memory.

    python -m infra.cost_scenarios

prints two tables. The arithmetic and the prices are those of ``infra.costs``; docs/costs.md explains them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from infra.costs import (
    DAYS,
    FIGURES,
    Domain,
    Line,
    Usage,
    domain_line,
    lines_without_store,
    serverless_line,
    vectors_that_fit,
)

MILLION = 1_000_000
SMALL, LARGE = Domain(1, "t3.small.search", 10), Domain(2, "r7g.medium.search", 20)
SEARCH_HOURS = 12  # of a day, in the scenario of searches
EMBEDDER_MEMORIES = (1024, 1769, 3008, 5307, 10240)  # MB
API_MEMORIES = (512, 1024, 1769, 3008)
LITE_SECONDS, CLIP_SECONDS = 0.02, FIGURES["time"]["embedding_seconds"]  # of a processor for a picture

IDLE = Usage(0, 0, syncs_per_day=0)
PICTURES = Usage(MILLION, 0, syncs_per_day=0)
SEARCHES = Usage(MILLION, MILLION / DAYS, syncs_per_day=0, search_hours=SEARCH_HOURS, thumbnails=0)
Store = Callable[[Usage], Line | None]  # None where the store is too small


def of(domain: Domain) -> Store:
    return lambda usage: domain_line(domain) if usage.pictures <= vectors_that_fit(domain) else None


STORES: dict[str, Store] = {
    f"{SMALL.instances} × t3.small": of(SMALL),
    "1 × r7g.medium": of(replace(LARGE, instances=1)),
    f"{LARGE.instances} × r7g.medium": of(LARGE),
    "Serverless": serverless_line,
}


SCENARIOS = (
    ("an idle month, with nothing in it", IDLE, "month"),
    ("to index a million pictures, once", PICTURES, "once"),
    ("  and to keep them, a month", PICTURES, "month"),
    ("  and a million searches in that month", SEARCHES, "month"),
)


def total(usage: Usage, store: Store) -> Line | None:
    """Everything with a store; None where it is too small."""
    of_store = store(usage)
    if of_store is None:
        return None
    lines = [*lines_without_store(usage), of_store]
    return Line("total", sum(line.once for line in lines), sum(line.month for line in lines))


def embedding(memory: int, seconds: float) -> float:
    """Dollars of Lambda for a million pictures with an embedder of so many MB."""
    usage = replace(PICTURES, memory={**PICTURES.memory, "embedder": memory}, embedding_seconds=seconds)
    return _line(usage, "embed").once


def searching(memory: int) -> float:
    """Dollars of API Gateway, Lambda and logs for a million searches with so many MB of the API's function."""
    usage = replace(SEARCHES, memory={**SEARCHES.memory, "api": memory})
    return _line(usage, "searches").month


def tables() -> list[str]:
    """The lines to print."""
    lines = [_row("dollars", list(STORES))]
    for name, usage, part in SCENARIOS:
        totals = [total(usage, store) for store in STORES.values()]
        lines.append(_row(name, ["too small" if line is None else f"{getattr(line, part):,.2f}" for line in totals]))
    lines += ["", _row("a million pictures: EmbedderMemory", ["processors", "CLIP B/32", "lite"])]
    for memory in EMBEDDER_MEMORIES:
        amounts = [embedding(memory, seconds) for seconds in (CLIP_SECONDS, LITE_SECONDS)]
        processors = memory / FIGURES["memory"]["processor"]
        lines.append(_row(f"  {memory} MB", [f"{processors:.1f}", *(f"{amount:,.2f}" for amount in amounts)]))
    lines += ["", "a million searches: ApiMemory"]
    lines += [_row(f"  {memory} MB", [f"{searching(memory):,.2f}"]) for memory in API_MEMORIES]
    return lines


def _line(usage: Usage, name: str) -> Line:
    return next(line for line in lines_without_store(usage) if name in line.name)


def _row(name: str, values: Sequence[str]) -> str:
    return f"{name:<40}" + "".join(f"{value:>15}" for value in values)


if __name__ == "__main__":
    print("\n".join(tables()))
