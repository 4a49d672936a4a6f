"""A store that an earlier version has filled, which kept no facts of files, is brought up to date beside searches."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.opensearch import facts
from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import LAYOUT, Json
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.adapters.sqlite.schema import DOCUMENTS
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.vectors import SearchOptions
from infra.opensearch.node import Node
from tests.contract.test_rebuild import World, query_of, store_with_indexes, vector
from tests.contract.test_vector_store import set_schema_version
from tests.serverless import PROFILE

PICTURES = 20


class EarlierIndexes(Indexes):
    """The indexes that the version before made: their documents have no facts."""

    def body(self, model: str, dimension: int) -> Json:
        body = super().body(model, dimension)
        for name in facts.MAPPINGS:
            del body["mappings"]["properties"][name]
        body["mappings"]["_meta"]["layout"] = facts.FACTS_LAYOUT - 1
        return body


def earlier_opensearch(node: Node, prefix: str) -> OpenSearchVectorStore:
    client = OpenSearchClient(connect(node.endpoint))
    indexes = EarlierIndexes(client, prefix=prefix, cache_seconds=0.3)
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes))


@pytest.fixture
def world_on_opensearch(request: pytest.FixtureRequest) -> World:
    """A world whose store of this version reads indexes of the version before."""
    store = store_with_indexes(request, "opensearch")
    world = World(earlier_opensearch(request.getfixturevalue("node"), store.indexes.read_alias("x")[: -len("-x")]))
    world.fill(PICTURES)
    world.store = store
    return world


@pytest.fixture
def world_on_serverless(request: pytest.FixtureRequest, prefix: str) -> World:
    """The same where documents are appended and the service accepts few operations."""
    store = store_with_indexes(request, "serverless")
    client = OpenSearchClient(connect(request.getfixturevalue("serverless")[0]))
    indexes = EarlierIndexes(client, prefix=prefix, profile=PROFILE, cache_seconds=0.3)
    world = World(OpenSearchVectorStore(client, indexes, AppendOnlyDocuments(client, visibility_wait=20)))
    world.fill(PICTURES)
    world.store = store
    return world


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite"


@pytest.fixture
def world_on_sqlite(path: Path) -> World:
    """A world whose store of this version opens a file of the version before."""
    world = World(SQLiteVectorStore(path))
    world.fill(PICTURES)
    with closing(sqlite3.connect(path)) as connection, connection:
        documents = connection.execute("SELECT * FROM documents").fetchall()
        (state,) = connection.execute("SELECT seq, pruned, rebuild_required FROM state").fetchall()
        for table in ("facts", "metadata", "words", "documents", "models", "state"):
            connection.execute(f"DROP TABLE {table}")
        for statement in DOCUMENTS:
            connection.execute(statement)
        connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", documents)
        connection.execute("INSERT INTO models VALUES ('rebuilt-1+d1', 8)")
        connection.execute("UPDATE state SET seq = ?, pruned = ?, rebuild_required = ?", state)
    set_schema_version(path, 2)
    world.store = SQLiteVectorStore(path)
    return world


@pytest.fixture(params=["sqlite", "opensearch", "serverless"])
def world(request: pytest.FixtureRequest) -> World:
    world: World = request.getfixturevalue(f"world_on_{request.param}")
    return world


def test_pictures_of_the_version_before_are_found_and_workers_write_beside_them(world: World):
    world.assert_equal()
    world.write(world.record(PICTURES))
    world.store.remove([])
    world.assert_equal()


def test_a_filter_is_refused_with_what_to_do_until_the_store_is_rebuilt(world: World):
    options = SearchOptions(limit=PICTURES, filter=parse_filter({"path": "photos/"}))
    query = replace(query_of(world.collection.account, vector(0), "rebuilt-1+d1", limit=PICTURES), options=options)
    with pytest.raises(StoreUnavailable, match="reindex"):
        world.store.search(query)
    world.rebuild()
    assert len(world.store.search(query)) == PICTURES


def test_a_rebuild_brings_the_store_up_to_date_while_workers_write(world: World):
    rebuild = world.store.rebuild("rebuilt-1+d1", 8)
    world.write(world.record(PICTURES))
    world.rebuild_service().fill(rebuild, "rebuilt-1+d1")
    world.assert_equal()
    rebuild.serve()
    world.assert_equal()
    world.write(world.record(3))
    world.assert_equal()
    world.store.drop_old()
    assert world.findings() == []


def test_an_index_of_the_version_before_is_reported_until_it_is_rebuilt(world_on_opensearch: World):
    assert any("mapping" in finding for finding in world_on_opensearch.findings())
    world_on_opensearch.rebuild()
    world_on_opensearch.store.drop_old()
    assert world_on_opensearch.findings() == []


def test_a_rebuild_does_not_go_on_with_an_unfinished_index_of_the_version_before(
    world_on_opensearch: World, node: Node
):
    store = world_on_opensearch.store
    assert isinstance(store, OpenSearchVectorStore)
    earlier = earlier_opensearch(node, store.indexes.read_alias("x")[: -len("-x")])
    unfinished = earlier.indexes.create("rebuilt-1+d1", 8, searched=False)
    rebuild: Any = store.rebuild("rebuilt-1+d1", 8)
    assert rebuild.index.name != unfinished.name
    assert rebuild.index.layout == LAYOUT


class IndexesWithoutHashes(Indexes):
    """The indexes of layout 3: what results show of their documents has no perceptual hash."""

    def body(self, model: str, dimension: int) -> Json:
        body = super().body(model, dimension)
        body["mappings"]["_meta"]["layout"] = facts.FACTS_LAYOUT
        return body


def test_an_index_without_hashes_takes_writes_and_filters_and_is_reported_until_it_is_rebuilt(
    request: pytest.FixtureRequest, node: Node
):
    store = store_with_indexes(request, "opensearch")
    client = OpenSearchClient(connect(node.endpoint))
    prefix = store.indexes.read_alias("x")[: -len("-x")]
    indexes = IndexesWithoutHashes(client, prefix=prefix, cache_seconds=0.3)
    world = World(OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes)))
    world.fill(PICTURES)
    world.store = store
    world.write(world.record(PICTURES))
    world.assert_equal()
    options = SearchOptions(limit=2 * PICTURES, filter=parse_filter({"path": "photos/"}))
    query = replace(query_of(world.collection.account, vector(0), "rebuilt-1+d1", limit=PICTURES), options=options)
    assert len(store.search(query)) == PICTURES + 1
    assert any("mapping" in finding for finding in world.findings())
    world.rebuild()
    world.store.drop_old()
    assert world.findings() == []
