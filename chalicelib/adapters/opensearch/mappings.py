"""The bodies that create indexes: pure functions of a profile.

A document has account and collection as keywords, by which every search filters; the uuid as a keyword, which breaks
ties; what filters compare of the file, and its words (``facts``); and the vector. What a result shows of the file is
one object that OpenSearch stores and does not look into, so another field of it needs no new index. A tombstone has a
uuid and the time of its removal and nothing else, so that no search and no count includes it. On Serverless, which
assigns ids itself, each document also has its record's version and the time when it was written: the highest pair of a
picture is its current document.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters.opensearch import facts
from chalicelib.config import OpenSearchProfile

# Stored in each index. Raised when documents change so that an index must be filled again from the catalogue: until
# then, `check_health` reports the index. Of 4, what is shown of a file includes its perceptual hash.
LAYOUT = 4
# Links of a vector in the graph, and candidates when they are chosen. A vector needs 1.1 * (dimension + 8 * links)
# bytes of memory with seven bits a number: docs/opensearch.md, and
# https://docs.opensearch.org/latest/vector-search/optimizing-storage/lucene-scalar-quantization/#memory-estimation
HNSW_LINKS, HNSW_EF_CONSTRUCTION = 16, 128

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a kind of OpenSearch keeps vectors.

    Args:
        vector_mapping: returns the mapping of the vector's field, given the dimension.
        serverless: the service assigns ids, shards and the refresh interval itself, and accepts only a part of
            OpenSearch's requests.
    """

    vector_mapping: Callable[[int], Json]
    serverless: bool = False


@dataclass(frozen=True, slots=True)
class Sizing:
    """Args:
    shards: OpenSearch advises 10 to 30 GB each where searching counts: docs/opensearch.md.
    refresh_seconds: how long a write waits at most until searches see it.
    """

    shards: int = 1
    replicas: int = 0
    refresh_seconds: float = 1.0


# Of each number of a vector while the graph is searched. One scale serves all numbers of a segment, and models have a
# few that are ten times as large as the others: with the default interval Lucene would cut these off, and a search find
# a seventh of what it should. Of 1, the scale reaches from the smallest to the largest: docs/decisions/0112
SEVEN_BITS: Json = {"encoder": {"name": "sq", "parameters": {"bits": 7, "confidence_interval": 1.0}}}


def _hnsw(engine: str, **encoder: Json) -> Callable[[int], Json]:
    def vector_mapping(dimension: int) -> Json:
        return {
            "type": "knn_vector",
            "dimension": dimension,
            "method": {
                "name": "hnsw",
                "engine": engine,
                "space_type": "cosinesimil",
                "parameters": {"m": HNSW_LINKS, "ef_construction": HNSW_EF_CONSTRUCTION, **encoder},
            },
        }

    return vector_mapping


def _on_disk(dimension: int) -> Json:
    return {
        "type": "knn_vector",
        "dimension": dimension,
        "space_type": "cosinesimil",
        "data_type": "float",
        "mode": "on_disk",
        "compression_level": "32x",
    }


def _uncompressed(dimension: int) -> Json:
    # Without the level it would be 32x: distances of quantised vectors, where the API promises those of the vectors.
    return {"type": "knn_vector", "dimension": dimension, "space_type": "cosinesimil", "compression_level": "1x"}


# What a shard logs as slow. A document's source has the name of a customer's file, so it is left out:
# https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/logs/
SLOW_LOGS: Json = {
    "search.slowlog.threshold.query.warn": "1s",
    "search.slowlog.threshold.fetch.warn": "1s",
    "indexing.slowlog.threshold.index.warn": "5s",
    "indexing.slowlog.source": "false",
}

PROFILES = {
    # Lucene filters while it searches the graph, and needs no native memory: tests run on it, and it is the default.
    # Every OpenSearch since 2.16 takes seven bits: docs/decisions/0112
    OpenSearchProfile.LUCENE: Profile(_hnsw("lucene", **SEVEN_BITS)),
    OpenSearchProfile.LUCENE_UNCOMPRESSED: Profile(_hnsw("lucene")),
    OpenSearchProfile.FAISS: Profile(_hnsw("faiss")),
    OpenSearchProfile.ON_DISK: Profile(_on_disk),
    OpenSearchProfile.SERVERLESS_CLASSIC: Profile(_hnsw("faiss"), serverless=True),
    OpenSearchProfile.SERVERLESS_NEXTGEN: Profile(_uncompressed, serverless=True),
}


def index_body(profile: Profile, model: str, dimension: int, sizing: Sizing) -> Json:
    """Returns the body that creates an index for the vectors of one model version."""
    settings: Json = {"knn": True}
    if not profile.serverless:
        settings |= {
            "number_of_shards": sizing.shards,
            "number_of_replicas": sizing.replicas,
            # Set even where it is the default: an index without an explicit interval stops refreshing when idle.
            "refresh_interval": f"{round(sizing.refresh_seconds * 1000)}ms",
            **SLOW_LOGS,
        }
    revision = {"version": {"type": "long"}, "written_at": {"type": "long"}} if profile.serverless else {}
    return {
        "settings": {"index": settings},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"model": model, "dimension": dimension, "layout": LAYOUT},
            "properties": {
                "account": {"type": "keyword"},
                "collection": {"type": "keyword"},
                "uuid": {"type": "keyword"},
                "file": {"type": "object", "enabled": False},
                "removed_at": {"type": "date"},
                **facts.MAPPINGS,
                **revision,
                "vector": profile.vector_mapping(dimension),
            },
        },
    }
