"""Searches on a genuine OpenSearch node: ``python -m tests.bench.opensearch``, some minutes with 100,000 vectors.

``tests.bench.pictures`` draws the vectors and ``tests.bench.owners`` assigns them; numpy computes the true neighbours
in float64. Where two ways are compared, they take turns, so that other load of the machine affects both.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import PROFILES, Sizing, index_body
from chalicelib.adapters.opensearch.search import EF_SEARCH
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.config import OpenSearchProfile
from chalicelib.domain.vectors import VectorDocument
from chalicelib.services.ports import VectorStore
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.bench.figures import figure, milliseconds, percentile
from tests.bench.owners import (
    COLLECTION_FRACTIONS,
    LIMIT,
    MODEL,
    OWN,
    SCATTERED,
    TENANT_SIZES,
    World,
    query_of,
)
from tests.bench.pictures import Drawn, Vectors, draw, intrinsic_dimension
from tests.bench.request_counter import first_page, measure_counting

BATCH_SIZE = 500
EF_SEARCH_VALUES = (32, 64, 128, 256, 512, 1_024)
COLLECTIONS = (*COLLECTION_FRACTIONS, SCATTERED)
BULK_DOCUMENTS = 6_000  # of each way
TENANT_QUERIES, WARM_UP_QUERIES, COMPARED_QUERIES = 60, 50, 100
ADMIN_TIMEOUT_SECONDS, MERGE_TIMEOUT_SECONDS = 60, 3600


def store_on(node: Node, prefix: str, ef: int = EF_SEARCH) -> OpenSearchVectorStore:
    client = OpenSearchClient(connect(node.endpoint))
    indexes = Indexes(client, prefix=prefix, sizing=Sizing(refresh_seconds=1), cache_seconds=0.0)
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes), ef_search=ef)


def fill(node: Node, prefix: str, world: World) -> float:
    """Fill an index as `infra.admin reindex` does; returns the seconds until searches saw everything."""
    began = time.perf_counter()
    target = store_on(node, prefix).rebuild(MODEL, world.vectors.shape[1])
    for first in range(0, len(world.vectors), BATCH_SIZE):
        rows = range(first, min(first + BATCH_SIZE, len(world.vectors)))
        target.write([world.document(row) for row in rows], [])
    target.serve()
    return time.perf_counter() - began


def wait_for_merges(node: Node) -> None:
    """Wait until the node has finished the merges that it does by itself."""
    while True:
        merges = requests.get(f"{node.endpoint}/_stats/merge", timeout=ADMIN_TIMEOUT_SECONDS).json()["_all"]["total"][
            "merges"
        ]
        if merges["current"] == 0:
            return
        time.sleep(1)


def count_segments(node: Node, prefix: str) -> int:
    """Returns how many segments an index has. A search takes each one's graph: more of them find more, but slower."""
    indexes = requests.get(f"{node.endpoint}/{prefix}-*/_segments", timeout=ADMIN_TIMEOUT_SECONDS).json()["indices"]
    return sum(
        len(copy["segments"]) for index in indexes.values() for copies in index["shards"].values() for copy in copies
    )


def merge(node: Node, prefix: str) -> float:
    """Merge the index into one segment, which is hardest to search: one graph alone finds the neighbours, or does not.

    Left alone, an index comes near to that by itself, as merges make few large segments of many small ones.
    """
    began = time.perf_counter()
    requests.post(
        f"{node.endpoint}/{prefix}-*/_forcemerge", params={"max_num_segments": 1}, timeout=MERGE_TIMEOUT_SECONDS
    )
    while count_segments(node, prefix) > 1:
        requests.post(f"{node.endpoint}/{prefix}-*/_refresh", timeout=ADMIN_TIMEOUT_SECONDS)
        time.sleep(1)
    return time.perf_counter() - began


def measure_searches(
    store: VectorStore, vectors: Vectors, collection: str | None, neighbours: Sequence[set[str]]
) -> tuple[list[float], list[float]]:
    """Returns each search's recall@16 and milliseconds."""
    recalls, timings = [], []
    for vector, expected in zip(vectors, neighbours, strict=True):
        query = query_of(OWN, vector, collection)
        began = time.perf_counter()
        hits = store.search(query)
        timings.append((time.perf_counter() - began) * 1000)
        recalls.append(len({hit.uuid for hit in hits} & expected) / min(LIMIT, len(expected)))
    return recalls, timings


def measure_ef_search(
    node: Node, world: World, drawn: Drawn, size: str, name: str, values: Sequence[int] = EF_SEARCH_VALUES
) -> None:
    """Print recall and latency by the number of candidates, without a collection and with each of some."""
    default_recalls: dict[str | None, float] = {}
    for collection in (None, *filter(world.has, COLLECTIONS)):
        neighbours = world.nearest(drawn.queries, OWN, collection)
        for ef in values:
            store = store_on(node, f"bench-{size}", ef)
            recalls, timings = measure_searches(store, drawn.queries, collection, neighbours)
            suffix = f"{name}_{collection or 'all'}_ef{ef}"
            figure(f"recall16_{suffix}", statistics.mean(recalls), "of 1")
            figure(f"knn_p50_ms_{suffix}", statistics.median(timings), "ms")
            figure(f"knn_p95_ms_{suffix}", percentile(timings, 95), "ms")
            if ef == EF_SEARCH:
                default_recalls[collection] = statistics.mean(recalls)
                if collection is None:
                    figure(f"knn_p50_ms_{name}", statistics.median(timings), "ms")
                    figure(f"knn_p95_ms_{name}", percentile(timings, 95), "ms")
                    by_query = list(zip(recalls, drawn.sorts, strict=True))
                    for sort in dict.fromkeys(drawn.sorts):
                        of_sort = [recall for recall, query_sort in by_query if query_sort == sort]
                        figure(f"recall16_{name}_{sort}_queries", statistics.mean(of_sort), "of 1")
    figure(f"recall16_{name}", default_recalls[None], "of 1")
    filtered = [recall for collection, recall in default_recalls.items() if collection]
    figure(f"recall16_{name}_filtered", min(filtered), "of 1")


def measure_tenants(node: Node, world: World, vectors: Vectors, size: str) -> None:
    """Check that small tenants find all they have, and print up to which size comparing every vector is faster."""
    store, crossover = store_on(node, f"bench-{size}"), 0
    for tenant in TENANT_SIZES:
        account = f"tenant-{tenant}"
        if account not in world.accounts:
            continue
        tenant_queries = [query_of(account, vector) for vector in vectors[:TENANT_QUERIES]]
        starved = sum(len(store.search(query)) < min(LIMIT, tenant) for query in tenant_queries)
        figure(f"starved_{tenant}_of_{size}", starved, "searches")
        if starved:
            sys.exit(f"A tenant of {tenant} vectors got fewer results than it has.")
        timings: dict[str, list[float]] = {"knn": [], "script": []}
        for query in tenant_queries:
            timings["knn"] += milliseconds(lambda query=query: store.search(query), 1, warm=0)
            timings["script"] += milliseconds(lambda query=query: store.search_exactly(query), 1, warm=0)
        for way, of_way in timings.items():
            figure(f"{way}_p50_ms_tenant_{tenant}", statistics.median(of_way), "ms")
        if statistics.median(timings["script"]) <= statistics.median(timings["knn"]):
            crossover = tenant
    figure("script_pays_up_to", crossover, "vectors")


def measure_overhead(node: Node, vectors: Vectors, size: str) -> None:
    """Print the time that a search takes beyond the same request by opensearch-py alone."""
    store, bare = store_on(node, f"bench-{size}"), connect(node.endpoint)
    path = f"/{store.indexes.read_alias(MODEL)}/_search"
    ours: list[float] = []
    theirs: list[float] = []
    for turn, vector in enumerate(vectors):
        query = query_of(OWN, vector)
        body = first_page(query)
        ways: list[tuple[list[float], Callable[[], object]]] = [
            (ours, lambda query=query: store.search(query)),
            (theirs, lambda body=body: bare.transport.perform_request("POST", path, body=body)),
        ]
        for timings, send in ways if turn % 2 else reversed(ways):
            timings += milliseconds(send, 1, warm=1)
    figure("adapter_overhead_ms", statistics.median(a - b for a, b in zip(ours, theirs, strict=True)), "ms")


def measure_filling(node: Node, world: World) -> None:
    """Compare filling with a bare loop of opensearch-py's bulk on the same batches, in turns."""
    dimension = world.vectors.shape[1]
    target, bare = store_on(node, "bench-bulk").rebuild(MODEL, dimension), connect(node.endpoint)
    profile = PROFILES[OpenSearchProfile.LUCENE]
    bare.indices.create(index="bare", body=index_body(profile, MODEL, dimension, Sizing()))
    seconds = {"ours": 0.0, "bare": 0.0}
    for turn, first in enumerate(range(0, min(BULK_DOCUMENTS, len(world.vectors)), BATCH_SIZE)):
        documents = [world.document(row) for row in range(first, first + BATCH_SIZE)]
        ways: list[tuple[str, Callable[[], object]]] = [
            ("ours", lambda documents=documents: target.write(documents, [])),
            ("bare", lambda documents=documents: _bare_bulk(bare, documents)),
        ]
        for name, write in ways if turn % 2 else reversed(ways):
            began = time.perf_counter()
            write()
            seconds[name] += time.perf_counter() - began
    figure("bulk_per_s", BULK_DOCUMENTS / seconds["ours"], "1/s")
    figure("bulk_bare_per_s", BULK_DOCUMENTS / seconds["bare"], "1/s")
    figure("bulk_ratio", seconds["bare"] / seconds["ours"], "x")


def _bare_bulk(client: Any, documents: Sequence[VectorDocument]) -> None:
    lines: list[dict[str, Any]] = []
    for document in documents:
        version = {"version": document.version, "version_type": "external_gte"}
        lines.append({"index": {"_index": "bare", "_id": document.uuid, **version}})
        lines.append(queries.document_body(document))
    if client.bulk(body=lines, request_timeout=ADMIN_TIMEOUT_SECONDS)["errors"]:
        sys.exit("OpenSearch rejected documents of the bare loop.")


def compare_with_sqlite(node: Node, world: World, vectors: Vectors, counts: Sequence[int]) -> None:
    """Search the same vectors on the SQLite store and on the node, at several sizes."""
    for count in counts:
        part = world.first(count)
        size = f"{count // 1000}k"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vectors.sqlite"
            local = SQLiteVectorStore(path)
            for first in range(0, count, BATCH_SIZE):
                local.upsert([part.document(row) for row in range(first, min(first + BATCH_SIZE, count))])
            if count != len(world.vectors):
                fill(node, f"bench-{size}", part)
                wait_for_merges(node)
            remote = store_on(node, f"bench-{size}")
            stores: dict[str, VectorStore] = {"embedded": local, "opensearch": remote}  # as the figures are named
            for name, timings in _search_in_turns(stores, vectors[:COMPARED_QUERIES]).items():
                figure(f"{name}_p50_ms_{size}", statistics.median(timings), "ms")
            figure(f"embedded_rss_mb_{size}", _sqlite_memory(path, vectors[0]), "MB")


def _search_in_turns(stores: Mapping[str, VectorStore], vectors: Vectors) -> dict[str, list[float]]:
    timings: dict[str, list[float]] = {name: [] for name in stores}
    for vector in vectors:
        for name, store in stores.items():
            began = time.perf_counter()
            store.search(query_of(OWN, vector))
            timings[name].append((time.perf_counter() - began) * 1000)
    return timings


def _sqlite_memory(path: Path, vector: Vectors) -> float:
    """Returns the MB that a process which searches the file needs beyond one that has only imported the store."""
    code = (
        "import json, os, sys\n"
        "from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore\n"
        "from chalicelib.domain.vectors import SearchOptions, VectorQuery\n"
        "def resident():\n"
        "    return int(os.popen(f'ps -o rss= -p {os.getpid()}').read())\n"
        "path, vector = json.loads(sys.stdin.read())\n"
        "before = resident()\n"
        "store = SQLiteVectorStore(path)\n"
        f"options = SearchOptions(limit={LIMIT})\n"
        f"vector = bytes.fromhex(vector)\n"
        f"store.search(VectorQuery(account={OWN!r}, vector=vector, model={MODEL!r}, options=options))\n"
        "print(resident() - before)\n"
    )
    arguments = json.dumps([str(path), vector.tobytes().hex()])
    process = subprocess.run([sys.executable, "-c", code], input=arguments, capture_output=True, text=True, check=True)
    return int(process.stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.opensearch", description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000, help="how many (default: %(default)s)")
    count = parser.parse_args().vectors
    size = f"{count // 1000}k"
    drawn = draw(count)
    world, vectors = World.of(drawn), drawn.queries
    print(f"{count} vectors of {vectors.shape[1]} drawn after real pictures', {len(vectors)} queries", flush=True)
    figure("intrinsic_dimension_real", intrinsic_dimension(drawn.real), "dimensions")
    figure(f"intrinsic_dimension_{size}", intrinsic_dimension(drawn.vectors), "dimensions")
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder), free_port(), heap_mb=1024) as node:
        measure_filling(node, world)
        seconds = fill(node, f"bench-{size}", world)
        figure(f"fill_s_{size}", seconds, "s")
        began = time.perf_counter()
        wait_for_merges(node)
        figure(f"merged_after_s_{size}", time.perf_counter() - began, "s")
        figure(f"segments_{size}", count_segments(node, f"bench-{size}"), "segments")
        for vector in vectors[:WARM_UP_QUERIES]:  # for the node's own code
            store_on(node, f"bench-{size}").search(query_of(OWN, vector))
        measure_overhead(node, vectors, size)
        measure_ef_search(node, world, drawn, size, f"{size}_as_filled", (EF_SEARCH,))
        figure(f"merge_s_{size}", merge(node, f"bench-{size}"), "s")
        measure_ef_search(node, world, drawn, size, size)
        measure_tenants(node, world, vectors, size)
        alias = store_on(node, f"bench-{size}").indexes.read_alias(MODEL)
        measure_counting(node, alias, "tenant-10", OWN, vectors)
        sizes = [compared for compared in (1_000, 10_000, 100_000) if compared <= count]
        compare_with_sqlite(node, world, vectors, sizes)
        if count > 10_000:
            merge(node, "bench-10k")
            measure_ef_search(node, world.first(10_000), drawn, "10k", "10k")
        figure(f"node_rss_mb_{size}", node.resident_mb(), "MB")


if __name__ == "__main__":
    main()
