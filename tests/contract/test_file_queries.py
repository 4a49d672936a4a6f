"""Every vector store finds and sorts files as the fake does, which says what a query means: one suite."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.file_queries import FileQuery, FoundFile, Order
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.name_words import query_words
from chalicelib.services.ports import VectorStore
from infra.opensearch.node import Node
from tests.contract.test_filters import a_picture
from tests.contract.test_vector_store import DIMENSION, World, at
from tests.fakes.vectors import FakeVectorStore
from tests.fault_proxy import Proxy
from tests.filters import a_file
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

PICTURES = 40
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow]
QUERIES = ("a", "jpg", "2024 a", "may", "ma", "m", "20", "2024 jp", "\u00e4", "A \u4e2d", "b png", "nothing", "xx")


def a_query(world: World, order: Order, **options: object) -> FileQuery:
    values = {"account": world.account, "model": world.model, "limit": 100, "order": order} | options
    return FileQuery(**values)  # type: ignore[arg-type]


def by_name(world: World, text: str, **options: object) -> FileQuery:
    return a_query(world, Order.MATCH, descending=True, words=query_words(text), **options)


def all_pages(store: VectorStore, query: FileQuery) -> list[FoundFile]:
    files: list[FoundFile] = []
    while page := store.find_files(query):
        assert len(page) <= query.limit
        files += page
        query = replace(query, after=page[-1].position)
    return files


class FileQueryContract:
    @pytest.fixture
    def store(self) -> VectorStore:
        raise NotImplementedError

    def finds_what_the_fake_finds(self, store: VectorStore, data: st.DataObject) -> None:
        world, fake, random = World(), FakeVectorStore(), Random(data.draw(st.integers(0, 2**32)))
        collections = [world.collection(name) for name in ("cars", "pets", "pets")]
        pictures = [
            replace(world.picture(n, at(n / 100)), file=a_file(random, collections[n % 3], n)) for n in range(PICTURES)
        ]
        for each in (store, fake):
            each.upsert(pictures)
        for _ in range(5):
            order = data.draw(st.sampled_from(Order))
            words = query_words(data.draw(st.sampled_from(QUERIES))) if order is Order.MATCH else ()
            query = a_query(
                world,
                order,
                words=words,
                descending=order is Order.MATCH or data.draw(st.booleans()),
                collections=data.draw(st.sampled_from([None, (world.collection("pets"),)])),
                filter=parse_filter(data.draw(st.sampled_from([{}, {"format": "jpeg"}, {"path": "20*"}]))),
                limit=data.draw(st.sampled_from([7, 100])),
            )
            expected = fake.find_files(replace(query, limit=1000))
            assert all_pages(store, query) == all_pages(fake, query) == expected

    @settings(max_examples=8, database=None, suppress_health_check=CHECKS)
    @given(data=st.data())
    def test_files_are_found_and_sorted_as_the_model_says(self, store: VectorStore, data: st.DataObject) -> None:
        self.finds_what_the_fake_finds(store, data)

    def test_files_of_another_account_and_model_are_not_found(self, store: VectorStore, world: World) -> None:
        other = World()
        store.upsert([a_picture(other, 1), a_picture(world, 2)])
        store.upsert([replace(a_picture(world, 3), model="contract-2+d1")])
        for query in (a_query(world, Order.PATH), a_query(world, Order.TAKEN), by_name(world, "jpg")):
            assert [found.uuid for found in store.find_files(query)] == [world.uuid(2)]
            assert store.find_files(replace(query, collections=())) == []
            assert store.find_files(replace(query, collections=(other.collection(),))) == []

    def test_a_renamed_file_is_found_by_its_new_name_alone_and_a_removed_one_no_more(
        self, store: VectorStore, world: World
    ) -> None:
        store.upsert([a_picture(world, 1, path="old/name.jpg"), a_picture(world, 2, path="gone.jpg")])
        store.upsert([replace(a_picture(world, 1, path="new/title.jpg"), version=2)])
        store.remove([world.removal(2, version=2)])
        found = {text: [each.uuid for each in store.find_files(by_name(world, text))] for text in ("name", "title")}
        assert found == {"name": [], "title": [world.uuid(1)]}
        assert [each.file.path for each in store.find_files(a_query(world, Order.PATH))] == ["new/title.jpg"]

    def test_names_come_before_folders_and_whole_words_before_beginnings(
        self, store: VectorStore, world: World
    ) -> None:
        paths = ("invoices/2024.jpg", "invoice/a.jpg", "x/invoice.jpg", "x/invoices.jpg", "other.jpg")
        store.upsert([a_picture(world, number, path=path) for number, path in enumerate(paths)])
        found = [each.file.path for each in store.find_files(by_name(world, "invoice"))]
        assert found == ["x/invoice.jpg", "invoice/a.jpg", "x/invoices.jpg", "invoices/2024.jpg"]
        assert [each.file.path for each in store.find_files(by_name(world, "Invoice 2024"))] == ["invoices/2024.jpg"]


@pytest.fixture
def world() -> World:
    return World()


class TestFakeStore(FileQueryContract):
    @pytest.fixture
    def store(self) -> FakeVectorStore:
        return FakeVectorStore()


class TestSQLite(FileQueryContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SQLiteVectorStore:
        return SQLiteVectorStore(tmp_path / "vectors.sqlite")


class TestOpenSearch(FileQueryContract):
    @pytest.fixture
    def store(self, node: Node) -> VectorStore:
        store = store_on(node, "file-queries")
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store


class TestServerless(FileQueryContract):
    @pytest.fixture
    def store(self, serverless: tuple[str, Proxy]) -> VectorStore:
        store = serverless_store_on(serverless[0], "file-queries-serverless")
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store

    @settings(max_examples=1, database=None, suppress_health_check=CHECKS)
    @given(data=st.data())
    def test_files_are_found_and_sorted_as_the_model_says(self, store: VectorStore, data: st.DataObject) -> None:
        self.finds_what_the_fake_finds(store, data)
