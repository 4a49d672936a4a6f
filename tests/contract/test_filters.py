"""Every vector store answers a filter as its model does, ``Filter.admits``: one suite, run on each of them."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter
from chalicelib.domain.vectors import FileSummary, VectorDocument
from chalicelib.services.ports import VectorStore
from infra.opensearch.node import Node
from tests.contract.test_vector_store import DIMENSION, NORTH, World, all_pages, at, with_options
from tests.fakes.vectors import FakeVectorStore
from tests.fault_proxy import Proxy
from tests.filters import a_file, written_filters
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

PICTURES = 40
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow]


def parsed(written: dict[str, Any]) -> Filter | None:
    """The filter; None if a range of it ends before it begins."""
    try:
        return parse_filter(written)
    except InvalidRequest:
        return None


def a_picture(world: World, number: int, **facts: Any) -> VectorDocument:
    picture = world.picture(number, at(number / 100))
    return replace(picture, file=replace(picture.file, **({"path": f"{number}.jpg", "format": "JPEG"} | facts)))


class FilterContract:
    @pytest.fixture
    def store(self) -> VectorStore:
        raise NotImplementedError

    def found(self, store: VectorStore, world: World, written: dict[str, Any]) -> list[int]:
        return world.numbers(store.search(with_options(world.query(), filter=parse_filter(written))))

    def answers_as_its_model(self, store: VectorStore, data: st.DataObject) -> None:
        world, random = World(), Random(data.draw(st.integers(0, 2**32)))
        files: dict[int, FileSummary] = {
            number: a_file(random, world.collection("pets" if number % 3 else "cars"), number)
            for number in range(PICTURES)
        }
        store.upsert([replace(world.picture(n, at(n / 100)), file=file) for n, file in files.items()])
        for _ in range(12):
            wanted = parsed(data.draw(written_filters))
            if wanted is None:
                continue
            admitted = [number for number, file in files.items() if wanted.admits(file.facts)]
            assert world.numbers(store.search(with_options(world.query(), filter=wanted))) == admitted
            assert store.search_and_count(with_options(world.query(limit=1), filter=wanted)).searched == len(admitted)
            pets = with_options(world.query(limit=7), filter=wanted, collections=(world.collection("pets"),))
            assert world.numbers(all_pages(store, pets)) == [number for number in admitted if number % 3]

    @settings(max_examples=15, database=None, suppress_health_check=CHECKS)
    @given(data=st.data())
    def test_a_filtered_search_finds_what_the_model_admits(self, store: VectorStore, data: st.DataObject) -> None:
        self.answers_as_its_model(store, data)

    def test_a_filter_finds_no_picture_of_another_account(self, store: VectorStore, world: World) -> None:
        other = World()
        facts: dict[str, Any] = {"path": "2024/a.jpg", "width": 2, "height": 1, "metadata": {"tag": ("x",)}}
        store.upsert([a_picture(other, 1, **facts), a_picture(world, 2, **facts)])
        for written in (
            {"path": "2024/"},
            {"path": "*a*"},
            {"path": "20*"},
            {"format": "jpeg"},
            {"orientation": "landscape"},
            {"size": {"gte": 0}},
            {"taken": {"exists": False}},
            {"metadata": {"tag": "x"}},
            {"metadata": {"tag": {"gte": "a"}}},
            {"metadata": {"tag": {"exists": True}}},
            {"metadata": {"none": {"exists": False}}},
        ):
            assert self.found(store, world, written) == [2]
            assert self.found(store, other, written) == [1]

    def test_facts_follow_each_write_and_removal(self, store: VectorStore, world: World) -> None:
        store.upsert([a_picture(world, n, metadata={"tag": "old"}) for n in range(4)])
        moved = replace(a_picture(world, 1, path="new/1.jpg", metadata={"tag": "new"}), version=3)
        store.upsert([moved])
        store.upsert([replace(a_picture(world, 1, metadata={"tag": "late"}), version=2)])
        store.remove([world.removal(2, version=2)])
        assert self.found(store, world, {"metadata": {"tag": "old"}}) == [0, 3]
        assert self.found(store, world, {"metadata": {"tag": ["new", "late"]}}) == [1]
        assert self.found(store, world, {"path": "new/"}) == [1]
        assert self.found(store, world, {"path": "1.jpg"}) == []
        store.upsert([replace(a_picture(world, 2, metadata={"tag": "back"}), version=3)])
        assert self.found(store, world, {"metadata": {"tag": "back"}}) == [2]
        store.remove_collection(world.account, world.collection())
        assert self.found(store, world, {"format": "jpeg"}) == []

    def test_a_filter_applies_to_the_pictures_of_the_querys_model(self, store: VectorStore, world: World) -> None:
        other = "contract-2+d1"
        store.upsert(
            [a_picture(world, 1), replace(a_picture(world, 2), model=other), a_picture(world, 3, format="PNG")]
        )
        query = with_options(world.query(), filter=parse_filter({"format": "jpeg"}))
        assert world.numbers(store.search(query)) == [1]
        assert world.numbers(store.search(replace(query, model=other))) == [2]

    def test_the_bounds_of_the_largest_numbers_are_no_error(self, store: VectorStore, world: World) -> None:
        store.upsert([a_picture(world, 1, width=5, height=5)])
        assert self.found(store, world, {"width": {"gte": 2**53}, "size": {"lte": 2**53}}) == []
        assert self.found(store, world, {"width": {"lte": 2**53}, "taken": {"exists": False}}) == [1]

    def test_many_filtered_results_are_in_order_over_all_pages(self, store: VectorStore, world: World) -> None:
        store.upsert([a_picture(world, n, path=f"{'even' if n % 2 == 0 else 'odd'}/{n}.jpg") for n in range(100)])
        query = with_options(world.query(NORTH, limit=9), filter=parse_filter({"path": "even"}))
        assert world.numbers(all_pages(store, query)) == list(range(0, 100, 2))


@pytest.fixture
def world() -> World:
    return World()


class TestFakeStore(FilterContract):
    @pytest.fixture
    def store(self) -> FakeVectorStore:
        return FakeVectorStore()


class TestSQLite(FilterContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SQLiteVectorStore:
        return SQLiteVectorStore(tmp_path / "vectors.sqlite")


class TestOpenSearch(FilterContract):
    @pytest.fixture
    def store(self, node: Node) -> VectorStore:
        store = store_on(node, "filters")
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store


class TestServerless(FilterContract):
    @pytest.fixture
    def store(self, serverless: tuple[str, Proxy]) -> VectorStore:
        store = serverless_store_on(serverless[0], "filters-serverless")
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store

    @settings(max_examples=3, database=None, suppress_health_check=CHECKS)
    @given(data=st.data())
    def test_a_filtered_search_finds_what_the_model_admits(self, store: VectorStore, data: st.DataObject) -> None:
        self.answers_as_its_model(store, data)
