"""Small tenants beside a large one in one index: whoever has results is given as many as were asked for.

20,000 vectors here; ``make bench-store`` asks the same of 100,000 and fails where an answer is short.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery
from infra.opensearch.node import Node
from tests.opensearch import store_on

MODEL, DIMENSION, LIMIT = "tenants-1+d1", 12, 16
COUNT, BATCH, KINDS = 20_000, 2_000, 200
TENANTS = (1, 17, 1_000)
FEW = 2  # of the large tenant's: 0.01 %


@dataclass(frozen=True)
class World:
    """Who has which rows: each tenant whole kinds of pictures, far from most queries."""

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
    some = np.concatenate([_unit(random.standard_normal((20, DIMENSION))), vectors[:: COUNT // 20]])
    yield World(store, [struct.pack(f"<{DIMENSION}f", *vector) for vector in some])
    store.retire_others("none")
    store.drop_old()


@pytest.mark.parametrize("size", TENANTS)
def test_a_tenant_is_given_as_many_as_it_asks_for_or_has(world: World, size: int) -> None:
    for vector in world.queries:
        query = VectorQuery(f"tenant-{size}", vector, MODEL, LIMIT)
        found = world.store.search(query)
        assert len(found) == min(LIMIT, size)
        if size <= 100:
            assert _uuids(found) == _uuids(world.store.exact(query))


def test_a_filter_that_few_pass_gives_them_all(world: World) -> None:
    for vector in world.queries:
        query = VectorQuery("large", vector, MODEL, LIMIT, collections=("few",))
        found = world.store.search(query)
        assert len(found) == FEW
        assert _uuids(found) == _uuids(world.store.exact(query))


def test_the_large_tenant_is_given_as_many_as_it_asks_for(world: World) -> None:
    for limit in (LIMIT, 1_000):
        assert [len(world.store.search(VectorQuery("large", v, MODEL, limit))) for v in world.queries[::8]] == [
            limit
        ] * 5


def _uuids(hits: list[Hit]) -> set[str]:
    return {hit.uuid for hit in hits}


def _document(row: int, account: str, vector: np.ndarray) -> VectorDocument:
    collection = "few" if row >= COUNT - FEW else "rest"
    uuid = f"{row:08x}-0000-4000-8000-{row:012x}"
    return VectorDocument(
        uuid, account, collection, "bucket", f"{row}.jpg", 1, "0" * 32, MODEL, 1, vector.astype("<f4").tobytes()
    )


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)
