"""Searches composed, filtered, folded and cut beside a plain one, on both stores: ``python -m tests.bench.composed``.

The application's own service searches, without HTTP, a token and the model: what stands around a search makes every
ratio smaller. Texts have the vectors of the queries of ``tests.bench.pictures``. All kinds of searches take turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chalicelib.domain.calibration import Calibration
from chalicelib.domain.calibration_statistics import compute_calibration
from chalicelib.domain.composition import Term, TextTerm
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.calibrations import CalibrationReader
from chalicelib.services.ports import VectorStore
from chalicelib.services.search import RelevanceOptions, SearchService
from tests.bench.figures import figure
from tests.bench.filters import filled_stores
from tests.bench.owners import LIMIT, MODEL, OWN, World
from tests.bench.pictures import Drawn, draw

SAMPLED_PICTURES = 200
TURNS, WARM_UP_TURNS = 200, 30
UNWANTED_WEIGHT = -0.5
FILTER = {"path": "tenth/", "format": "jpeg", "size": {"gte": 10}}
Search = Callable[[SearchService, int], object]


class Texts:
    """Stands for the embedder with its cache: text ``n`` has the vector of the n-th query."""

    def __init__(self, drawn: Drawn) -> None:
        self._vectors = [vector.tobytes() for vector in drawn.queries]

    def embed_texts(self, _account: str, texts: Sequence[str]) -> list[QueryVector]:
        return [QueryVector(MODEL, self._vectors[int(text) % len(self._vectors)]) for text in texts]


class Statistics:
    """A store of one calibration, of every account."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration

    def read(self, _account: str, _model: str) -> Calibration:
        return self._calibration


def search(
    terms: int, *, cutoff: bool = False, filtered: bool = False, shown: bool = False, folded: bool = False
) -> Search:
    """A search for so many texts, of which the first is wanted."""
    options = SearchOptions(limit=LIMIT)
    if filtered:
        options = replace(options, filter=parse_filter(FILTER))
    relevance = RelevanceOptions(cutoff=cutoff, shown=shown)

    def act(service: SearchService, turn: int) -> object:
        query: list[Term] = [
            TextTerm(text=str(turn + 7 * number), weight=UNWANTED_WEIGHT if number else 1.0, field="query")
            for number in range(terms)
        ]
        return service.by_terms(OWN, query, {}, options, relevance=relevance, fold_duplicates=folded)

    return act


SEARCHES: Mapping[str, Search] = {
    "plain": search(1),
    "cut": search(1, cutoff=True),
    "composed": search(3),
    "composed_cut": search(3, cutoff=True, shown=True),
    "filtered": search(1, filtered=True),
    "filtered_cut": search(1, filtered=True, cutoff=True),
    "composed_filtered_cut": search(3, filtered=True, cutoff=True, shown=True),
    "folded": search(1, folded=True),
    "all": search(3, filtered=True, cutoff=True, shown=True, folded=True),
}


def service_on(store: VectorStore, drawn: Drawn) -> SearchService:
    random = np.random.default_rng(5)
    sample = drawn.vectors[random.choice(len(drawn.vectors), SAMPLED_PICTURES, replace=False)].astype(np.float64)
    calibration = compute_calibration(MODEL, sample.tolist(), drawn.queries.astype(np.float64).tolist())
    texts: Any = Texts(drawn)
    statistics_of_all: Any = Statistics(calibration)
    return SearchService(texts, store, CalibrationReader(statistics_of_all, texts))


def measure(services: Mapping[str, SearchService], size: str) -> None:
    """Print the milliseconds of each kind of search, and the ratio to the plain searches of the same turns."""
    for store, service in services.items():
        timings: dict[str, list[float]] = {name: [] for name in SEARCHES}
        for turn in range(WARM_UP_TURNS + TURNS):
            for name, act in SEARCHES.items():
                began = time.perf_counter()
                act(service, turn)
                if turn >= WARM_UP_TURNS:
                    timings[name].append((time.perf_counter() - began) * 1000)
        plain = statistics.median(timings["plain"])
        for name, values in timings.items():
            figure(f"{store}_{name}_p50_ms_{size}", statistics.median(values), "ms")
            if name != "plain":
                figure(f"{store}_{name}_ratio_{size}", statistics.median(values) / plain, "x")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.composed", description=__doc__)
    parser.add_argument("--vectors", type=int, default=30_000, help="how many (default: %(default)s)")
    count = parser.parse_args().vectors
    drawn = draw(count)
    world = World.of(drawn)
    with filled_stores("bench-composed", world, count) as stores:
        measure({name: service_on(store, drawn) for name, store in stores.items()}, f"{count // 1000}k")


if __name__ == "__main__":
    main()
