"""The bodies that create indexes, as golden values: a change needs a new index, so it must not happen by accident."""

from typing import Any

import pytest

from chalicelib.adapters.opensearch.indexes import slug
from chalicelib.adapters.opensearch.mappings import PROFILES, Sizing, index_body
from chalicelib.config import OpenSearchProfile

HNSW: dict[str, Any] = {"name": "hnsw", "space_type": "cosinesimil", "parameters": {"m": 16, "ef_construction": 128}}


def hnsw(engine: str, **parameters: Any) -> dict[str, Any]:
    method = {"engine": engine, **HNSW, "parameters": {**HNSW["parameters"], **parameters}}
    return {"type": "knn_vector", "dimension": 512, "method": method}


VECTOR_MAPPINGS = {
    OpenSearchProfile.LUCENE: hnsw(
        "lucene", encoder={"name": "sq", "parameters": {"bits": 7, "confidence_interval": 1.0}}
    ),
    OpenSearchProfile.LUCENE_UNCOMPRESSED: hnsw("lucene"),
    OpenSearchProfile.FAISS: hnsw("faiss"),
    OpenSearchProfile.ON_DISK: {
        "type": "knn_vector",
        "dimension": 512,
        "space_type": "cosinesimil",
        "data_type": "float",
        "mode": "on_disk",
        "compression_level": "32x",
    },
    OpenSearchProfile.SERVERLESS_CLASSIC: hnsw("faiss"),
    OpenSearchProfile.SERVERLESS_NEXTGEN: {
        "type": "knn_vector",
        "dimension": 512,
        "space_type": "cosinesimil",
        "compression_level": "1x",
    },
}
SERVERLESS = (OpenSearchProfile.SERVERLESS_CLASSIC, OpenSearchProfile.SERVERLESS_NEXTGEN)
DOMAIN_SETTINGS = {
    "number_of_shards": 3,
    "number_of_replicas": 1,
    "refresh_interval": "1000ms",
    "search.slowlog.threshold.query.warn": "1s",
    "search.slowlog.threshold.fetch.warn": "1s",
    "indexing.slowlog.threshold.index.warn": "5s",
    "indexing.slowlog.source": "false",
}
WORDS = {
    "type": "text",
    "analyzer": "whitespace",
    "index_options": "docs",
    "norms": False,
    "index_prefixes": {"min_chars": 2, "max_chars": 12},
}
FACT_MAPPINGS = {
    **{name: {"type": "keyword"} for name in ("path", "folders", "format", "orientation", "metadata")},
    **{name: {"type": "long"} for name in ("size", "width", "height", "modified", "taken")},
    **dict.fromkeys(("name_words", "folder_words"), WORDS),
}
REVISION_MAPPINGS = {"version": {"type": "long"}, "written_at": {"type": "long"}}


@pytest.mark.parametrize("profile", OpenSearchProfile)
def test_an_index_of_each_profile_has_exactly_this_body(profile: OpenSearchProfile):
    serverless = profile in SERVERLESS
    assert PROFILES[profile].serverless is serverless
    assert index_body(PROFILES[profile], "lite-1+d1", 512, Sizing(shards=3, replicas=1)) == {
        "settings": {"index": {"knn": True, **({} if serverless else DOMAIN_SETTINGS)}},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"model": "lite-1+d1", "dimension": 512, "layout": 4},
            "properties": {
                "account": {"type": "keyword"},
                "collection": {"type": "keyword"},
                "uuid": {"type": "keyword"},
                "file": {"type": "object", "enabled": False},
                "removed_at": {"type": "date"},
                **FACT_MAPPINGS,
                **(REVISION_MAPPINGS if serverless else {}),
                "vector": VECTOR_MAPPINGS[profile],
            },
        },
    }


def test_model_versions_have_distinct_names_in_an_index():
    assert slug("lite-1+d1") == "lite-1_d1"
    with pytest.raises(ValueError, match="characters"):
        slug("lite_1")
