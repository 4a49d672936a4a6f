"""How fast the SQLite vector store is: ``python -m tests.bench.vectors`` prints a line for each figure.

10,000 unit vectors of 512 in 200 clusters, as pictures of a few hundred kinds would lie; queries lie beside them.
One tenant holds them all, and a second one, of the filtered figure, holds 1 % of what is there.
Each query is timed as the API makes it, with what is shown of the hits; the bare one is a product and a partition.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.vectors import VectorDocument, VectorQuery
from tests.bench.figures import figure, milliseconds

COUNT, OTHERS, DIMENSION, CLUSTERS, QUERIES, BATCH, LIMIT = 10_000, 101, 512, 200, 200, 16, 16
SPREAD = 0.8  # length of the noise against the centre's: neighbours at distances of about 0.4
MODEL = "bench-1+d1"


def main() -> None:
    random = np.random.default_rng(7)
    centres = random.standard_normal((CLUSTERS, DIMENSION))
    vectors, queries = _beside(centres, COUNT + OTHERS, random), _beside(centres, QUERIES, random)
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteVectorStore(Path(folder) / "vectors.sqlite")
        documents = [_document(number, vector) for number, vector in enumerate(vectors)]
        start = time.perf_counter()
        for first in range(0, len(documents), BATCH):
            store.upsert(documents[first : first + BATCH])
        upserts = len(documents) / (time.perf_counter() - start)

        cold = [_cold(store, Path(folder) / "vectors.sqlite", queries[0]) for _ in range(5)]
        # In turns, so that whatever else the machine does meets all of them.
        own, filtered, bare = [], [], []
        for query in queries:
            own.append(_once(lambda query=query: store.search(_query(query))))
            filtered.append(_once(lambda query=query: store.search(_query(query, "other"))))
            bare.append(_once(lambda query=query: _bare(vectors, query)))
    bare_p50, own_p50 = float(np.median(bare)), float(np.median(own))
    figure("store_query_p50_ms", own_p50, "ms")
    figure("store_query_p95_ms", float(np.percentile(own, 95)), "ms")
    figure("store_query_filtered_p50_ms", float(np.median(filtered)), "ms")
    figure("store_bare_p50_ms", bare_p50, "ms")
    figure("store_query_ratio", own_p50 / bare_p50, "x")
    figure("store_cold_load_ms", float(np.median(cold)), "ms")
    figure("store_upserts_per_s", upserts, "1/s")


def _beside(centres: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """(count, DIMENSION) unit vectors, each near one of the centres."""
    noise = SPREAD * random.standard_normal((count, DIMENSION))
    vectors = centres[random.integers(0, CLUSTERS, count)] + noise
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
    return unit


def _document(number: int, vector: NDArray[np.float32]) -> VectorDocument:
    uuid = f"{number:08x}-0000-4000-8000-{number:012x}"
    account = "own" if number < COUNT else "other"
    return VectorDocument(
        uuid, account, account, "bucket", f"photos/{number}.jpg", 1, "0" * 32, MODEL, 1, vector.tobytes()
    )


def _query(vector: NDArray[np.float32], account: str = "own") -> VectorQuery:
    return VectorQuery(account, vector.tobytes(), MODEL, LIMIT)


def _cold(written: SQLiteVectorStore, path: Path, vector: NDArray[np.float32]) -> float:
    """The first search of a process that has nothing in memory, the opening of the file included."""
    fresh = SQLiteVectorStore(path)
    taken = _once(lambda: fresh.search(_query(vector)))
    if fresh.search(_query(vector)) != written.search(_query(vector)):
        sys.exit("Two stores on one file disagree.")
    return taken


def _bare(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.intp]:
    distances = 1 - vectors @ query
    nearest = np.argpartition(distances, LIMIT)[:LIMIT]
    return nearest[np.argsort(distances[nearest])]


def _once(act: Callable[[], object]) -> float:
    return milliseconds(act, 1, warm=0)[0]


if __name__ == "__main__":
    main()
