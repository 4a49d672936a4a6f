"""The contract of every vector store: one suite, run on the fake, on the SQLite store and on OpenSearch itself.

A subclass with a fixture ``store`` adds a store. All tests may share one store, because each test has accounts,
collections and uuids of its own. Distances are compared to 5e-6, because a store may keep its scores in float32.
"""

import math
import multiprocessing
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.adapters.sqlite.schema import MAX_LOG_BYTES, SCHEMA_VERSION, remove_log
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.file_queries import FileQuery, FoundFile
from chalicelib.domain.vectors import (
    TOMBSTONE_SECONDS,
    CountedHits,
    FileSummary,
    Hit,
    SearchOptions,
    VectorDocument,
    VectorQuery,
    VectorRemoval,
)
from chalicelib.services.ports import VectorStore
from infra.opensearch.node import Node
from tests.fakes.vectors import FakeVectorStore
from tests.fault_proxy import Proxy
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

DIMENSION = 8
TOLERANCE = 5e-6
ON_A_SERVER = int(os.environ.get("SIMILARIX_EXAMPLES", "15"))  # histories, each of many requests; `make stress`: 100


def at(distance: float) -> bytes:
    """Returns a vector at this distance from ``NORTH``."""
    cosine = 1 - distance
    return struct.pack(f"<{DIMENSION}f", cosine, math.sqrt(max(0, 1 - cosine**2)), *[0] * (DIMENSION - 2))


NORTH = at(0)


@dataclass
class World:
    """The documents and queries of one test: an account, its collections and numbered pictures."""

    name: str = field(default_factory=lambda: uuid4().hex)

    @property
    def account(self) -> str:
        return f"account-{self.name}"

    @property
    def model(self) -> str:
        return "contract-1+d1"

    def collection(self, name: str = "holidays") -> str:
        return f"{name}-{self.name}"

    def uuid(self, number: int) -> str:
        return f"{self.name}-{number:06d}"

    def picture(
        self, number: int, vector: bytes = NORTH, *, version: int = 1, collection: str = "holidays"
    ) -> VectorDocument:
        return VectorDocument(
            uuid=self.uuid(number),
            account=self.account,
            model=self.model,
            version=version,
            vector=vector,
            file=FileSummary(
                collection=self.collection(collection),
                bucket="photographs",
                key=f"2024/Ä {number}.jpg",
                size=1_000 + number,
                md5=f"{number:032x}",
                perceptual_hash=f"{number:016x}",
            ),
        )

    def removal(self, number: int, *, version: int) -> VectorRemoval:
        return VectorRemoval(self.uuid(number), version)

    def query(self, vector: bytes = NORTH, *, limit: int = 100) -> VectorQuery:
        options = SearchOptions(limit=limit)
        return VectorQuery(account=self.account, vector=vector, model=self.model, options=options)

    def numbers(self, hits: Iterable[Hit]) -> list[int]:
        return [int(hit.uuid.removeprefix(f"{self.name}-")) for hit in hits]


def with_options(query: VectorQuery, **changes: Any) -> VectorQuery:
    return replace(query, options=replace(query.options, **changes))


def all_pages(store: VectorStore, query: VectorQuery, between: Callable[[], None] = lambda: None) -> list[Hit]:
    """Returns all hits of a query, read a page of its limit at a time; ``between`` is called after each page."""
    hits: list[Hit] = []
    while page := store.search(query):
        assert len(page) <= query.options.limit
        hits += page
        query = with_options(query, after=page[-1].position)
        between()
    return hits


@pytest.fixture
def world() -> World:
    return World()


def any_order(test: Callable[..., None], *, examples: int) -> Any:
    """Run a test on histories drawn step by step. All may share one store, because each has a world of its own."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
    configure = settings(max_examples=examples, database=None, suppress_health_check=checks)
    return configure(given(data=st.data())(test))


class VectorStoreContract:
    @pytest.fixture
    def store(self) -> VectorStore:
        raise NotImplementedError

    def test_a_written_picture_is_found_with_its_whole_file_summary(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.25))])
        (hit,) = store.search(world.query())
        assert hit == Hit(
            uuid=world.uuid(1),
            file=FileSummary(
                collection=world.collection(),
                bucket="photographs",
                key="2024/Ä 1.jpg",
                size=1_001,
                md5=f"{1:032x}",
                perceptual_hash=f"{1:016x}",
            ),
            distance=pytest.approx(0.25, abs=TOLERANCE),
        )

    def test_an_empty_store_finds_and_counts_nothing(self, store: VectorStore, world: World):
        assert store.search(world.query()) == []
        assert store.count(world.account) == 0
        assert store.count(world.account, world.collection()) == 0

    def test_empty_writes_change_nothing(self, store: VectorStore, world: World):
        store.upsert([])
        store.remove([])
        store.remove_collection(world.account, world.collection())
        assert store.search(world.query()) == []

    @pytest.mark.parametrize("distance", [0.0, 0.1, 0.5, 1.0, 1.5, 2.0])
    def test_the_distance_is_one_minus_the_cosine(self, store: VectorStore, world: World, distance: float):
        store.upsert([world.picture(1, at(distance))])
        assert store.search(world.query())[0].distance == pytest.approx(distance, abs=TOLERANCE)

    def test_the_same_picture_is_at_distance_zero(self, store: VectorStore, world: World):
        vector = unit([0.3, -0.1, 0.7, 0.2, -0.9, 0.11, 0.05, 0.6])
        store.upsert([world.picture(1, vector)])
        (hit,) = store.search(world.query(vector))
        assert hit.distance == 0.0
        assert math.copysign(1, hit.distance) == 1

    def test_nearer_pictures_come_first(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(d)) for n, d in [(1, 1.9), (2, 0.0), (3, 0.7), (4, 0.3), (5, 1.2)]])
        assert world.numbers(store.search(world.query())) == [2, 4, 3, 5, 1]

    def test_pictures_at_the_same_distance_come_in_order_of_uuid(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(0.4)) for n in (5, 3, 9, 1, 7)] + [world.picture(8, at(0.2))])
        assert world.numbers(store.search(world.query())) == [8, 1, 3, 5, 7, 9]

    def test_the_limit_keeps_the_nearest_hits(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 50)) for n in reversed(range(50))])
        assert world.numbers(store.search(world.query(limit=1))) == [0]
        assert world.numbers(store.search(world.query(limit=7))) == list(range(7))
        assert world.numbers(store.search(world.query(limit=50))) == list(range(50))
        assert world.numbers(store.search(world.query(limit=1_000))) == list(range(50))

    def test_the_limit_keeps_the_lowest_uuids_of_a_tie(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(0.4)) for n in reversed(range(40))])
        assert world.numbers(store.search(world.query(limit=7))) == list(range(7))

    def test_pictures_beyond_max_distance_are_left_out_and_one_at_it_is_found(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 10)) for n in range(10)])
        fifth = store.search(world.query())[4].distance
        hits = store.search(with_options(world.query(), max_distance=fifth))
        assert world.numbers(hits) == [0, 1, 2, 3, 4]
        assert world.numbers(store.search(with_options(world.query(), max_distance=0.0))) == [0]
        assert world.numbers(store.search(with_options(world.query(limit=2), max_distance=fifth))) == [0, 1]

    # Writes

    def test_a_repeated_write_changes_nothing(self, store: VectorStore, world: World):
        batch = [world.picture(n, at(n / 10)) for n in range(5)]
        store.upsert(batch)
        before = store.search(world.query())
        store.upsert(batch)
        assert store.search(world.query()) == before
        assert store.count(world.account) == 5

    def test_a_higher_version_replaces_the_whole_document(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.2))])
        moved = world.picture(1, at(0.9), version=2)
        moved = replace(moved, file=replace(moved.file, key="moved.jpg", size=7, md5="f" * 32))
        store.upsert([moved])
        (hit,) = store.search(world.query())
        assert hit.file == moved.file
        assert hit.distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_the_later_of_two_writes_of_one_version_is_kept(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.2))])
        store.upsert([world.picture(1, at(0.9))])
        assert store.search(world.query())[0].distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_the_higher_version_of_a_picture_in_a_batch_is_kept(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=2), world.picture(1, at(0.2), version=1)])
        store.upsert([world.picture(2, at(0.3), version=1), world.picture(2, at(0.4), version=2)])
        distances = {number: hit.distance for hit in store.search(world.query()) for number in world.numbers([hit])}
        assert distances == {1: pytest.approx(0.9, abs=TOLERANCE), 2: pytest.approx(0.4, abs=TOLERANCE)}

    def test_a_late_upsert_loses_against_a_newer_one(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=3)])
        store.upsert([world.picture(1, at(0.2), version=2)])
        assert store.search(world.query())[0].distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_the_other_documents_of_a_batch_with_a_late_upsert_are_written(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=3)])
        store.upsert([world.picture(1, at(0.2), version=2), world.picture(2, at(0.5), version=1)])
        assert world.numbers(store.search(world.query())) == [2, 1]

    def test_a_late_upsert_loses_against_a_newer_removal(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=1)])
        store.remove([world.removal(1, version=3)])
        store.upsert([world.picture(1, version=2)])
        assert store.search(world.query()) == []
        assert store.count(world.account) == 0

    def test_a_late_upsert_loses_against_the_removal_of_a_picture_that_was_never_written(
        self, store: VectorStore, world: World
    ):
        store.remove([world.removal(1, version=3)])
        store.upsert([world.picture(1, version=2)])
        assert store.search(world.query()) == []

    def test_a_late_removal_loses_against_a_newer_upsert(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=3)])
        store.remove([world.removal(1, version=2)])
        assert world.numbers(store.search(world.query())) == [1]
        assert store.count(world.account) == 1

    def test_a_late_removal_does_not_lower_the_version_of_a_removed_picture(self, store: VectorStore, world: World):
        store.remove([world.removal(1, version=5)])
        store.remove([world.removal(1, version=2)])
        store.upsert([world.picture(1, version=3)])
        assert store.search(world.query()) == []

    def test_a_removal_of_the_same_version_removes_the_picture(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=2), world.picture(2)])
        store.remove([world.removal(1, version=2)])
        assert world.numbers(store.search(world.query())) == [2]

    def test_removing_a_picture_twice_or_one_that_is_not_there_changes_nothing(self, store: VectorStore, world: World):
        store.upsert([world.picture(1), world.picture(2)])
        for _ in range(2):
            store.remove([world.removal(1, version=2), world.removal(3, version=1)])
        assert world.numbers(store.search(world.query())) == [2]

    def test_a_removed_picture_returns_with_the_same_or_a_higher_version(self, store: VectorStore, world: World):
        store.upsert([world.picture(1), world.picture(2)])
        store.remove([world.removal(1, version=2), world.removal(2, version=2)])
        store.upsert([world.picture(1, version=2), world.picture(2, version=3)])
        assert world.numbers(store.search(world.query())) == [1, 2]

    def test_removing_a_collection_leaves_other_collections_and_accounts(self, store: VectorStore, world: World):
        other = World()
        store.upsert([world.picture(1, collection="pets"), world.picture(2, collection="pets"), world.picture(3)])
        elsewhere = other.picture(4)
        store.upsert([replace(elsewhere, file=replace(elsewhere.file, collection=world.collection("pets")))])
        store.remove_collection(world.account, world.collection("pets"))
        assert world.numbers(store.search(world.query())) == [3]
        assert store.count(world.account, world.collection("pets")) == 0
        assert store.count(world.account) == 1
        assert other.numbers(store.search(other.query())) == [4]

    def test_a_removed_collection_can_be_filled_again(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=4)])
        store.remove_collection(world.account, world.collection())
        store.upsert([world.picture(1, version=4), world.picture(2, version=1)])
        assert world.numbers(store.search(world.query())) == [1, 2]

    @pytest.mark.parametrize(
        "vector", [b"", b"\0" * 3, b"\0" * 4 * DIMENSION, struct.pack(f"<{DIMENSION}f", *[1] * DIMENSION)]
    )
    def test_a_vector_that_is_not_of_length_one_is_rejected(self, store: VectorStore, world: World, vector: bytes):
        with pytest.raises(ValueError, match="vector"):
            store.upsert([world.picture(1, vector)])
        with pytest.raises(ValueError, match="vector"):
            store.upsert([world.picture(1, struct.pack(f"<{DIMENSION}f", math.nan, *[0] * (DIMENSION - 1)))])
        assert store.count(world.account) == 0

    def test_a_vector_of_another_dimension_than_the_models_is_rejected(self, store: VectorStore, world: World):
        store.upsert([world.picture(1)])
        with pytest.raises(ValueError, match="dimension"):
            store.search(world.query(unit([1, 1])))
        with pytest.raises(ValueError, match="dimension"):
            store.upsert([world.picture(2, unit([1, 1]))])
        assert world.numbers(store.search(world.query())) == [1]

    # Filters

    def test_an_account_finds_and_counts_only_its_own_pictures(self, store: VectorStore, world: World):
        other = World()
        store.upsert([other.picture(n) for n in range(40)] + [world.picture(1, at(1.5)), world.picture(2, at(1.2))])
        assert world.numbers(store.search(world.query(limit=2))) == [2, 1]
        assert store.count(world.account) == 2
        assert store.search(with_options(world.query(), collections=(other.collection(),))) == []
        assert store.count(world.account, other.collection()) == 0

    def test_only_the_collections_of_the_query_are_searched(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 100), collection="many") for n in range(50)])
        store.upsert([world.picture(60, at(1.1), collection="pets"), world.picture(61, at(1.0), collection="cars")])

        def numbers_in(*names: str) -> list[int]:
            collections = tuple(map(world.collection, names))
            return world.numbers(store.search(with_options(world.query(limit=3), collections=collections)))

        assert numbers_in("pets") == [60]
        assert numbers_in("pets", "cars") == [61, 60]
        assert numbers_in("pets", "pets", "many") == [0, 1, 2]
        assert numbers_in("none") == []
        assert numbers_in() == []

    def test_a_query_tells_among_how_many_pictures_it_searches(self, store: VectorStore, world: World):
        query = world.query(limit=1)
        assert store.search_and_count(query) == CountedHits([], 0)
        store.upsert([world.picture(n, at(n / 10), collection="pets") for n in range(3)] + [world.picture(3, at(1.2))])
        store.upsert([World().picture(n) for n in range(5)])
        counts: list[tuple[dict[str, Any], int]] = [
            ({"max_distance": 0.15}, 4),
            ({"after": (0.05, world.uuid(0))}, 4),
            ({"collections": (world.collection("pets"),)}, 3),
            ({"collections": (world.collection("none"),)}, 0),
            ({"collections": ()}, 0),
        ]
        for options, count in counts:
            asked = with_options(query, **options)
            assert store.search_and_count(asked) == CountedHits(store.search(asked), count)

    def test_a_collection_is_counted_alone_and_with_its_account(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, collection="pets") for n in range(3)] + [world.picture(n) for n in range(3, 5)])
        store.remove([world.removal(0, version=2)])
        assert store.count(world.account) == 4
        assert store.count(world.account, world.collection("pets")) == 2
        assert store.count(world.account, world.collection()) == 2
        assert store.count(world.account, world.collection("none")) == 0

    def test_only_vectors_of_the_querys_model_are_compared(self, store: VectorStore, world: World):
        other = "contract-2+d1"
        store.upsert([world.picture(1), replace(world.picture(2), model=other), world.picture(3, at(0.3))])
        assert world.numbers(store.search(world.query())) == [1, 3]
        assert world.numbers(store.search(replace(world.query(), model=other))) == [2]
        assert store.search(replace(world.query(), model="contract-3+d1")) == []
        counts = [store.count(world.account, model=model) for model in (None, world.model, other, "contract-3+d1")]
        assert counts == [3, 2, 1, 0]

    # Pages

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_pages_neither_repeat_nor_skip(self, store: VectorStore, world: World, size: int):
        # Three at each distance, so that pages end within ties.
        store.upsert([world.picture(n, at(n // 3 / 20)) for n in reversed(range(30))])
        assert world.numbers(all_pages(store, world.query(limit=size))) == list(range(30))

    def test_pages_of_one_tie_neither_repeat_nor_skip(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(0.3)) for n in reversed(range(25))])
        assert world.numbers(all_pages(store, world.query(limit=4))) == list(range(25))

    def test_pages_are_the_same_whatever_the_filter(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, scattered(n), collection="pets" if n % 5 else "cars") for n in range(200)])
        hits = store.search(world.query(scattered(0), limit=200))
        pets = [hit for hit in hits if hit.file.collection == world.collection("pets")]
        query = world.query(scattered(0), limit=9)
        assert all_pages(store, with_options(query, collections=(world.collection("pets"),))) == pets
        assert all_pages(store, query) == hits

    def test_pages_end_at_max_distance(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 20)) for n in range(30)])
        twelfth = store.search(world.query())[11].distance
        query = with_options(world.query(limit=5), max_distance=twelfth)
        assert world.numbers(all_pages(store, query)) == list(range(12))

    def test_pictures_that_stay_are_on_one_page_each_while_others_are_written_and_removed(
        self, store: VectorStore, world: World
    ):
        store.upsert([world.picture(n, at(n / 40)) for n in range(40)])
        step = iter(range(1_000))

        def write_between_pages() -> None:
            n = next(step)
            store.upsert([world.picture(100 + n, at(0.012 + n % 7 / 10)), world.picture(20 + n % 20, at(n / 40))])
            store.remove([world.removal(15 + n % 5, version=2), world.removal(100 + n - 2, version=2)])

        numbers = world.numbers(all_pages(store, world.query(limit=3), write_between_pages))
        assert [n for n in numbers if n < 15] == list(range(15))

    def test_more_than_a_thousand_results_are_on_one_page_each_while_writes_go_on(
        self, store: VectorStore, world: World
    ):
        """More than a thousand, and more than a store compares for one page; tests of one store share its graph."""
        staying, going = range(1_200), range(1_200, 1_300)
        for first in range(0, 1_300, 325):
            store.upsert([world.picture(n, scattered(n)) for n in range(first, first + 325)])
        turns = iter(range(1_000))

        def write_between_pages() -> None:
            turn = next(turns)
            new = [world.picture(n, scattered(n)) for n in range(2_000 + 10 * turn, 2_010 + 10 * turn)]
            rewritten = [world.picture(n, scattered(n), version=2) for n in range(turn, 1_200, 100)]
            store.upsert(new + rewritten)
            store.remove([world.removal(n, version=2) for n in going if n % 13 == turn % 13])

        hits = all_pages(store, world.query(scattered(0), limit=100), write_between_pages)
        numbers = world.numbers(hits)
        assert [hit.position for hit in hits] == sorted(hit.position for hit in hits)
        assert len(set(numbers)) == len(numbers), "no picture is on two pages"
        assert set(staying) <= set(numbers), "no picture that was there all the time is left out"

    # Any order

    def matches_a_brute_force_model(self, store: VectorStore, data: st.DataObject) -> None:
        world, model = World(), BruteForce()
        for batch in data.draw(st.lists(batches(), min_size=1, max_size=8)):
            model.apply(world, batch)
            apply(store, world, batch)
            query = data.draw(queries(world))
            expected = model.search(query)
            hits = store.search(query)
            assert [hit.uuid for hit in hits] == [uuid for _, uuid in expected]
            assert [hit.distance for hit in hits] == pytest.approx([d for d, _ in expected], abs=TOLERANCE)
            assert store.count(world.account) == len(model.current)

    test_writes_in_any_order_match_a_brute_force_model = any_order(matches_a_brute_force_model, examples=60)


# The brute-force model, and the writes and queries that are drawn

PALETTE = (0.0, 0.2, 0.2, 0.65, 1.0, 1.7)  # distances, with a tie, far enough apart for any store's precision
NAMES = ("holidays", "pets")


@dataclass(frozen=True)
class Upsert:
    number: int
    version: int
    distance: float


@dataclass(frozen=True)
class Remove:
    number: int
    version: int


@dataclass(frozen=True)
class RemoveCollection:
    name: str


Batch = tuple[Upsert, ...] | tuple[Remove, ...] | RemoveCollection


def batches() -> st.SearchStrategy[Batch]:
    numbers, versions = st.integers(0, 7), st.integers(1, 5)
    upserts = st.lists(st.builds(Upsert, numbers, versions, st.sampled_from(PALETTE)), min_size=1, max_size=6)
    removals = st.lists(st.builds(Remove, numbers, versions), min_size=1, max_size=4)
    return st.one_of(upserts.map(tuple), removals.map(tuple), st.builds(RemoveCollection, st.sampled_from(NAMES)))


def queries(world: World) -> st.SearchStrategy[VectorQuery]:
    collections = st.none() | st.lists(st.sampled_from(NAMES), max_size=2).map(
        lambda names: tuple(map(world.collection, names))
    )
    # Between the palette's distances, so that a store's precision decides nothing.
    max_distance = st.none() | st.sampled_from([0.1, 0.4, 1.3])
    after = st.none() | st.tuples(st.sampled_from([0.1, 0.4, 1.3]), st.integers(0, 7).map(world.uuid))
    limit = st.integers(1, 9)
    options = st.builds(SearchOptions, limit=limit, collections=collections, max_distance=max_distance, after=after)
    return options.map(lambda options: replace(world.query(), options=options))


def picture_of(world: World, upsert: Upsert) -> VectorDocument:
    name = NAMES[upsert.number % 2]  # a picture does not change its collection
    return world.picture(upsert.number, at(upsert.distance), version=upsert.version, collection=name)


def apply(store: VectorStore, world: World, batch: Batch) -> None:
    if isinstance(batch, RemoveCollection):
        store.remove_collection(world.account, world.collection(batch.name))
    else:
        store.upsert([picture_of(world, write) for write in batch if isinstance(write, Upsert)])
        store.remove(
            [world.removal(write.number, version=write.version) for write in batch if isinstance(write, Remove)]
        )


class BruteForce:
    """Each picture's last accepted write: its version, and the distance and collection of those not removed."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.current: dict[str, tuple[float, str]] = {}

    def apply(self, world: World, batch: Batch) -> None:
        if isinstance(batch, RemoveCollection):
            removed = world.collection(batch.name)
            self.current = {uuid: entry for uuid, entry in self.current.items() if entry[1] != removed}
            return
        for write in batch:
            uuid = world.uuid(write.number)
            if write.version < self.versions.get(uuid, 0):
                continue
            self.versions[uuid] = write.version
            self.current.pop(uuid, None)
            if isinstance(write, Upsert):
                self.current[uuid] = (write.distance, picture_of(world, write).collection)

    def search(self, query: VectorQuery) -> list[tuple[float, str]]:
        options = query.options
        pictures = sorted((distance, uuid, collection) for uuid, (distance, collection) in self.current.items())
        return [
            (distance, uuid)
            for distance, uuid, collection in pictures
            if (options.collections is None or collection in options.collections)
            and (options.max_distance is None or distance <= options.max_distance)
            and (options.after is None or (distance, uuid) > options.after)
        ][: options.limit]


def unit(values: Sequence[float]) -> bytes:
    length = math.hypot(*values)
    return struct.pack(f"<{len(values)}f", *(value / length for value in values))


def scattered(number: int) -> bytes:
    return unit([math.sin(number * (axis + 1) * 1.7 + axis) for axis in range(DIMENSION)])


class TestFakeStore(VectorStoreContract):
    @pytest.fixture
    def store(self) -> FakeVectorStore:
        return FakeVectorStore()

    def test_a_fake_that_is_down_raises_and_keeps_its_documents(self, world: World):
        store = FakeVectorStore()
        store.upsert([world.picture(1)])
        store.down = True
        for operation in operations(store, world):
            with pytest.raises(StoreUnavailable):
                operation()
        store.down = False
        assert world.numbers(store.search(world.query())) == [1]


def operations(store: VectorStore, world: World) -> list[Callable[[], object]]:
    return [
        lambda: store.upsert([world.picture(1)]),
        lambda: store.remove([world.removal(1, version=9)]),
        lambda: store.remove_collection(world.account, world.collection()),
        lambda: store.search(world.query()),
        lambda: store.count(world.account),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite"


class TestSQLite(VectorStoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SQLiteVectorStore:
        return SQLiteVectorStore(path)


class TestSQLiteWrittenByOneReadByAnother(VectorStoreContract):
    """One process' store writes and another's reads, which reads only what is new."""

    @pytest.fixture
    def store(self, path: Path) -> VectorStore:
        return WrittenByOneReadByAnother(SQLiteVectorStore(path), SQLiteVectorStore(path))


class ContractOnAServer(VectorStoreContract):
    """The same with fewer histories: each is many requests."""

    test_writes_in_any_order_match_a_brute_force_model = any_order(
        VectorStoreContract.matches_a_brute_force_model, examples=ON_A_SERVER
    )


class TestOpenSearch(ContractOnAServer):
    @pytest.fixture
    def store(self, node: Node) -> OpenSearchVectorStore:
        store = store_on(node, "contract")
        # The first write creates an index; a removal before that has nothing to fend off.
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store


class TestOpenSearchWrittenByOneReadByAnother(ContractOnAServer):
    """One process' store writes and another's reads, which finds new indexes by itself."""

    @pytest.fixture
    def store(self, node: Node) -> VectorStore:
        writer, reader = store_on(node, "contract-pair"), store_on(node, "contract-pair")
        writer.indexes.for_writing("contract-1+d1", DIMENSION)
        return WrittenByOneReadByAnother(writer, reader)


class TestServerless(ContractOnAServer):
    """One process writes and another reads, on a service that assigns ids and accepts fewer requests."""

    @pytest.fixture
    def store(self, serverless: tuple[str, Proxy]) -> VectorStore:
        writer, reader = (serverless_store_on(serverless[0], "contract-serverless") for _ in range(2))
        writer.indexes.for_writing("contract-1+d1", DIMENSION)
        return WrittenByOneReadByAnother(writer, reader)


@dataclass(frozen=True)
class WrittenByOneReadByAnother:
    writer: VectorStore
    reader: VectorStore

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        self.writer.upsert(documents)

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        self.writer.remove(removals)

    def remove_collection(self, account: str, collection: str) -> None:
        self.writer.remove_collection(account, collection)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self.reader.search(query)

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        return self.reader.vectors(model, uuids)

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        return self.reader.find_files(query)

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        return self.reader.search_and_count(query)

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        return self.reader.count(account, collection, model)


class TestFileOfSQLiteStore:
    def test_documents_are_there_after_the_file_is_opened_again(self, path: Path, world: World):
        SQLiteVectorStore(path).upsert([world.picture(1), world.picture(2, at(0.5))])
        SQLiteVectorStore(path).remove([world.removal(1, version=2)])
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [2]

    def test_two_stores_on_one_file_see_the_writes_of_each_other_at_once(self, path: Path, world: World):
        one, other = SQLiteVectorStore(path), SQLiteVectorStore(path)
        for n in range(20):
            one, other = other, one
            one.upsert([world.picture(n, at(n / 20))])
            assert world.numbers(other.search(world.query())) == list(range(n + 1))
            assert world.numbers(one.search(world.query())) == list(range(n + 1))

    def test_the_file_is_created_by_the_first_use(self, path: Path):
        SQLiteVectorStore(path)
        assert not path.exists()

    def test_a_picture_embedded_by_another_model_is_no_longer_found_by_the_old_one(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1), world.picture(2)])
        assert world.numbers(store.search(world.query())) == [1, 2]
        store.upsert([replace(world.picture(1, version=2), model="wider", vector=unit([1] * 16))])
        assert world.numbers(store.search(world.query())) == [2]
        assert world.numbers(store.search(replace(world.query(unit([1] * 16)), model="wider"))) == [1]
        assert store.count(world.account) == 2

    def test_a_rejected_batch_writes_nothing(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1)])
        with pytest.raises(ValueError, match="dimension"):
            store.upsert([world.picture(2), world.picture(3, unit([1, 1]))])
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [1]

    def test_results_do_not_depend_on_the_order_of_rows(self, path: Path, world: World):
        """Sums of float32 differ in their last bits by a row's position; results must not."""
        vectors = [unit([math.sin(n * (axis + 3) * 0.37 + axis) for axis in range(512)]) for n in range(300)]
        exact = FakeVectorStore()
        forward, backward = SQLiteVectorStore(path), SQLiteVectorStore(path.with_suffix(".backward"))
        for store in (exact, forward):
            store.upsert([world.picture(n, vector) for n, vector in enumerate(vectors)])
        for n, vector in reversed(list(enumerate(vectors))):
            backward.upsert([world.picture(n, vector)])
        for n in range(0, 300, 75):
            query = world.query(vectors[n], limit=300)
            expected = exact.search(query)
            assert forward.search(query) == backward.search(query) == expected
            assert all_pages(backward, with_options(query, limit=11)) == expected
            assert str(forward.search(query)[0].distance) == "0.0"
            for farthest in {hit.distance for hit in expected}:
                within = [hit for hit in expected if hit.distance <= farthest]
                assert forward.search(with_options(query, max_distance=farthest)) == within

    def test_readers_drop_the_rows_of_tombstones_that_were_pruned(self, path: Path, world: World):
        clock = [0.0]
        store = SQLiteVectorStore(path, now=lambda: clock[0])
        reader = SQLiteVectorStore(path)
        store.upsert([world.picture(n) for n in range(10)])
        assert len(reader.search(world.query())) == 10
        store.remove([world.removal(n, version=2) for n in range(9)])
        assert tombstones(path) == 9
        clock[0] += TOMBSTONE_SECONDS + 1
        store.remove([world.removal(100, version=1)])
        assert tombstones(path) == 1
        assert world.numbers(reader.search(world.query())) == [9]
        store.upsert([world.picture(11)])
        assert world.numbers(reader.search(world.query())) == [9, 11]

    def test_a_deleted_file_is_given_up_for_the_new_one(self, path: Path, world: World):
        writer, reader = SQLiteVectorStore(path), SQLiteVectorStore(path)
        writer.upsert([world.picture(1)])
        assert world.numbers(reader.search(world.query())) == [1]
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        writer.upsert([world.picture(2)])
        assert world.numbers(reader.search(world.query())) == [2]


class TestSQLiteFileSharedByProcesses:
    def test_a_search_sees_the_writes_of_another_process(self, path: Path, world: World):
        reader = SQLiteVectorStore(path)
        assert reader.search(world.query()) == []
        spawn = multiprocessing.get_context("spawn")
        written, go_on = spawn.Value("i", 0), spawn.Semaphore(0)
        process = spawn.Process(target=write_slowly, args=(path, world, 30, written, go_on), daemon=True)
        process.start()
        while process.is_alive():
            before = written.value
            numbers = world.numbers(reader.search(world.query()))
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= before
            go_on.release()
        assert process.exitcode == 0
        assert world.numbers(reader.search(world.query())) == list(range(30))

    def test_processes_that_create_the_file_at_once_lose_no_writes(self, path: Path, world: World):
        write_by_four_processes(path, world)
        assert world.numbers(SQLiteVectorStore(path).search(world.query(limit=500))) == list(range(200))

    def test_threads_with_a_shared_or_their_own_store_lose_no_writes(self, path: Path, world: World):
        shared, follower = SQLiteVectorStore(path), SQLiteVectorStore(path)
        failures: list[BaseException] = []

        def write(first: int, store: SQLiteVectorStore) -> None:
            try:
                for n in range(first, first + 40):
                    store.upsert([world.picture(n)])
                    assert n in world.numbers(follower.search(world.query(limit=500)))
            except BaseException as error:
                failures.append(error)

        stores = [shared, shared, SQLiteVectorStore(path), SQLiteVectorStore(path)]
        threads = [threading.Thread(target=write, args=(40 * n, store)) for n, store in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert world.numbers(follower.search(world.query(limit=500))) == list(range(160))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_fork_opens_the_file_itself(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]
        process = multiprocessing.get_context("fork").Process(target=write_one_more, args=(store, world))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        store.upsert([world.picture(3)])
        assert world.numbers(store.search(world.query())) == [1, 2, 3]


class TestLogOfWritesOfSQLite:
    """It lies beside the file. At the store's page size it would grow to 16 MB and keep that size."""

    def test_the_log_stays_small_however_much_is_written_and_searched(self, path: Path, world: World):
        writer, reader = SQLiteVectorStore(path), SQLiteVectorStore(path)
        for n in range(400):
            writer.upsert([world.picture(n % 20)])
            assert n % 20 in world.numbers(reader.search(world.query(limit=20)))
        assert log_of_writes(path).stat().st_size <= MAX_LOG_BYTES

    def test_the_log_of_processes_that_were_ended_is_copied_into_the_file_and_deleted(self, path: Path, world: World):
        spawn = multiprocessing.get_context("spawn")
        written = spawn.Event()
        process = spawn.Process(target=write_and_wait, args=(path, world, written), daemon=True)
        process.start()
        assert written.wait(60)
        process.kill()
        process.join(60)
        assert log_of_writes(path).stat().st_size > 0
        remove_log(path)
        assert not log_of_writes(path).exists()
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [1, 2, 3]

    def test_without_a_file_no_log_is_deleted_and_no_file_is_created(self, path: Path):
        remove_log(path)
        assert not path.exists()


def log_of_writes(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def write_and_wait(path: Path, world: World, written) -> None:
    SQLiteVectorStore(path).upsert([world.picture(n) for n in (1, 2, 3)])
    written.set()
    time.sleep(600)


def write_slowly(path: Path, world: World, count: int, written, go_on) -> None:
    store = SQLiteVectorStore(path)
    for n in range(count):
        go_on.acquire()
        store.upsert([world.picture(n)])
        written.value = n + 1


def write_at_once(path: Path, world: World, first: int, start) -> None:
    store = SQLiteVectorStore(path)
    start.wait(60)
    for n in range(first, first + 50):
        store.upsert([world.picture(n)])


def write_by_four_processes(path: Path, world: World) -> None:
    """Pictures 0 to 199, fifty by each process, all begun at once."""
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(4)
    processes = [spawn.Process(target=write_at_once, args=(path, world, first, start)) for first in (0, 50, 100, 150)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4


def write_one_more(store: SQLiteVectorStore, world: World) -> None:
    store.upsert([world.picture(2)])
    assert world.numbers(store.search(world.query())) == [1, 2]


def tombstones(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM documents WHERE removed_at IS NOT NULL").fetchone()[0])


class TestUnusableSQLiteFile:
    def test_a_file_that_is_not_a_database_makes_the_store_unavailable(self, path: Path, world: World):
        path.write_bytes(b"this is not a database, though it is long enough to look like one" * 100)
        assert_unavailable(SQLiteVectorStore(path), world)

    def test_a_database_with_a_damaged_page_makes_the_store_unavailable(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(n) for n in range(500)])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damaged = bytearray(path.read_bytes())
        damaged[16_384:] = b"\xff" * (len(damaged) - 16_384)
        path.write_bytes(damaged)
        fresh = SQLiteVectorStore(path)
        with pytest.raises(StoreUnavailable):
            fresh.search(world.query())

    def test_a_missing_folder_makes_the_store_unavailable_until_it_is_created(self, tmp_path: Path, world: World):
        store = SQLiteVectorStore(tmp_path / "later" / "vectors.sqlite")
        assert_unavailable(store, world)
        (tmp_path / "later").mkdir()
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]

    def test_a_folder_with_the_name_of_the_file_makes_the_store_unavailable(self, tmp_path: Path, world: World):
        assert_unavailable(SQLiteVectorStore(tmp_path), world)

    def test_a_file_of_a_newer_schema_makes_the_store_unavailable_and_is_kept(self, path: Path, world: World):
        SQLiteVectorStore(path).upsert([world.picture(1)])
        set_schema_version(path, 99)
        for operation in operations(SQLiteVectorStore(path), world):
            with pytest.raises(StoreUnavailable, match="newer version"):
                operation()
        set_schema_version(path, SCHEMA_VERSION)
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [1]

    def test_a_writer_that_waits_too_long_raises_while_searches_go_on(self, path: Path, world: World):
        store = SQLiteVectorStore(path, busy_seconds=0.05)
        store.upsert([world.picture(1)])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable) as error:
                store.upsert([world.picture(2)])
            assert isinstance(error.value.__cause__, sqlite3.OperationalError)
            assert world.numbers(store.search(world.query())) == [1]
        store.upsert([world.picture(2)])
        assert world.numbers(store.search(world.query())) == [1, 2]


def assert_unavailable(store: SQLiteVectorStore, world: World) -> None:
    for operation in operations(store, world):
        with pytest.raises(StoreUnavailable) as error:
            operation()
        assert isinstance(error.value.__cause__, sqlite3.Error)


def set_schema_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


class TestSQLiteFileOfAnOlderSchema:
    @pytest.fixture
    def store(self, path: Path, world: World) -> SQLiteVectorStore:
        """A store on a file with the tables of schema 1, and a picture in them."""
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                """CREATE TABLE documents (uuid TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL,
                seq INTEGER NOT NULL, removed_at REAL, account TEXT, collection TEXT, bucket TEXT, key TEXT,
                size INTEGER, md5 TEXT, model TEXT, vector BLOB)"""
            )
            connection.execute("CREATE INDEX documents_by_seq ON documents (seq)")
            connection.execute("CREATE TABLE models (model TEXT NOT NULL PRIMARY KEY, dimension INTEGER NOT NULL)")
            connection.execute("CREATE TABLE sequence (seq INTEGER NOT NULL, pruned INTEGER NOT NULL)")
            connection.execute("INSERT INTO sequence VALUES (1, 0)")
            connection.execute("INSERT INTO models VALUES (?, 512)", (world.model,))
            connection.execute(
                "INSERT INTO documents VALUES (?, 1, 1, NULL, ?, ?, 'b', 'k', 1, 'm', ?, ?)",
                (world.uuid(1), world.account, world.collection(), world.model, NORTH),
            )
            connection.execute("PRAGMA user_version = 1")
        return SQLiteVectorStore(path)

    def rebuild(self, store: SQLiteVectorStore, world: World) -> None:
        rebuild = store.rebuild(world.model, DIMENSION)
        rebuild.write([world.picture(1), world.picture(2, at(0.5))], [world.removal(3, version=2)])
        assert world.numbers(rebuild.search(world.query())) == [1, 2]
        rebuild.serve()

    def test_searches_and_the_health_check_advise_to_reindex(self, store: SQLiteVectorStore, world: World):
        for operation in (
            lambda: store.search(world.query()),
            lambda: store.search_exactly(world.query()),
            store.check_health,
        ):
            with pytest.raises(StoreUnavailable, match=r"infra\.admin reindex"):
                operation()

    def test_an_older_file_without_pictures_needs_no_rebuild(self, path: Path, store: SQLiteVectorStore, world: World):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE documents SET vector = NULL, removed_at = 1")
        assert store.search(world.query()) == []
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]
        assert store.check_health() == []

    def test_after_a_rebuild_searches_find_everything(self, path: Path, store: SQLiteVectorStore, world: World):
        self.rebuild(store, world)
        for reader in (store, SQLiteVectorStore(path)):
            assert world.numbers(reader.search(world.query())) == [1, 2]
            assert reader.check_health() == []

    def test_workers_write_before_and_during_the_rebuild(self, path: Path, store: SQLiteVectorStore, world: World):
        worker = SQLiteVectorStore(path)
        worker.upsert([world.picture(2, at(0.1), version=2)])
        rebuild = store.rebuild(world.model, DIMENSION)
        worker.remove([world.removal(1, version=2)])
        worker.upsert([world.picture(4, at(0.9))])
        rebuild.write([world.picture(1), world.picture(2, at(0.5)), world.picture(4, at(0.9))], [])
        rebuild.serve()
        assert world.numbers(worker.search(world.query())) == [2, 4]

    def test_a_rebuild_that_stopped_leaves_searches_unavailable_until_one_is_complete(
        self, path: Path, store: SQLiteVectorStore, world: World
    ):
        store.rebuild(world.model, DIMENSION).write([world.picture(1)], [])
        with pytest.raises(StoreUnavailable, match=r"infra\.admin reindex"):
            SQLiteVectorStore(path).search(world.query())
        self.rebuild(SQLiteVectorStore(path), world)
        assert world.numbers(store.search(world.query())) == [1, 2]

    def test_processes_that_open_the_file_at_once_lose_no_writes(
        self, path: Path, store: SQLiteVectorStore, world: World
    ):
        write_by_four_processes(path, world)
        assert store.count(world.account) == 200
