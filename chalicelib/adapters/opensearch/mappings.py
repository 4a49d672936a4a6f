"""What an index on OpenSearch is made of: pure functions from a profile to the body of its creation.

A document is flat. Account and collection are keywords that stand in the filter of each search; the uuid is one that
ties are broken by; what a result shows is stored and not searchable. A tombstone has a uuid and the time of its removal
and nothing else, so that no search and no count meets it. On Serverless, whose ids are its own, each document also has
its record's version and the time of its writing, by which the one that stands is told from those it has overtaken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LAYOUT = 1  # of the documents; one more when they change so that an index must be filled anew
M, EF_CONSTRUCTION = 16, 128  # links of a vector in the graph, and how widely they are looked for
RESULT_FIELDS = ("uuid", "collection", "bucket", "key", "size", "md5")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a kind of OpenSearch wants its vectors.

    Args:
        vector: the field's mapping, given the dimension.
        serverless: documents have ids, shards and a refresh interval of the service's own, and it takes a part of
            OpenSearch's requests.
    """

    name: str
    vector: Callable[[int], Json]
    serverless: bool = False


def _hnsw(engine: str) -> Callable[[int], Json]:
    def vector(dimension: int) -> Json:
        return {
            "type": "knn_vector",
            "dimension": dimension,
            "method": {
                "name": "hnsw",
                "engine": engine,
                "space_type": "cosinesimil",
                "parameters": {"m": M, "ef_construction": EF_CONSTRUCTION},
            },
        }

    return vector


def _on_disk(dimension: int) -> Json:
    return {
        "type": "knn_vector",
        "dimension": dimension,
        "space_type": "cosinesimil",
        "data_type": "float",
        "mode": "on_disk",
        "compression_level": "32x",
    }


def _plain(dimension: int) -> Json:
    # Without the level it would be 32x: distances of quantised vectors, where the API promises those of the vectors.
    return {"type": "knn_vector", "dimension": dimension, "space_type": "cosinesimil", "compression_level": "1x"}


# Lucene's graph filters while it is walked, and needs no native memory: the one that is tested, and the default.
LUCENE = Profile("lucene", _hnsw("lucene"))
FAISS = Profile("faiss", _hnsw("faiss"))
ON_DISK = Profile("on-disk", _on_disk)
SERVERLESS_CLASSIC = Profile("serverless-classic", _hnsw("faiss"), serverless=True)
SERVERLESS_NEXTGEN = Profile("serverless-nextgen", _plain, serverless=True)
PROFILES = {each.name: each for each in (LUCENE, FAISS, ON_DISK, SERVERLESS_CLASSIC, SERVERLESS_NEXTGEN)}


@dataclass(frozen=True, slots=True)
class Sizing:
    """``refresh_seconds`` is how long a write waits at most until searches see it."""

    shards: int = 1
    replicas: int = 0
    refresh_seconds: float = 1.0


def index_body(profile: Profile, model: str, dimension: int, sizing: Sizing) -> Json:
    """The body that creates an index for the vectors of one model and decode version."""
    settings: Json = {"knn": True}
    if not profile.serverless:
        settings |= {
            "number_of_shards": sizing.shards,
            "number_of_replicas": sizing.replicas,
            # Said even where it is the default: an index whose interval is not said stops refreshing when idle.
            "refresh_interval": f"{round(sizing.refresh_seconds * 1000)}ms",
        }
    stored = {"index": False, "doc_values": False}
    place = {"version": {"type": "long"}, "written": {"type": "long"}} if profile.serverless else {}
    return {
        "settings": {"index": settings},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"model": model, "dimension": dimension, "layout": LAYOUT},
            "properties": {
                "account": {"type": "keyword"},
                "collection": {"type": "keyword"},
                "uuid": {"type": "keyword"},
                "bucket": {"type": "keyword", **stored},
                "key": {"type": "keyword", **stored},
                "size": {"type": "long", **stored},
                "md5": {"type": "keyword", **stored},
                "removed_at": {"type": "date"},
                **place,
                "vector": profile.vector(dimension),
            },
        },
    }


def bytes_per_vector(dimension: int, m: int = M) -> float:
    """Memory that a vector and its place in the graph want.

    https://docs.opensearch.org/latest/vector-search/optimizing-storage/knn-vector-quantization/#hnsw-memory-estimation
    """
    return 1.1 * (4 * dimension + 8 * m)


def shards_for(vectors: int, dimension: int, shard_bytes: int = 20 * 2**30) -> int:
    """Shards for an expected number of vectors: 10 to 30 GB each is what OpenSearch advises where searching counts."""
    # On disk a vector stands once as written and once more in the document from which it can be read back.
    return max(1, -(-int(vectors * (4 * dimension + 8 * M + 600)) // shard_bytes))
