"""Indexes whose graphs compare quantised vectors give the distances of the vectors themselves, and keep these."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.config import OpenSearchProfile
from chalicelib.domain.vectors import FileSummary, SearchOptions, VectorDocument, VectorQuery
from infra.opensearch.node import Node
from tests.contract.test_rebuild import World
from tests.opensearch import store_on

MODEL, DIMENSION, COUNT = "quantised-1+d1", 64, 400
PROFILES = (OpenSearchProfile.LUCENE, OpenSearchProfile.LUCENE_UNCOMPRESSED)
TOLERANCE = 2e-6  # of distances computed in float32, rounded to six decimals


def unit_vectors(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(count, DIMENSION) vectors near one another, so that seven bits a number do not tell their distances."""
    values = 3 + np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("<f4")


VECTORS = unit_vectors(1, COUNT)


def document(number: int, vector: bytes) -> VectorDocument:
    file = FileSummary(collection="pictures", bucket="bucket", key=f"{number}.jpg", size=1, md5=f"{number:032x}")
    return VectorDocument(uuid=f"{number:08}", account="account", model=MODEL, version=1, vector=vector, file=file)


def query_of(vector: bytes, limit: int) -> VectorQuery:
    return VectorQuery(account="account", vector=vector, model=MODEL, options=SearchOptions(limit=limit))


@pytest.fixture(scope="module", params=PROFILES)
def filled(request: pytest.FixtureRequest, node: Node) -> OpenSearchVectorStore:
    """A store of each profile with the same vectors, merged, so that its graph is what answers."""
    prefix = f"quantised-{request.param}"
    store = store_on(node, prefix, profile=request.param)
    store.upsert([document(number, vector.tobytes()) for number, vector in enumerate(VECTORS)])
    client = OpenSearchClient(connect(node.endpoint))
    client.request("POST", f"/{prefix}-*/_forcemerge", params={"max_num_segments": "1"}, timeout=60)
    return store


@settings(max_examples=20, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), limit=st.integers(1, 40))
def test_distances_are_those_of_the_vectors_themselves(filled: OpenSearchVectorStore, seed: int, limit: int):
    (vector,) = unit_vectors(seed, 1)
    hits = filled.search(query_of(vector.tobytes(), limit))
    distances = 1 - VECTORS.astype(np.float64) @ vector.astype(np.float64)
    assert len(hits) == limit
    assert [hit.distance for hit in hits] == pytest.approx([distances[int(hit.uuid)] for hit in hits], abs=TOLERANCE)
    assert [hit.position for hit in hits] == sorted(hit.position for hit in hits)


@settings(max_examples=20, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, COUNT - 1))
def test_a_picture_is_at_distance_zero_of_itself_and_keeps_its_vector(filled: OpenSearchVectorStore, number: int):
    vector = VECTORS[number].tobytes()
    (hit,) = filled.search(query_of(vector, 1))
    assert (hit.uuid, hit.distance) == (f"{number:08}", 0.0)
    assert filled.vectors(MODEL, [hit.uuid]) == {hit.uuid: (1, vector)}


@settings(max_examples=10, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_an_exact_search_and_one_by_the_graph_give_the_same_distances_to_the_last_digit(
    filled: OpenSearchVectorStore, seed: int
):
    (vector,) = unit_vectors(seed, 1)
    exact = {hit.uuid: hit.distance for hit in filled.search_exactly(query_of(vector.tobytes(), COUNT))}
    for hit in filled.search(query_of(vector.tobytes(), 20)):
        assert hit.distance == exact[hit.uuid]


def vector_mapping(node: Node, store: OpenSearchVectorStore) -> Json:
    """The mapping of the vectors in the index that is searched."""
    (index,) = [index.name for index in store.indexes.all(fresh=True) if index.has_read_alias]
    description = OpenSearchClient(connect(node.endpoint)).request("GET", f"/{index}")
    mapping: Json = description[index]["mappings"]["properties"]["vector"]
    return mapping


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OpenSearchProfile.LUCENE_UNCOMPRESSED, OpenSearchProfile.LUCENE),
        (OpenSearchProfile.LUCENE, OpenSearchProfile.LUCENE_UNCOMPRESSED),
    ],
)
def test_another_profile_is_used_after_a_rebuild_and_searches_and_writes_go_on_until_then(
    node: Node, prefix: str, before: OpenSearchProfile, after: OpenSearchProfile
):
    world = World(store_on(node, prefix, profile=before))
    world.fill(60)
    mapping = vector_mapping(node, world.store)
    distances = world.distances(1)
    world.store = store = store_on(node, prefix, profile=after)
    assert world.distances(1) == distances
    world.write(world.record(60))
    world.assert_equal()
    assert any("mapping" in finding and "reindex" in finding for finding in world.findings())
    rebuild = store.rebuild("rebuilt-1+d1", 8)
    world.write(world.record(61))
    world.rebuild_service().fill(rebuild, "rebuilt-1+d1")
    world.assert_equal()
    assert vector_mapping(node, store) == mapping
    rebuild.serve()
    world.assert_equal()
    world.write(world.record(62))
    world.assert_equal()
    assert vector_mapping(node, store) != mapping
    assert world.distances(1).items() >= distances.items()
    store.drop_old()
    assert world.findings() == []
