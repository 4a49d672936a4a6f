"""The speed of the SQLite vector store: ``python -m tests.bench.vectors`` prints a line for each figure.

10,000 unit vectors of 512 in 200 clusters, like pictures of a few hundred kinds; queries are near the same centres.
One tenant has them all, and a second one, of the filtered figure, has 1 % more.
Each query is timed as the API makes it, file summaries included; the bare one is a product and a partition.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.vectors import FileSummary, SearchOptions, VectorDocument, VectorQuery
from tests.bench.figures import figure, milliseconds

OWN_COUNT, OTHER_COUNT, DIMENSION, CLUSTERS = 10_000, 101, 512, 200
QUERIES, LIMIT = 200, 16
BATCH_SIZE = 16
COLD_STARTS = 5
SPREAD = 0.8  # length of the noise against the centre's: neighbours at distances of about 0.4
MODEL = "bench-1+d1"


def main() -> None:
    random = np.random.default_rng(7)
    centres = random.standard_normal((CLUSTERS, DIMENSION))
    vectors, queries = _near(centres, OWN_COUNT + OTHER_COUNT, random), _near(centres, QUERIES, random)
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteVectorStore(Path(folder) / "vectors.sqlite")
        documents = [_document(number, vector) for number, vector in enumerate(vectors)]
        start = time.perf_counter()
        for first in range(0, len(documents), BATCH_SIZE):
            store.upsert(documents[first : first + BATCH_SIZE])
        upserts = len(documents) / (time.perf_counter() - start)

        cold = [_cold(store, Path(folder) / "vectors.sqlite", queries[0]) for _ in range(COLD_STARTS)]
        # In turns, so that other load of the machine affects all of them.
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


def _near(centres: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Returns (count, DIMENSION) unit vectors, each near one of the centres."""
    noise = SPREAD * random.standard_normal((count, DIMENSION))
    vectors = centres[random.integers(0, CLUSTERS, count)] + noise
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
    return unit


def _document(number: int, vector: NDArray[np.float32]) -> VectorDocument:
    uuid = f"{number:08x}-0000-4000-8000-{number:012x}"
    account = "own" if number < OWN_COUNT else "other"
    return VectorDocument(
        uuid=uuid,
        account=account,
        model=MODEL,
        version=1,
        vector=vector.tobytes(),
        file=FileSummary(collection=account, bucket="bucket", key=f"photos/{number}.jpg", size=1, md5="0" * 32),
    )


def _query(vector: NDArray[np.float32], account: str = "own") -> VectorQuery:
    options = SearchOptions(limit=LIMIT)
    return VectorQuery(account=account, vector=vector.tobytes(), model=MODEL, options=options)


def _cold(written: SQLiteVectorStore, path: Path, vector: NDArray[np.float32]) -> float:
    """Returns the milliseconds of a process' first search, the opening of the file included."""
    fresh = SQLiteVectorStore(path)
    duration = _once(lambda: fresh.search(_query(vector)))
    if fresh.search(_query(vector)) != written.search(_query(vector)):
        sys.exit("Two stores on one file disagree.")
    return duration


def _bare(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.intp]:
    distances = 1 - vectors @ query
    nearest = np.argpartition(distances, LIMIT)[:LIMIT]
    return nearest[np.argsort(distances[nearest])]


def _once(work: Callable[[], object]) -> float:
    return milliseconds(work, 1, warm=0)[0]


if __name__ == "__main__":
    main()
