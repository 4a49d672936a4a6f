"""Quantised vectors beside full ones on a genuine OpenSearch node: ``python -m tests.bench.quantisation``.

The same vectors, those of ``tests.bench.pictures``, are in an index of each kind, merged to one segment. For each kind:
recall@16 and milliseconds of a search, by how its distances come about and by what it filters; documents a second of a
bulk; the files on the disk; and how much of them 160 searches read into the page cache, from an empty one. Kinds and
ways of searching take turns. ``--folder`` keeps the node's data, so that filling and measuring can be two runs.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import requests

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import PROFILES, Json, Profile, Sizing
from chalicelib.adapters.opensearch.search import EF_SEARCH, OVERSAMPLING, SPARE_HITS
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.config import OpenSearchProfile
from chalicelib.domain.vectors import VectorQuery, unit_vector
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.bench.figures import figure, percentile
from tests.bench.opensearch import ADMIN_TIMEOUT_SECONDS, BATCH_SIZE, count_segments, merge, wait_for_merges
from tests.bench.owners import LIMIT, MODEL, OWN, SCATTERED, World, query_of
from tests.bench.pictures import Vectors, draw

HEAP_MB = 1024
SIZE = LIMIT + SPARE_HITS
COLLECTIONS = (None, "tenth", SCATTERED, "hundredth", "thousandth")
BULK_DOCUMENTS = 4_000  # of each kind
WARM_UP_QUERIES = 40
NOT_MAPPED = ["veq", "segments_N", "write.lock", "si", "cfe", "fnm", "fdx", "fdt", "pos", "pay", "nvm", "tvx", "tvd"]
VECTOR_FILES = {"vec": "full", "veq": "quantised", "vex": "graph"}  # by how their names end
Body = Callable[[VectorQuery, Sequence[float]], Json]


class ReadIndexes(Indexes):
    """Indexes whose quantised vectors are read from the file instead of mapped into memory.

    Vectors of one bit that are mapped are compared by k-NN's native library, which is not published; else by Lucene,
    with the same result, and slower.
    """

    def body(self, model: str, dimension: int) -> Json:
        body = super().body(model, dimension)
        body["settings"]["index"]["store.hybrid.nio.extensions"] = NOT_MAPPED
        return body


def with_encoder(**parameters: float) -> Profile:
    """An encoder of so many ``bits``, perhaps between the quantiles of a ``confidence_interval``; 0 looks for them."""

    def mapping(dimension: int) -> Json:
        vector = PROFILES[OpenSearchProfile.LUCENE].vector_mapping(dimension)
        vector["method"]["parameters"]["encoder"]["parameters"] = parameters
        return vector

    return Profile(mapping)


KINDS: Mapping[str, Profile] = {
    "uncompressed": PROFILES[OpenSearchProfile.LUCENE_UNCOMPRESSED],
    "7_bits": PROFILES[OpenSearchProfile.LUCENE],
    "1_bit": with_encoder(bits=1),
    "default_interval": with_encoder(bits=7),
    "interval_0.9": with_encoder(bits=7, confidence_interval=0.9),
    "dynamic_interval": with_encoder(bits=7, confidence_interval=0),
}
DEFAULT_KINDS = ("uncompressed", "7_bits")


def as_found(query: VectorQuery, vector: Sequence[float]) -> Json:
    """Distances of the graph's own vectors, quantised or not."""
    body = queries.approximate_search(query, vector, size=SIZE, k=EF_SEARCH)
    body["query"]["knn"]["vector"] |= {"method_parameters": {"ef_search": EF_SEARCH}, "rescore": False}
    return body


def by_the_engine(query: VectorQuery, vector: Sequence[float]) -> Json:
    """Distances of all candidates' own vectors."""
    body = as_found(query, vector)
    body["query"]["knn"]["vector"]["rescore"] = {"oversample_factor": 1.0}
    return body


def by_script(candidates: int) -> Body:
    """Distances of so many candidates' own vectors."""

    def body(query: VectorQuery, vector: Sequence[float]) -> Json:
        return queries.rescored_search(query, vector, size=SIZE, k=candidates, ef=EF_SEARCH)

    return body


def with_vectors(query: VectorQuery, vector: Sequence[float]) -> Json:
    """What a search that computes distances itself would ask for: each hit with its vector."""
    body = as_found(query, vector)
    return body | {"_source": [*body["_source"], "vector"]}


WAYS: Mapping[str, Body] = {
    "as_found": as_found,
    f"script_{OVERSAMPLING * SIZE}": by_script(OVERSAMPLING * SIZE),  # the store's own
    f"script_{SIZE}": by_script(SIZE),
    f"script_{EF_SEARCH}": by_script(EF_SEARCH),
    "engine": by_the_engine,
    "with_vectors": with_vectors,
}
FILTERED_WAYS = tuple(WAYS)[:2]


def store_of(node: Node, kind: str, prefix: str) -> OpenSearchVectorStore:
    client = OpenSearchClient(connect(node.endpoint))
    prefix = f"{prefix}-{kind.replace('_', '-')}"
    made = ReadIndexes if kind == "1_bit" else Indexes
    indexes = made(client, prefix=prefix, profile=KINDS[kind], sizing=Sizing(refresh_seconds=60), cache_seconds=0.0)
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes))


def fill(node: Node, kind: str, world: World, size: str) -> None:
    """Fill and merge an index of this kind, unless an earlier run has."""
    store = store_of(node, kind, size)
    prefix = f"{size}-{kind.replace('_', '-')}"
    if not any(index.has_read_alias for index in store.indexes.all(fresh=True)):
        began = time.perf_counter()
        target = store.rebuild(MODEL, world.vectors.shape[1])
        for first in range(0, len(world.vectors), BATCH_SIZE):
            rows = range(first, min(first + BATCH_SIZE, len(world.vectors)))
            target.write([world.document(row) for row in rows], [])
        target.serve()
        figure(f"fill_s_{kind}_{size}", time.perf_counter() - began, "s")
    if count_segments(node, prefix) > 1:
        wait_for_merges(node)
        figure(f"merge_s_{kind}_{size}", merge(node, prefix), "s")


def measure_bulk(node: Node, kinds: Sequence[str], world: World) -> None:
    """Fill an index of each kind with some documents, batches in turns."""
    targets = {kind: store_of(node, kind, "bulk").rebuild(MODEL, world.vectors.shape[1]) for kind in kinds}
    seconds: dict[str, float] = defaultdict(float)
    for first in range(0, BULK_DOCUMENTS, BATCH_SIZE):
        documents = [world.document(row) for row in range(first, first + BATCH_SIZE)]
        for kind, target in targets.items():
            began = time.perf_counter()
            target.write(documents, [])
            seconds[kind] += time.perf_counter() - began
    for kind in kinds:
        figure(f"bulk_per_s_{kind}", BULK_DOCUMENTS / seconds[kind], "1/s")
        figure(f"bulk_ratio_{kind}", seconds[kinds[0]] / seconds[kind], "x")
        store_of(node, kind, "bulk").abandon()


def measure_searches(node: Node, kinds: Sequence[str], world: World, vectors: Vectors, size: str) -> None:
    """Print recall and milliseconds of each kind and way, unfiltered and filtered."""
    client = OpenSearchClient(connect(node.endpoint))
    aliases = {kind: store_of(node, kind, size).indexes.read_alias(MODEL) for kind in kinds}
    for vector in vectors[:WARM_UP_QUERIES]:
        for kind in kinds:
            store_of(node, kind, size).search(query_of(OWN, vector))
    for collection in COLLECTIONS:
        expected = world.nearest(vectors, OWN, collection)
        ways = WAYS if collection is None else {way: WAYS[way] for way in FILTERED_WAYS}
        recalls: dict[tuple[str, str], list[float]] = defaultdict(list)
        timings: dict[tuple[str, str], list[float]] = defaultdict(list)
        for vector, neighbours in zip(vectors, expected, strict=True):
            query = query_of(OWN, vector, collection)
            for way, body in ways.items():
                for kind, alias in aliases.items():
                    sent = body(query, unit_vector(query.vector))
                    began = time.perf_counter()
                    response = client.request("POST", f"/{alias}/_search", sent)
                    timings[kind, way].append((time.perf_counter() - began) * 1000)
                    found = {candidate.hit.uuid for candidate in queries.candidates(response)[:LIMIT]}
                    recalls[kind, way].append(len(found & neighbours) / min(LIMIT, len(neighbours)))
        for (kind, way), of_way in recalls.items():
            name = f"{kind}_{way}_{collection or 'all'}_{size}"
            figure(f"recall16_{name}", statistics.mean(of_way), "of 1")
            figure(f"p50_ms_{name}", statistics.median(timings[kind, way]), "ms")
            figure(f"p95_ms_{name}", percentile(timings[kind, way], 95), "ms")


def measure_files(node: Node, kinds: Sequence[str], vectors: Vectors, size: str) -> None:
    """Print the MB of each index on the disk, and what searches read of its vectors into an empty page cache."""
    for kind in kinds:
        store = store_of(node, kind, size)
        (index,) = [index.name for index in store.indexes.all(fresh=True) if index.has_read_alias]
        folder = _folder(node, index)
        _post(node, f"/{index}/_close")  # only then does the node let go of the files
        for path in folder.iterdir():
            _evict(path)
        _post(node, f"/{index}/_open", wait_for_active_shards="1")
        for vector in vectors:
            store.search(query_of(OWN, vector))
        figure(f"disk_mb_{kind}_{size}", sum(path.stat().st_size for path in folder.iterdir()) / 1e6, "MB")
        for suffix, name in VECTOR_FILES.items():
            paths = list(folder.glob(f"*.{suffix}"))
            figure(f"disk_{name}_mb_{kind}_{size}", sum(path.stat().st_size for path in paths) / 1e6, "MB")
            figure(f"cached_{name}_mb_{kind}_{size}", sum(map(_cached, paths)) / 1e6, "MB")


def _folder(node: Node, index: str) -> Path:
    settings: Any = requests.get(f"{node.endpoint}/{index}/_settings", timeout=ADMIN_TIMEOUT_SECONDS).json()
    uuid = settings[index]["settings"]["index"]["uuid"]
    return node.folder / "data" / "nodes" / "0" / "indices" / uuid / "0" / "index"


def _post(node: Node, path: str, **params: str) -> None:
    requests.post(node.endpoint + path, params=params, timeout=ADMIN_TIMEOUT_SECONDS).raise_for_status()


def _evict(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _cached(path: Path) -> int:
    """The bytes of a file that are in the page cache."""
    command = ["fincore", "--bytes", "--noheadings", "--output", "RES", str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quantisation", description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="of the node; it is kept")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=DEFAULT_KINDS)
    parser.add_argument("--fill-only", action="store_true", help="measure nothing but the filling")
    options = parser.parse_args()
    size, kinds = f"{options.vectors // 1000}k", options.kinds
    drawn = draw(options.vectors)
    world, vectors = World.of(drawn), drawn.queries
    print(f"{len(world.vectors)} vectors of {vectors.shape[1]} drawn after real pictures', {len(vectors)} queries")
    kept = nullcontext(str(options.folder)) if options.folder else tempfile.TemporaryDirectory()
    with kept as folder, Node(Path(folder), free_port(), heap_mb=HEAP_MB) as node:
        for kind in kinds:
            fill(node, kind, world, size)
        if not options.fill_only:
            measure_bulk(node, kinds, world)
            measure_searches(node, kinds, world, vectors, size)
            measure_files(node, kinds, vectors, size)


if __name__ == "__main__":
    main()
