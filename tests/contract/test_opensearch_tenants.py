"""Small tenants beside a large one in one index: each gets as many results as it has, up to the limit.

20,000 vectors here; ``make bench SUITE=store`` searches 100,000 and fails where a tenant gets fewer results than it
has.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.vectors import FileSummary, Hit, SearchOptions, VectorDocument, VectorQuery
from infra.opensearch.node import Node
from tests.opensearch import store_on

MODEL, DIMENSION, LIMIT = "tenants-1+d1", 12, 16
COUNT, BATCH, KINDS = 20_000, 2_000, 200
TENANTS = (1, 17, 1_000)
FEW = 2  # pictures of the large tenant's smallest collection: 0.01 %


@dataclass(frozen=True)
class World:
    """A store in which each tenant has whole kinds of pictures, far from most queries."""

    store: OpenSearchVectorStore
    queries: list[bytes]


@pytest.fixture(scope="module")
def world(node: Node) -> Iterator[World]:
    random = np.random.default_rng(2)
    centres = random.standard_normal((KINDS, DIMENSION))
    kinds = np.sort(random.integers(0, KINDS, COUNT))
    vectors = _unit(centres[kinds] + 0.5 * random.standard_normal((COUNT, DIMENSION)))
    store = store_on(node, "tenants", refresh_seconds=5)
    target = store.rebuild(MODEL, DIMENSION)
    owners = [f"tenant-{size}" for size in TENANTS for _ in range(size)]
    owners += ["large"] * (COUNT - len(owners))
    for first in range(0, COUNT, BATCH):
        rows = range(first, first + BATCH)
        target.write([_document(row, owners[row], vectors[row]) for row in rows], [])
    target.serve()
    queries = np.concatenate([_unit(random.standard_normal((20, DIMENSION))), vectors[:: COUNT // 20]])
    yield World(store, [struct.pack(f"<{DIMENSION}f", *vector) for vector in queries])
    store.retire_others("none")
    store.drop_old()


@pytest.mark.parametrize("size", TENANTS)
def test_a_tenant_gets_as_many_results_as_it_has_up_to_the_limit(world: World, size: int) -> None:
    for vector in world.queries:
        query = _query(f"tenant-{size}", vector)
        hits = world.store.search(query)
        assert len(hits) == min(LIMIT, size)
        if size <= 100:
            assert _uuids(hits) == _uuids(world.store.search_exactly(query))


def test_a_collection_with_few_pictures_is_found_whole(world: World) -> None:
    for vector in world.queries:
        query = _query("large", vector, collections=("few",))
        hits = world.store.search(query)
        assert len(hits) == FEW
        assert _uuids(hits) == _uuids(world.store.search_exactly(query))


def test_the_large_tenant_gets_as_many_results_as_the_limit(world: World) -> None:
    for limit in (LIMIT, 1_000):
        queries = [_query("large", vector, limit=limit) for vector in world.queries[::8]]
        assert [len(world.store.search(query)) for query in queries] == [limit] * 5


def _query(
    account: str, vector: bytes, *, limit: int = LIMIT, collections: tuple[str, ...] | None = None
) -> VectorQuery:
    options = SearchOptions(limit=limit, collections=collections)
    return VectorQuery(account=account, vector=vector, model=MODEL, options=options)


def _uuids(hits: list[Hit]) -> set[str]:
    return {hit.uuid for hit in hits}


def _document(row: int, account: str, vector: np.ndarray) -> VectorDocument:
    collection = "few" if row >= COUNT - FEW else "rest"
    return VectorDocument(
        uuid=f"{row:08x}-0000-4000-8000-{row:012x}",
        account=account,
        model=MODEL,
        version=1,
        vector=vector.astype("<f4").tobytes(),
        file=FileSummary(collection=collection, bucket="bucket", key=f"{row}.jpg", size=1, md5="0" * 32),
    )


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)
