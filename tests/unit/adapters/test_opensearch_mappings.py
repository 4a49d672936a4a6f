"""What indexes are made of, word for word: a change here needs a new index, so it must not happen by accident."""

import pytest

from chalicelib.adapters.opensearch.indexes import slug
from chalicelib.adapters.opensearch.mappings import (
    FAISS,
    LUCENE,
    ON_DISK,
    PROFILES,
    SERVERLESS_CLASSIC,
    SERVERLESS_NEXTGEN,
    Profile,
    Sizing,
    bytes_per_vector,
    index_body,
    shards_for,
)

STORED = {"index": False, "doc_values": False}
HNSW = {"name": "hnsw", "space_type": "cosinesimil", "parameters": {"m": 16, "ef_construction": 128}}
VECTORS = {
    LUCENE: {"type": "knn_vector", "dimension": 512, "method": {"engine": "lucene", **HNSW}},
    FAISS: {"type": "knn_vector", "dimension": 512, "method": {"engine": "faiss", **HNSW}},
    ON_DISK: {
        "type": "knn_vector",
        "dimension": 512,
        "space_type": "cosinesimil",
        "data_type": "float",
        "mode": "on_disk",
        "compression_level": "32x",
    },
    SERVERLESS_CLASSIC: {"type": "knn_vector", "dimension": 512, "method": {"engine": "faiss", **HNSW}},
    SERVERLESS_NEXTGEN: {
        "type": "knn_vector",
        "dimension": 512,
        "space_type": "cosinesimil",
        "compression_level": "1x",
    },
}
PLACE = {"version": {"type": "long"}, "written": {"type": "long"}}
OURS = {"number_of_shards": 3, "number_of_replicas": 1, "refresh_interval": "1000ms"}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_an_index_is_made_of_this_and_nothing_else(profile: Profile):
    serverless = profile in (SERVERLESS_CLASSIC, SERVERLESS_NEXTGEN)
    assert index_body(profile, "lite-1+d1", 512, Sizing(shards=3, replicas=1)) == {
        "settings": {"index": {"knn": True, **({} if serverless else OURS)}},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"model": "lite-1+d1", "dimension": 512, "layout": 1},
            "properties": {
                "account": {"type": "keyword"},
                "collection": {"type": "keyword"},
                "uuid": {"type": "keyword"},
                "bucket": {"type": "keyword", **STORED},
                "key": {"type": "keyword", **STORED},
                "size": {"type": "long", **STORED},
                "md5": {"type": "keyword", **STORED},
                "removed_at": {"type": "date"},
                **(PLACE if serverless else {}),
                "vector": VECTORS[profile],
            },
        },
    }


def test_memory_follows_opensearchs_formula():
    assert bytes_per_vector(512, m=16) == pytest.approx(2_393.6)
    assert bytes_per_vector(256, m=16) * 1_000_000 == pytest.approx(1.267e9, rel=1e-3)


def test_shards_grow_with_the_vectors_expected():
    assert [shards_for(count, 512) for count in (0, 1_000_000, 10_000_000, 100_000_000)] == [1, 1, 2, 13]


def test_models_have_names_of_their_own_in_an_index():
    assert slug("lite-1+d1") == "lite-1_d1"
    with pytest.raises(ValueError, match="characters"):
        slug("lite_1")
