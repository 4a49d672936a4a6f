"""Filtered searches beside plain ones, on both stores: ``python -m tests.bench.filters [--vectors 30000]``.

The vectors are those of ``tests.bench.pictures``; folders and tags are the collections of ``tests.bench.owners``, whole
kinds of pictures, so that most queries are far from what their filter passes. Plain and filtered searches take turns.
Recall compares with every passing vector in float64.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.vectors import VectorDocument, VectorQuery
from chalicelib.services.ports import VectorStore
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.bench.figures import figure
from tests.bench.opensearch import BATCH_SIZE, merge, store_on, wait_for_merges
from tests.bench.owners import LIMIT, MODEL, OWN, TIE_TOLERANCE, World, query_of, uuid_of
from tests.bench.pictures import Vectors, draw

QUERIES, WARM_UP_QUERIES = 60, 10
CACHE_SECONDS = 10  # of the aliases, as workers and the API have it
COLLECTIONS = ("tenth", "hundredth", "thousandth")
Rows = Callable[[World], NDArray[np.bool_]]


def in_collection(name: str) -> Rows:
    return lambda world: world.collections == name


def by_number(passes: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> Rows:
    return lambda world: passes(np.arange(len(world.vectors)))


def filters(count: int) -> dict[str, tuple[dict[str, Any], Rows]]:
    """Filters as JSON by their names, each with the rows that pass it."""
    by_kind = {f"path_{name}": ({"path": f"{name}/"}, in_collection(name)) for name in COLLECTIONS}
    by_tag = {f"metadata_{name}": ({"metadata": {"tag": name}}, in_collection(name)) for name in COLLECTIONS}
    return {
        **by_kind,
        **by_tag,
        "range_tenth": ({"metadata": {"price": {"lt": count / 10}}}, by_number(lambda rows: rows < count / 10)),
        "size_hundredth": ({"size": {"lt": count // 100}}, by_number(lambda rows: rows < count // 100)),
        "pattern_tenth": ({"path": "*7.jpg"}, by_number(lambda rows: rows % 10 == 7)),
        "size_half": ({"size": {"lt": count // 2}}, by_number(lambda rows: rows < count // 2)),
        "format_all": ({"format": "jpeg"}, by_number(lambda rows: rows >= 0)),
    }


def document(world: World, row: int) -> VectorDocument:
    plain = world.document(row)
    facts: dict[str, Any] = {"size": row, "width": 640, "height": 480, "format": "JPEG"}
    metadata = {"tag": plain.collection, "price": row}
    return replace(plain, file=replace(plain.file, path=f"{plain.collection}/{row}.jpg", metadata=metadata, **facts))


def nearest(world: World, vectors: Vectors, passing: NDArray[np.bool_]) -> list[set[str]]:
    """Returns each query's true neighbours among the rows that pass, with all that are as near as the last of them."""
    rows = np.flatnonzero(passing & (world.accounts == OWN))
    distances = 1 - vectors.astype(np.float64) @ world.vectors[rows].astype(np.float64).T
    last = min(LIMIT, len(rows)) - 1
    farthest = np.partition(distances, last, axis=1)[:, last]
    return [
        {uuid_of(int(row)) for row in rows[of_query <= bound + TIE_TOLERANCE]}
        for of_query, bound in zip(distances, farthest, strict=True)
    ]


def measure(stores: Mapping[str, VectorStore], world: World, vectors: Vectors, size: str, only: str | None) -> None:
    """Print recall and milliseconds of each filter, and the ratio to the plain searches of the same turns."""
    for name, (written, rows) in filters(len(world.vectors)).items():
        if only is not None and only not in name:
            continue
        wanted = parse_filter(written)
        expected = nearest(world, vectors, rows(world))
        for store_name, store in stores.items():
            plain: list[float] = []
            filtered: list[float] = []
            recalls = []
            for vector, neighbours in zip(vectors, expected, strict=True):
                query = query_of(OWN, vector)
                narrowed = replace(query, options=replace(query.options, filter=wanted))
                plain.append(_timed(store, query)[0])
                milliseconds, found = _timed(store, narrowed)
                filtered.append(milliseconds)
                recalls.append(len(found & neighbours) / min(LIMIT, len(neighbours)))
            suffix = f"{store_name}_{name}_{size}"
            figure(f"filtered_recall16_{suffix}", statistics.mean(recalls), "of 1")
            figure(f"filtered_p50_ms_{suffix}", statistics.median(filtered), "ms")
            figure(f"filtered_ratio_{suffix}", statistics.median(filtered) / statistics.median(plain), "x")


def _timed(store: VectorStore, query: VectorQuery) -> tuple[float, set[str]]:
    began = time.perf_counter()
    hits = store.search(query)
    return (time.perf_counter() - began) * 1000, {hit.uuid for hit in hits}


@contextmanager
def filled_stores(alias: str, world: World, count: int) -> Iterator[dict[str, VectorStore]]:
    """Both stores, ``sqlite`` and ``opensearch``, with the first ``count`` documents of the world."""
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder), free_port(), heap_mb=1024) as node:
        local = SQLiteVectorStore(Path(folder) / "vectors.sqlite")
        target = store_on(node, alias).rebuild(MODEL, world.vectors.shape[1])
        for first in range(0, count, BATCH_SIZE):
            batch = [document(world, row) for row in range(first, min(first + BATCH_SIZE, count))]
            local.upsert(batch)
            target.write(batch, [])
        target.serve()
        wait_for_merges(node)
        merge(node, alias)
        remote = store_on(node, alias)
        remote.indexes.cache_seconds = CACHE_SECONDS
        yield {"sqlite": local, "opensearch": remote}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.filters", description=__doc__)
    parser.add_argument("--vectors", type=int, default=30_000, help="how many (default: %(default)s)")
    parser.add_argument("--only", help="measure the filters alone whose names have this in them")
    options = parser.parse_args()
    count = options.vectors
    size = f"{count // 1000}k"
    drawn = draw(count)
    world, vectors = World.of(drawn), drawn.queries[:QUERIES]
    with filled_stores("bench-filters", world, count) as stores:
        for store in stores.values():
            for vector in vectors[:WARM_UP_QUERIES]:
                store.search(query_of(OWN, vector))
        measure(stores, world, vectors, size, options.only)


if __name__ == "__main__":
    main()
