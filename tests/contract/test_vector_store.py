"""What every vector store must hold: one suite, run on the fake, on the SQLite store and on OpenSearch itself.

A store joins by a subclass with a fixture ``store``. It may be the same store for all tests: each test has accounts,
collections and uuids of its own. Distances are compared to 5e-6, because a store may keep its scores in float32.
"""

import math
import multiprocessing
import os
import sqlite3
import struct
import threading
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
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import TOMBSTONE_SECONDS, Hit, VectorDocument, VectorQuery, VectorRemoval
from chalicelib.services.ports import VectorStore
from infra.opensearch.node import Node
from tests.fakes.vectors import FakeVectorStore
from tests.fault_proxy import Proxy
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

DIMENSION = 8
TOLERANCE = 5e-6


def at(distance: float) -> bytes:
    """A vector at this distance from ``NORTH``."""
    cosine = 1 - distance
    return struct.pack(f"<{DIMENSION}f", cosine, math.sqrt(max(0, 1 - cosine**2)), *[0] * (DIMENSION - 2))


NORTH = at(0)


@dataclass
class World:
    """Documents and queries of one test: an account, its collections and numbered pictures."""

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
            collection=self.collection(collection),
            bucket="photographs",
            key=f"2024/Ä {number}.jpg",
            size=1_000 + number,
            md5=f"{number:032x}",
            model=self.model,
            version=version,
            vector=vector,
        )

    def removal(self, number: int, *, version: int) -> VectorRemoval:
        return VectorRemoval(self.uuid(number), version)

    def query(self, vector: bytes = NORTH, *, limit: int = 100) -> VectorQuery:
        return VectorQuery(self.account, vector, self.model, limit)

    def numbers(self, hits: Iterable[Hit]) -> list[int]:
        return [int(hit.uuid.removeprefix(f"{self.name}-")) for hit in hits]


def pages(store: VectorStore, query: VectorQuery, between: Callable[[], None] = lambda: None) -> list[Hit]:
    """All hits of a query, a page of ``query.limit`` at a time, with something done between them."""
    hits: list[Hit] = []
    while page := store.search(query):
        assert len(page) <= query.limit
        hits += page
        query = replace(query, after=(page[-1].distance, page[-1].uuid))
        between()
    return hits


@pytest.fixture
def world() -> World:
    return World()


def any_order(test: Callable[..., None], *, examples: int) -> Any:
    """Examples of a history drawn step by step. One store may see them all: each has a world of its own."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
    settled = settings(max_examples=examples, database=None, suppress_health_check=checks)
    return settled(given(data=st.data())(test))


class VectorStoreContract:
    @pytest.fixture
    def store(self) -> VectorStore:
        raise NotImplementedError

    def test_a_store_finds_what_it_was_given_with_all_that_a_result_shows(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.25))])
        (hit,) = store.search(world.query())
        assert hit == Hit(
            uuid=world.uuid(1),
            collection=world.collection(),
            bucket="photographs",
            key="2024/Ä 1.jpg",
            size=1_001,
            md5=f"{1:032x}",
            distance=pytest.approx(0.25, abs=TOLERANCE),
        )

    def test_an_empty_store_finds_and_counts_nothing(self, store: VectorStore, world: World):
        assert store.search(world.query()) == []
        assert store.count(world.account) == 0
        assert store.count(world.account, world.collection()) == 0

    def test_writing_nothing_is_fine(self, store: VectorStore, world: World):
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

    def test_the_limit_cuts_after_the_nearest(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 50)) for n in reversed(range(50))])
        assert world.numbers(store.search(world.query(limit=1))) == [0]
        assert world.numbers(store.search(world.query(limit=7))) == list(range(7))
        assert world.numbers(store.search(world.query(limit=50))) == list(range(50))
        assert world.numbers(store.search(world.query(limit=1_000))) == list(range(50))

    def test_the_limit_cuts_ties_in_order_of_uuid(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(0.4)) for n in reversed(range(40))])
        assert world.numbers(store.search(world.query(limit=7))) == list(range(7))

    def test_pictures_farther_than_max_distance_are_left_out_and_one_just_there_is_not(
        self, store: VectorStore, world: World
    ):
        store.upsert([world.picture(n, at(n / 10)) for n in range(10)])
        there = store.search(world.query())[4].distance
        found = store.search(replace(world.query(), max_distance=there))
        assert world.numbers(found) == [0, 1, 2, 3, 4]
        assert world.numbers(store.search(replace(world.query(), max_distance=0.0))) == [0]
        assert world.numbers(store.search(replace(world.query(limit=2), max_distance=there))) == [0, 1]

    # Writes

    def test_the_same_write_again_changes_nothing(self, store: VectorStore, world: World):
        batch = [world.picture(n, at(n / 10)) for n in range(5)]
        store.upsert(batch)
        before = store.search(world.query())
        store.upsert(batch)
        assert store.search(world.query()) == before
        assert store.count(world.account) == 5

    def test_a_higher_version_replaces_the_whole_document(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.2))])
        store.upsert([replace(world.picture(1, at(0.9), version=2), key="moved.jpg", size=7, md5="f" * 32)])
        (hit,) = store.search(world.query())
        assert (hit.key, hit.size, hit.md5) == ("moved.jpg", 7, "f" * 32)
        assert hit.distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_of_two_writes_of_one_version_the_later_stays(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.2))])
        store.upsert([world.picture(1, at(0.9))])
        assert store.search(world.query())[0].distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_of_one_picture_twice_in_a_batch_the_higher_version_stays(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=2), world.picture(1, at(0.2), version=1)])
        store.upsert([world.picture(2, at(0.3), version=1), world.picture(2, at(0.4), version=2)])
        found = {number: hit.distance for hit in store.search(world.query()) for number in world.numbers([hit])}
        assert found == {1: pytest.approx(0.9, abs=TOLERANCE), 2: pytest.approx(0.4, abs=TOLERANCE)}

    def test_a_late_upsert_loses_against_a_newer_one(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=3)])
        store.upsert([world.picture(1, at(0.2), version=2)])
        assert store.search(world.query())[0].distance == pytest.approx(0.9, abs=TOLERANCE)

    def test_a_late_upsert_does_not_keep_its_neighbours_from_being_written(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, at(0.9), version=3)])
        store.upsert([world.picture(1, at(0.2), version=2), world.picture(2, at(0.5), version=1)])
        assert world.numbers(store.search(world.query())) == [2, 1]

    def test_a_late_upsert_loses_against_a_newer_removal(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=1)])
        store.remove([world.removal(1, version=3)])
        store.upsert([world.picture(1, version=2)])
        assert store.search(world.query()) == []
        assert store.count(world.account) == 0

    def test_a_late_upsert_loses_against_the_removal_of_what_was_never_there(self, store: VectorStore, world: World):
        store.remove([world.removal(1, version=3)])
        store.upsert([world.picture(1, version=2)])
        assert store.search(world.query()) == []

    def test_a_late_removal_loses_against_a_newer_upsert(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=3)])
        store.remove([world.removal(1, version=2)])
        assert world.numbers(store.search(world.query())) == [1]
        assert store.count(world.account) == 1

    def test_a_late_removal_does_not_let_later_ones_win(self, store: VectorStore, world: World):
        store.remove([world.removal(1, version=5)])
        store.remove([world.removal(1, version=2)])
        store.upsert([world.picture(1, version=3)])
        assert store.search(world.query()) == []

    def test_a_removal_of_the_same_version_takes_the_picture_out(self, store: VectorStore, world: World):
        store.upsert([world.picture(1, version=2), world.picture(2)])
        store.remove([world.removal(1, version=2)])
        assert world.numbers(store.search(world.query())) == [2]

    def test_removing_again_or_what_is_not_there_is_fine(self, store: VectorStore, world: World):
        store.upsert([world.picture(1), world.picture(2)])
        for _ in range(2):
            store.remove([world.removal(1, version=2), world.removal(3, version=1)])
        assert world.numbers(store.search(world.query())) == [2]

    def test_a_removed_picture_comes_back_with_a_version_not_below(self, store: VectorStore, world: World):
        store.upsert([world.picture(1), world.picture(2)])
        store.remove([world.removal(1, version=2), world.removal(2, version=2)])
        store.upsert([world.picture(1, version=2), world.picture(2, version=3)])
        assert world.numbers(store.search(world.query())) == [1, 2]

    def test_removing_a_collection_leaves_the_others(self, store: VectorStore, world: World):
        other = World()
        store.upsert([world.picture(1, collection="pets"), world.picture(2, collection="pets"), world.picture(3)])
        store.upsert([replace(other.picture(4), collection=world.collection("pets"))])
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
    def test_a_vector_that_is_not_of_length_one_is_refused(self, store: VectorStore, world: World, vector: bytes):
        with pytest.raises(ValueError, match="vector"):
            store.upsert([world.picture(1, vector)])
        with pytest.raises(ValueError, match="vector"):
            store.upsert([world.picture(1, struct.pack(f"<{DIMENSION}f", math.nan, *[0] * (DIMENSION - 1)))])
        assert store.count(world.account) == 0

    def test_a_vector_of_another_dimension_than_the_models_is_refused(self, store: VectorStore, world: World):
        store.upsert([world.picture(1)])
        with pytest.raises(ValueError, match="dimension"):
            store.search(world.query(unit([1, 1])))
        with pytest.raises(ValueError, match="dimension"):
            store.upsert([world.picture(2, unit([1, 1]))])
        assert world.numbers(store.search(world.query())) == [1]

    # Filters

    def test_an_account_finds_and_counts_its_own_pictures_only(self, store: VectorStore, world: World):
        stranger = World()
        store.upsert([stranger.picture(n) for n in range(40)] + [world.picture(1, at(1.5)), world.picture(2, at(1.2))])
        assert world.numbers(store.search(world.query(limit=2))) == [2, 1]
        assert store.count(world.account) == 2
        assert store.search(replace(world.query(), collections=(stranger.collection(),))) == []
        assert store.count(world.account, stranger.collection()) == 0

    def test_collections_asked_for_are_the_only_ones_searched(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 100), collection="many") for n in range(50)])
        store.upsert([world.picture(60, at(1.1), collection="pets"), world.picture(61, at(1.0), collection="cars")])

        def found(*names: str) -> list[int]:
            asked = tuple(map(world.collection, names))
            return world.numbers(store.search(replace(world.query(limit=3), collections=asked)))

        assert found("pets") == [60]
        assert found("pets", "cars") == [61, 60]
        assert found("pets", "pets", "many") == [0, 1, 2]
        assert found("none") == []
        assert found() == []

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
        counted = [store.count(world.account, model=model) for model in (None, world.model, other, "contract-3+d1")]
        assert counted == [3, 2, 1, 0]

    # Pages

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_pages_neither_repeat_nor_skip(self, store: VectorStore, world: World, size: int):
        # Three at each distance, so that pages end within ties.
        store.upsert([world.picture(n, at(n // 3 / 20)) for n in reversed(range(30))])
        assert world.numbers(pages(store, world.query(limit=size))) == list(range(30))

    def test_pages_of_one_tie_neither_repeat_nor_skip(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(0.3)) for n in reversed(range(25))])
        assert world.numbers(pages(store, world.query(limit=4))) == list(range(25))

    def test_pages_are_the_same_whatever_the_filter(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, scattered(n), collection="pets" if n % 5 else "cars") for n in range(200)])
        all_of_them = store.search(world.query(scattered(0), limit=200))
        pets = [hit for hit in all_of_them if hit.collection == world.collection("pets")]
        asked = replace(world.query(scattered(0), limit=9), collections=(world.collection("pets"),))
        assert pages(store, asked) == pets
        assert pages(store, world.query(scattered(0), limit=9)) == all_of_them

    def test_pages_end_at_max_distance(self, store: VectorStore, world: World):
        store.upsert([world.picture(n, at(n / 20)) for n in range(30)])
        there = store.search(world.query())[11].distance
        assert world.numbers(pages(store, replace(world.query(limit=5), max_distance=there))) == list(range(12))

    def test_what_stays_is_paged_once_while_other_things_are_written_and_removed(
        self, store: VectorStore, world: World
    ):
        store.upsert([world.picture(n, at(n / 40)) for n in range(40)])
        step = iter(range(1_000))

        def meanwhile() -> None:
            n = next(step)
            store.upsert([world.picture(100 + n, at(0.012 + n % 7 / 10)), world.picture(20 + n % 20, at(n / 40))])
            store.remove([world.removal(15 + n % 5, version=2), world.removal(100 + n - 2, version=2)])

        found = world.numbers(pages(store, world.query(limit=3), meanwhile))
        assert [n for n in found if n < 15] == list(range(15))

    def test_more_than_a_thousand_results_are_paged_once_while_writes_go_on(self, store: VectorStore, world: World):
        """Past a thousand, and past what a store looks at for one page; tests of one store share its graph."""
        staying, going = range(1_200), range(1_200, 1_300)
        for first in range(0, 1_300, 325):
            store.upsert([world.picture(n, scattered(n)) for n in range(first, first + 325)])
        turns = iter(range(1_000))

        def meanwhile() -> None:
            turn = next(turns)
            new = [world.picture(n, scattered(n)) for n in range(2_000 + 10 * turn, 2_010 + 10 * turn)]
            again = [world.picture(n, scattered(n), version=2) for n in range(turn, 1_200, 100)]
            store.upsert(new + again)
            store.remove([world.removal(n, version=2) for n in going if n % 13 == turn % 13])

        hits = pages(store, world.query(scattered(0), limit=100), meanwhile)
        found = world.numbers(hits)
        assert [(hit.distance, hit.uuid) for hit in hits] == sorted((hit.distance, hit.uuid) for hit in hits)
        assert len(set(found)) == len(found), "none is shown twice"
        assert set(staying) <= set(found), "none that was there all the time is left out"

    # Any order

    def leaves_what_a_brute_force_model_says(self, store: VectorStore, data: st.DataObject) -> None:
        world, model = World(), BruteForce()
        for batch in data.draw(st.lists(batches(), min_size=1, max_size=8)):
            model.apply(world, batch)
            apply(store, world, batch)
            query = data.draw(queries(world))
            expected = model.search(query)
            found = store.search(query)
            assert [hit.uuid for hit in found] == [uuid for _, uuid in expected]
            assert [hit.distance for hit in found] == pytest.approx([d for d, _ in expected], abs=TOLERANCE)
            assert store.count(world.account) == len(model.standing)

    test_any_order_of_writes = any_order(leaves_what_a_brute_force_model_says, examples=60)


# The brute-force model, and what is thrown at it

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
    chosen = st.none() | st.lists(st.sampled_from(NAMES), max_size=2).map(
        lambda names: tuple(map(world.collection, names))
    )
    # Between the palette's distances, so that a store's precision decides nothing.
    cuts = st.none() | st.sampled_from([0.1, 0.4, 1.3])
    after = st.none() | st.tuples(st.sampled_from([0.1, 0.4, 1.3]), st.integers(0, 7).map(world.uuid))
    return st.builds(
        VectorQuery,
        account=st.just(world.account),
        vector=st.just(NORTH),
        model=st.just(world.model),
        limit=st.integers(1, 9),
        collections=chosen,
        max_distance=cuts,
        after=after,
    )


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
    """Each picture's last accepted write: its version, and its distance and collection while it stands."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.standing: dict[str, tuple[float, str]] = {}

    def apply(self, world: World, batch: Batch) -> None:
        if isinstance(batch, RemoveCollection):
            gone = world.collection(batch.name)
            self.standing = {uuid: place for uuid, place in self.standing.items() if place[1] != gone}
            return
        for write in batch:
            uuid = world.uuid(write.number)
            if write.version < self.versions.get(uuid, 0):
                continue
            self.versions[uuid] = write.version
            self.standing.pop(uuid, None)
            if isinstance(write, Upsert):
                self.standing[uuid] = (write.distance, picture_of(world, write).collection)

    def search(self, query: VectorQuery) -> list[tuple[float, str]]:
        everything = sorted((distance, uuid, collection) for uuid, (distance, collection) in self.standing.items())
        return [
            (distance, uuid)
            for distance, uuid, collection in everything
            if (query.collections is None or collection in query.collections)
            and (query.max_distance is None or distance <= query.max_distance)
            and (query.after is None or (distance, uuid) > query.after)
        ][: query.limit]


def unit(values: Sequence[float]) -> bytes:
    length = math.hypot(*values)
    return struct.pack(f"<{len(values)}f", *(value / length for value in values))


def scattered(number: int) -> bytes:
    return unit([math.sin(number * (axis + 1) * 1.7 + axis) for axis in range(DIMENSION)])


class TestTheFake(VectorStoreContract):
    @pytest.fixture
    def store(self) -> FakeVectorStore:
        return FakeVectorStore()

    def test_a_fake_that_is_down_refuses_everything_and_keeps_what_it_has(self, world: World):
        store = FakeVectorStore()
        store.upsert([world.picture(1)])
        store.down = True
        for act in everything(store, world):
            with pytest.raises(StoreUnavailable):
                act()
        store.down = False
        assert world.numbers(store.search(world.query())) == [1]


def everything(store: VectorStore, world: World) -> list[Callable[[], object]]:
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


class TestTheEmbeddedStore(VectorStoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SQLiteVectorStore:
        return SQLiteVectorStore(path)


class TestTheEmbeddedStoreSeenByAnother(VectorStoreContract):
    """The whole contract again, written by one process' store and read by another's, which follows by increments."""

    @pytest.fixture
    def store(self, path: Path) -> VectorStore:
        return WrittenByOneReadByAnother(SQLiteVectorStore(path), SQLiteVectorStore(path))


class TestOpenSearch(VectorStoreContract):
    @pytest.fixture
    def store(self, node: Node) -> OpenSearchVectorStore:
        store = store_on(node, "contract")
        # The first write ever makes an index; a removal before that has nothing to fend off.
        store.indexes.for_writing("contract-1+d1", DIMENSION)
        return store


class TestOpenSearchSeenByAnother(VectorStoreContract):
    """Written by one process' store and read by another's, which learns of new indexes by itself."""

    @pytest.fixture
    def store(self, node: Node) -> VectorStore:
        writer, reader = store_on(node, "contract-pair"), store_on(node, "contract-pair")
        writer.indexes.for_writing("contract-1+d1", DIMENSION)
        return WrittenByOneReadByAnother(writer, reader)


class TestServerless(VectorStoreContract):
    """Written by one process and read by another, at a service whose ids are its own and that takes fewer requests."""

    @pytest.fixture
    def store(self, serverless: tuple[str, Proxy]) -> VectorStore:
        writer, reader = (serverless_store_on(serverless[0], "contract-serverless") for _ in range(2))
        writer.indexes.for_writing("contract-1+d1", DIMENSION)
        return WrittenByOneReadByAnother(writer, reader)

    # Fewer of them: here a write is several requests, and test_serverless.py has histories of its own.
    test_any_order_of_writes = any_order(VectorStoreContract.leaves_what_a_brute_force_model_says, examples=12)


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

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        return self.reader.count(account, collection, model)


class TestTheFileOfTheEmbeddedStore:
    def test_what_was_written_is_there_after_reopening(self, path: Path, world: World):
        SQLiteVectorStore(path).upsert([world.picture(1), world.picture(2, at(0.5))])
        SQLiteVectorStore(path).remove([world.removal(1, version=2)])
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [2]

    def test_two_stores_on_one_file_see_each_others_writes_at_once(self, path: Path, world: World):
        one, other = SQLiteVectorStore(path), SQLiteVectorStore(path)
        for n in range(20):
            one, other = other, one
            one.upsert([world.picture(n, at(n / 20))])
            assert world.numbers(other.search(world.query())) == list(range(n + 1))
            assert world.numbers(one.search(world.query())) == list(range(n + 1))

    def test_nothing_is_opened_before_it_is_used(self, path: Path):
        SQLiteVectorStore(path)
        assert not path.exists()

    def test_a_picture_embedded_by_another_model_leaves_the_old_ones_results(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1), world.picture(2)])
        assert world.numbers(store.search(world.query())) == [1, 2]
        store.upsert([replace(world.picture(1, version=2), model="wider", vector=unit([1] * 16))])
        assert world.numbers(store.search(world.query())) == [2]
        assert world.numbers(store.search(replace(world.query(unit([1] * 16)), model="wider"))) == [1]
        assert store.count(world.account) == 2

    def test_a_refused_batch_leaves_nothing_behind(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1)])
        with pytest.raises(ValueError, match="dimension"):
            store.upsert([world.picture(2), world.picture(3, unit([1, 1]))])
        assert world.numbers(SQLiteVectorStore(path).search(world.query())) == [1]

    def test_an_answer_does_not_depend_on_where_a_row_stands(self, path: Path, world: World):
        """Sums of float32 differ in their last bits by a row's place; what is answered must not."""
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
            assert pages(backward, replace(query, limit=11)) == expected
            assert str(forward.search(query)[0].distance) == "0.0"
            for farthest in {hit.distance for hit in expected}:
                within = [hit for hit in expected if hit.distance <= farthest]
                assert forward.search(replace(query, max_distance=farthest)) == within

    def test_old_tombstones_go_and_every_reader_still_drops_their_rows(self, path: Path, world: World):
        day = [0.0]
        store = SQLiteVectorStore(path, now=lambda: day[0])
        reader = SQLiteVectorStore(path)
        store.upsert([world.picture(n) for n in range(10)])
        assert len(reader.search(world.query())) == 10
        store.remove([world.removal(n, version=2) for n in range(9)])
        assert tombstones(path) == 9
        day[0] += TOMBSTONE_SECONDS + 1
        store.remove([world.removal(100, version=1)])
        assert tombstones(path) == 1
        assert world.numbers(reader.search(world.query())) == [9]
        store.upsert([world.picture(11)])
        assert world.numbers(reader.search(world.query())) == [9, 11]

    def test_a_file_deleted_meanwhile_is_left_for_the_new_one(self, path: Path, world: World):
        writer, reader = SQLiteVectorStore(path), SQLiteVectorStore(path)
        writer.upsert([world.picture(1)])
        assert world.numbers(reader.search(world.query())) == [1]
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        writer.upsert([world.picture(2)])
        assert world.numbers(reader.search(world.query())) == [2]


class TestSeveralProcessesOnOneFile:
    def test_a_search_sees_what_another_process_has_written(self, path: Path, world: World):
        reader = SQLiteVectorStore(path)
        assert reader.search(world.query()) == []
        spawn = multiprocessing.get_context("spawn")
        written, go_on = spawn.Value("i", 0), spawn.Semaphore(0)
        process = spawn.Process(target=write_slowly, args=(path, world, 30, written, go_on), daemon=True)
        process.start()
        while process.is_alive():
            before = written.value
            found = world.numbers(reader.search(world.query()))
            assert found == list(range(len(found)))
            assert len(found) >= before
            go_on.release()
        assert process.exitcode == 0
        assert world.numbers(reader.search(world.query())) == list(range(30))

    def test_processes_that_open_a_new_file_at_once_lose_nothing(self, path: Path, world: World):
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(4)
        processes = [
            spawn.Process(target=write_at_once, args=(path, world, first, start)) for first in (0, 50, 100, 150)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
        assert world.numbers(SQLiteVectorStore(path).search(world.query(limit=500))) == list(range(200))

    def test_threads_that_share_a_store_or_have_their_own_lose_nothing(self, path: Path, world: World):
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
    def test_a_fork_opens_the_file_for_itself(self, path: Path, world: World):
        store = SQLiteVectorStore(path)
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]
        process = multiprocessing.get_context("fork").Process(target=write_one_more, args=(store, world))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        store.upsert([world.picture(3)])
        assert world.numbers(store.search(world.query())) == [1, 2, 3]


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


def write_one_more(store: SQLiteVectorStore, world: World) -> None:
    store.upsert([world.picture(2)])
    assert world.numbers(store.search(world.query())) == [1, 2]


def tombstones(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM documents WHERE removed_at IS NOT NULL").fetchone()[0])


class TestWhenTheFileCannotBeUsed:
    def test_a_file_that_is_no_database_makes_the_store_unavailable(self, path: Path, world: World):
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

    def test_a_missing_folder_makes_the_store_unavailable_until_it_is_there(self, tmp_path: Path, world: World):
        store = SQLiteVectorStore(tmp_path / "later" / "vectors.sqlite")
        assert_unavailable(store, world)
        (tmp_path / "later").mkdir()
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]

    def test_a_folder_in_the_files_place_makes_the_store_unavailable(self, tmp_path: Path, world: World):
        assert_unavailable(SQLiteVectorStore(tmp_path), world)

    def test_a_file_of_another_version_makes_the_store_unavailable(self, path: Path, world: World):
        SQLiteVectorStore(path).upsert([world.picture(1)])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        with pytest.raises(StoreUnavailable, match="another version"):
            SQLiteVectorStore(path).search(world.query())

    def test_a_writer_that_waits_too_long_gives_up_while_searches_go_on(self, path: Path, world: World):
        store = SQLiteVectorStore(path, busy_seconds=0.05)
        store.upsert([world.picture(1)])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable) as refused:
                store.upsert([world.picture(2)])
            assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
            assert world.numbers(store.search(world.query())) == [1]
        store.upsert([world.picture(2)])
        assert world.numbers(store.search(world.query())) == [1, 2]


def assert_unavailable(store: SQLiteVectorStore, world: World) -> None:
    for act in everything(store, world):
        with pytest.raises(StoreUnavailable) as refused:
            act()
        assert isinstance(refused.value.__cause__, sqlite3.Error)
