"""Vectors on a genuine OpenSearch node: ``python -m tests.bench.opensearch``, some minutes with 100,000 of them.

What they are made of says ``tests.bench.pictures``, whose they are ``tests.bench.owners``; truth is numpy's, in
float64. Where two ways are compared, they take turns, so that whatever else the machine does meets both.
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

import numpy as np
import requests

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.client import OpenSearchCalls, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import LUCENE, Sizing, index_body
from chalicelib.adapters.opensearch.search import EF_SEARCH, SPARE_HITS
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.vectors import VectorDocument, VectorQuery
from chalicelib.services.ports import VectorStore
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.bench.figures import figure, milliseconds, percentile
from tests.bench.owners import LIMIT, MODEL, OWN, SCATTERED, SHARES, TENANTS, World
from tests.bench.pictures import Drawn, Vectors, draw, intrinsic_dimension
from tests.bench.request_counter import counting

BATCH = 500
WIDTHS = (32, 64, 128, 256, 512, 1_024)
FILTERS = (*SHARES, SCATTERED)
BULK = 6_000  # documents a way


def store_on(node: Node, prefix: str, ef: int = EF_SEARCH) -> OpenSearchVectorStore:
    calls = OpenSearchCalls(connect(node.endpoint))
    indexes = Indexes(calls, prefix=prefix, sizing=Sizing(refresh_seconds=1), known_seconds=0.0)
    return OpenSearchVectorStore(calls, indexes, VersionedDocuments(calls, indexes), ef_search=ef)


def fill(node: Node, prefix: str, world: World) -> float:
    """As `infra.admin reindex` fills an index; answers the seconds until searches saw everything."""
    began = time.perf_counter()
    target = store_on(node, prefix).rebuild(MODEL, world.vectors.shape[1])
    for first in range(0, len(world.vectors), BATCH):
        rows = range(first, min(first + BATCH, len(world.vectors)))
        target.write([world.document(row) for row in rows], [])
    target.serve()
    return time.perf_counter() - began


def settle(node: Node) -> None:
    """Wait until the node has merged what it wants to merge."""
    while True:
        merges = requests.get(f"{node.endpoint}/_stats/merge", timeout=60).json()["_all"]["total"]["merges"]
        if merges["current"] == 0:
            return
        time.sleep(1)


def segments(node: Node, prefix: str) -> int:
    """Parts of the index that each search walks for itself: more of them find more, and take longer."""
    answer = requests.get(f"{node.endpoint}/{prefix}-*/_segments", timeout=60).json()["indices"]
    return sum(
        len(copy["segments"]) for index in answer.values() for copies in index["shards"].values() for copy in copies
    )


def merge(node: Node, prefix: str) -> float:
    """Have the index be one segment, which is hardest to search: what is not met on one walk is missed.

    Left alone, an index comes near to that by itself, as merges make few large segments of many small ones.
    """
    began = time.perf_counter()
    requests.post(f"{node.endpoint}/{prefix}-*/_forcemerge", params={"max_num_segments": 1}, timeout=3600)
    while segments(node, prefix) > 1:
        requests.post(f"{node.endpoint}/{prefix}-*/_refresh", timeout=60)
        time.sleep(1)
    return time.perf_counter() - began


def quality(
    store: VectorStore, asked: Vectors, collection: str | None, true: Sequence[set[str]]
) -> tuple[list[float], list[float]]:
    """Each search's recall@16 and milliseconds."""
    shares, taken = [], []
    for vector, wanted in zip(asked, true, strict=True):
        query = VectorQuery(OWN, vector.tobytes(), MODEL, LIMIT, (collection,) if collection else None)
        began = time.perf_counter()
        hits = store.search(query)
        taken.append((time.perf_counter() - began) * 1000)
        shares.append(len({hit.uuid for hit in hits} & wanted) / min(LIMIT, len(wanted)))
    return shares, taken


def widths(node: Node, world: World, drawn: Drawn, size: str, name: str, tried: Sequence[int] = WIDTHS) -> None:
    """Recall and latency by the width of the search, without a collection and with each of some."""
    chosen: dict[str | None, float] = {}
    for collection in (None, *filter(world.has, FILTERS)):
        true = world.nearest(drawn.queries, OWN, collection)
        for ef in tried:
            shares, taken = quality(store_on(node, f"bench-{size}", ef), drawn.queries, collection, true)
            of_this = f"{name}_{collection or 'all'}_ef{ef}"
            figure(f"recall16_{of_this}", statistics.mean(shares), "of 1")
            figure(f"knn_p50_ms_{of_this}", statistics.median(taken), "ms")
            figure(f"knn_p95_ms_{of_this}", percentile(taken, 95), "ms")
            if ef == EF_SEARCH:
                chosen[collection] = statistics.mean(shares)
                if collection is None:
                    figure(f"knn_p50_ms_{name}", statistics.median(taken), "ms")
                    figure(f"knn_p95_ms_{name}", percentile(taken, 95), "ms")
                    for sort in dict.fromkeys(drawn.sorts):
                        of_sort = [share for share, its in zip(shares, drawn.sorts, strict=True) if its == sort]
                        figure(f"recall16_{name}_{sort}_queries", statistics.mean(of_sort), "of 1")
    figure(f"recall16_{name}", chosen[None], "of 1")
    figure(f"recall16_{name}_filtered", min(chosen[each] for each in chosen if each), "of 1")


def tenants(node: Node, world: World, asked: Vectors, size: str) -> None:
    """Whether small tenants find all they have, and from how many vectors on comparing each of them costs more."""
    store, crossover = store_on(node, f"bench-{size}"), 0
    for tenant in TENANTS:
        name = f"tenant-{tenant}"
        if name not in world.accounts:
            continue
        query = [VectorQuery(name, vector.tobytes(), MODEL, LIMIT) for vector in asked[:60]]
        short = sum(len(store.search(each)) < min(LIMIT, tenant) for each in query)
        figure(f"starved_{tenant}_of_{size}", short, "searches")
        if short:
            sys.exit(f"A tenant of {tenant} was given fewer results than it has.")
        ways: dict[str, list[float]] = {"knn": [], "script": []}
        for each in query:
            ways["knn"] += milliseconds(lambda each=each: store.search(each), 1, warm=0)
            ways["script"] += milliseconds(lambda each=each: store.exact(each), 1, warm=0)
        for way, taken in ways.items():
            figure(f"{way}_p50_ms_tenant_{tenant}", statistics.median(taken), "ms")
        if statistics.median(ways["script"]) <= statistics.median(ways["knn"]):
            crossover = tenant
    figure("script_pays_up_to", crossover, "vectors")


def overhead(node: Node, asked: Vectors, size: str) -> None:
    """Our own time in a search, against the same request by opensearch-py alone."""
    store, bare = store_on(node, f"bench-{size}"), connect(node.endpoint)
    path, ours, theirs = f"/{store.indexes.read_alias(MODEL)}/_search", [], []
    for turn, vector in enumerate(asked):
        query = VectorQuery(OWN, vector.tobytes(), MODEL, LIMIT)
        body = queries.nearest(query, queries.floats(query.vector), size=LIMIT + SPARE_HITS, k=EF_SEARCH, ef=EF_SEARCH)
        ways: list[tuple[list[float], Callable[[], object]]] = [
            (ours, lambda query=query: store.search(query)),
            (theirs, lambda body=body: bare.transport.perform_request("POST", path, body=body)),
        ]
        for taken, act in ways if turn % 2 else reversed(ways):
            taken += milliseconds(act, 1, warm=1)
    figure("adapter_overhead_ms", statistics.median(a - b for a, b in zip(ours, theirs, strict=True)), "ms")


def bulk(node: Node, world: World) -> None:
    """Filling against a bare loop of opensearch-py's bulk with the same batches, in turns."""
    dimension = world.vectors.shape[1]
    target, bare = store_on(node, "bench-bulk").rebuild(MODEL, dimension), connect(node.endpoint)
    bare.indices.create(index="bare", body=index_body(LUCENE, MODEL, dimension, Sizing()))
    seconds = {"ours": 0.0, "bare": 0.0}
    for turn, first in enumerate(range(0, min(BULK, len(world.vectors)), BATCH)):
        documents = [world.document(row) for row in range(first, first + BATCH)]
        ways: list[tuple[str, Callable[[], object]]] = [
            ("ours", lambda documents=documents: target.write(documents, [])),
            ("bare", lambda documents=documents: _bare_bulk(bare, documents)),
        ]
        for name, act in ways if turn % 2 else reversed(ways):
            began = time.perf_counter()
            act()
            seconds[name] += time.perf_counter() - began
    figure("bulk_per_s", BULK / seconds["ours"], "1/s")
    figure("bulk_bare_per_s", BULK / seconds["bare"], "1/s")
    figure("bulk_ratio", seconds["bare"] / seconds["ours"], "x")


def _bare_bulk(client: Any, documents: Sequence[VectorDocument]) -> None:
    lines: list[dict[str, Any]] = []
    for d in documents:
        lines.append({"index": {"_index": "bare", "_id": d.uuid, "version": d.version, "version_type": "external_gte"}})
        lines.append(queries.document(d, np.frombuffer(d.vector, "<f4").tolist()))
    if client.bulk(body=lines, request_timeout=60)["errors"]:
        sys.exit("The bare loop was refused something.")


def beside_embedded(node: Node, world: World, asked: Vectors, counts: Sequence[int]) -> None:
    """The embedded store and the node on the same vectors, at several sizes."""
    for count in counts:
        part = world.first(count)
        size = f"{count // 1000}k"
        with tempfile.TemporaryDirectory() as folder:
            embedded = SQLiteVectorStore(Path(folder) / "vectors.sqlite")
            for first in range(0, count, BATCH):
                embedded.upsert([part.document(row) for row in range(first, min(first + BATCH, count))])
            if count != len(world.vectors):
                fill(node, f"bench-{size}", part)
                settle(node)
            remote = store_on(node, f"bench-{size}")
            for name, taken in _in_turns({"sqlite": embedded, "opensearch": remote}, asked[:100]).items():
                figure(f"{name}_p50_ms_{size}", statistics.median(taken), "ms")
            figure(f"embedded_rss_mb_{size}", _embedded_memory(Path(folder) / "vectors.sqlite", asked[0]), "MB")


def _in_turns(stores: Mapping[str, VectorStore], asked: Vectors) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in stores}
    for vector in asked:
        for name, store in stores.items():
            began = time.perf_counter()
            store.search(VectorQuery(OWN, vector.tobytes(), MODEL, LIMIT))
            taken[name].append((time.perf_counter() - began) * 1000)
    return taken


def _embedded_memory(path: Path, vector: Vectors) -> float:
    """What a process holds that searches the file, beyond one that has only imported it."""
    code = (
        "import json, os, sys\n"
        "from chalicelib.adapters.sqlite.vector_store import EmbeddedVectorStore\n"
        "from chalicelib.domain.vectors import VectorQuery\n"
        "def resident():\n"
        "    listed = os.popen(f'ps -o rss= -p {os.getpid()}').read()\n"
        "    return int(listed)\n"
        "path, vector = json.loads(sys.stdin.read())\n"
        "before = resident()\n"
        "store = EmbeddedVectorStore(path)\n"
        f"store.search(VectorQuery('own', bytes.fromhex(vector), {MODEL!r}, 16))\n"
        "print(resident() - before)\n"
    )
    told = json.dumps([str(path), vector.tobytes().hex()])
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.opensearch", description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000, help="how many (default: %(default)s)")
    count = parser.parse_args().vectors
    size = f"{count // 1000}k"
    drawn = draw(count)
    world, asked = World.of(drawn), drawn.queries
    print(f"{count} vectors of {asked.shape[1]} drawn after real pictures', {len(asked)} queries", flush=True)
    figure("intrinsic_dimension_real", intrinsic_dimension(drawn.real), "dimensions")
    figure(f"intrinsic_dimension_{size}", intrinsic_dimension(drawn.vectors), "dimensions")
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder), free_port(), heap_mb=1024) as node:
        bulk(node, world)
        seconds = fill(node, f"bench-{size}", world)
        figure(f"fill_s_{size}", seconds, "s")
        began = time.perf_counter()
        settle(node)
        figure(f"merged_after_s_{size}", time.perf_counter() - began, "s")
        figure(f"segments_{size}", segments(node, f"bench-{size}"), "segments")
        for vector in asked[:50]:  # the node's own code gets warm
            store_on(node, f"bench-{size}").search(VectorQuery(OWN, vector.tobytes(), MODEL, LIMIT))
        overhead(node, asked, size)
        widths(node, world, drawn, size, f"{size}_as_filled", (EF_SEARCH,))
        figure(f"merge_s_{size}", merge(node, f"bench-{size}"), "s")
        widths(node, world, drawn, size, size)
        tenants(node, world, asked, size)
        alias = store_on(node, f"bench-{size}").indexes.read_alias(MODEL)
        counting(node, alias, MODEL, "tenant-10", "own", asked)
        beside_embedded(node, world, asked, [each for each in (1_000, 10_000, 100_000) if each <= count])
        if count > 10_000:
            merge(node, "bench-10k")
            widths(node, world.first(10_000), drawn, "10k", "10k")
        figure(f"node_rss_mb_{size}", node.resident_mb(), "MB")


if __name__ == "__main__":
    main()
