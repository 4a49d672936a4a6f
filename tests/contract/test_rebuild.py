"""Filling a store anew from the catalogue, and telling whether it says the same, on each store that is no fake."""

import itertools
import math
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.errors import Conflict
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import SearchOptions, VectorDocument, VectorQuery, VectorRemoval, vector_document
from chalicelib.services.maintenance.consistency_check import ConsistencyCheck
from chalicelib.services.maintenance.model_switch import ModelSwitch
from chalicelib.services.maintenance.rebuild import RebuildService
from chalicelib.services.ports import MaintainedVectorStore, Rebuild
from infra.opensearch.node import Node
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

MODEL, DIMENSION = "rebuilt-1+d1", 8
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def vector(number: int) -> bytes:
    """Vectors in all directions, no two of them near each other."""
    values = [math.sin(number * (axis + 1) * 1.7 + axis) for axis in range(DIMENSION)]
    length = math.hypot(*values)
    return struct.pack(f"<{DIMENSION}f", *(value / length for value in values))


def query_of(account: str, near: bytes, model: str, *, limit: int) -> VectorQuery:
    return VectorQuery(account=account, vector=near, model=model, options=SearchOptions(limit=limit))


class World:
    """A catalogue with one collection, and how a worker writes: the store first, the catalogue second."""

    def __init__(self, store: MaintainedVectorStore) -> None:
        self.store = store
        self.collections = FakeCollections()
        self.catalogue = FakeCatalogue(self.collections)
        self.collection = Collection(
            str(uuid4()), f"account-{uuid4()}", "Ours", CollectionType.S3, "bucket", "", "eu-west-1", NOW
        )
        self.collections.add(self.collection)

    def record(self, number: int, *, seed: int | None = None, model: str = MODEL) -> FileRecord:
        """Picture number ``number``, with the vector of ``seed``, as the next version of what is known of it."""
        key = f"photos/{number:05}.jpg"
        known = self.catalogue.get(self.collection.uuid, key)
        picture = ImageEmbedding(model, vector(number if seed is None else seed), 1_000, f"{number:032x}", 8, 8, "JPEG")
        return FileRecord(
            self.collection.account,
            self.collection.uuid,
            key,
            FileState.INDEXED,
            "etag",
            1_000,
            known.version + 1 if known else 1,
            NOW,
            picture,
            model=model,
        )

    def save(self, *records: FileRecord) -> None:
        """Into the catalogue alone."""
        for record in records:
            self.catalogue.save(record, self.catalogue.get(record.collection, record.key))

    def project(self, record: FileRecord) -> None:
        """Into the store alone."""
        if record.state is FileState.INDEXED:
            assert record.embedding is not None
            self.store.upsert([vector_document(record, record.embedding, "bucket")])
        else:
            self.store.remove([VectorRemoval(record.uuid, record.version)])

    def write(self, record: FileRecord) -> None:
        self.project(record)
        self.save(record)

    def fill(self, count: int) -> None:
        """The first pictures, written at once."""
        records = [self.record(n) for n in range(count)]
        self.store.upsert([vector_document(each, each.embedding, "bucket") for each in records if each.embedding])
        self.save(*records)

    def rebuilding(self, store: MaintainedVectorStore | None = None) -> RebuildService:
        said: list[str] = []
        return RebuildService(
            lambda: [self.collection], self.catalogue, store or self.store, said.append, 0.0, lambda _: None
        )

    def rebuild(self) -> None:
        self.rebuilding().rebuild(MODEL)

    def findings(self) -> list[str]:
        return ConsistencyCheck(self.catalogue, self.store).run([self.collection], MODEL, lambda _: None)

    def found(self, number: int) -> dict[str, float]:
        """Every picture of the collection with its distance from a vector."""
        query = query_of(self.collection.account, vector(number), MODEL, limit=1_000)
        return {hit.uuid: hit.distance for hit in self.store.search(query)}

    def expected(self) -> set[str]:
        return {
            record.uuid
            for record in self.catalogue.records.values()
            if record.state is FileState.INDEXED and record.embedding is not None and record.embedding.model == MODEL
        }

    def assert_equal(self) -> None:
        """The store says what the catalogue says, vector by vector."""
        assert set(self.found(0)) == self.expected()
        for record in list(self.catalogue.records.values())[::7]:
            if record.uuid in self.expected():
                assert record.embedding is not None
                query = query_of(record.account, record.embedding.vector, MODEL, limit=1)
                assert [hit.uuid for hit in self.store.search(query)] == [record.uuid]
                assert self.store.search(query)[0].distance < 1e-5


@pytest.fixture(params=["sqlite", "opensearch", "serverless"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MaintainedVectorStore:
    if request.param == "sqlite":
        return SQLiteVectorStore(tmp_path / "vectors.sqlite")
    return store_with_indexes(request, request.param)


def store_with_indexes(request: pytest.FixtureRequest, kind: str) -> OpenSearchVectorStore:
    """One of its own."""
    prefix = f"rebuilt-{uuid4().hex[:8]}"
    if kind == "serverless":
        return serverless_store_on(request.getfixturevalue("serverless")[0], prefix)
    return store_on(request.getfixturevalue("node"), prefix)


@pytest.fixture
def world(store: MaintainedVectorStore) -> World:
    return World(store)


class TestRebuilding:
    def test_a_lost_store_is_filled_from_the_catalogue_alone(self, world: World):
        world.save(*(world.record(n) for n in range(250)))
        world.save(replace(world.record(3), state=FileState.REMOVED), world.record(250, model="another-1+d1"))
        world.save(replace(world.record(251), state=FileState.FAILED, embedding=None))
        world.rebuild()
        world.assert_equal()
        assert len(world.expected()) == 249
        assert world.findings() == [
            f"1 pictures of 'Ours' ({world.collection.uuid}) were embedded by another model than {MODEL} and are not "
            "found. A sync embeds them anew; `infra.admin migrate` does it without a gap."
        ]

    def test_what_is_wrong_missing_or_too_much_is_put_right(self, world: World):
        world.fill(40)
        wrong = replace(world.record(5), version=1)
        world.store.upsert([vector_document(wrong, world.record(5, seed=900).embedding, "bucket")])  # type: ignore[arg-type]
        world.project(world.record(700))  # nobody knows it
        world.store.remove([VectorRemoval(world.record(6).uuid, 1)])
        assert len(world.findings()) >= 1
        world.rebuild()
        world.assert_equal()

    def test_a_late_write_loses_against_a_removal_from_before_the_rebuild(self, world: World):
        world.fill(5)
        late = world.record(2)
        world.write(replace(late, version=2, state=FileState.REMOVED))
        world.rebuild()
        world.project(replace(late, version=1))
        world.assert_equal()

    def test_nothing_in_the_catalogue_is_nothing_to_fill(self, world: World):
        world.rebuild()
        assert world.found(1) == {}

    def test_searches_and_writes_go_on_throughout_and_nothing_is_lost(self, world: World):
        world.fill(150)
        steady = {world.record(n).uuid for n in range(100)}
        failures: list[str] = []
        stop = threading.Event()

        def search() -> None:
            while not stop.is_set():
                missing = steady - set(world.found(1))
                if missing:
                    failures.append(f"{len(missing)} of what was never touched were not found")

        def work() -> None:
            for turn in itertools.count():
                if stop.is_set():
                    return
                n = 100 + turn % 50
                if turn % 3 == 2:
                    world.write(replace(world.record(n), state=FileState.REMOVED))
                else:
                    record = world.record(n, seed=1_000 + turn)
                    world.write(record)
                    if record.uuid not in world.found(1_000 + turn):
                        failures.append("a write that returned was not seen by the next search")

        threads = [threading.Thread(target=_noting(each, failures)) for each in (search, work)]
        for thread in threads:
            thread.start()
        try:
            world.rebuild()
            world.rebuild()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failures == []
        world.assert_equal()

    @pytest.mark.parametrize("state", [FileState.INDEXED, FileState.REMOVED])
    def test_a_worker_between_its_two_writes_is_no_fault_of_what_was_filled(self, world: World, state: FileState):
        """The store has the newer version already, the catalogue does not, and the old vector finds nothing."""
        world.fill(20)
        under_way = replace(world.record(3, seed=777), state=state)
        rebuilding = world.rebuilding(Interrupted(world.store, lambda: world.project(under_way)))
        rebuilding.rebuild(MODEL)
        world.save(under_way)
        world.assert_equal()

    @pytest.mark.parametrize("survived", [0, 1, 2, 5])
    def test_stopped_at_any_point_it_is_gone_on_with(self, world: World, survived: int):
        world.fill(30)
        world.save(*(world.record(n) for n in range(30, 250)))
        before = world.found(1)
        with pytest.raises(ConnectionError):
            world.rebuilding(Failing(world.store, survived)).rebuild(MODEL)
        if isinstance(world.store, OpenSearchVectorStore):
            assert world.found(1) == before, "searches are answered as before"
        world.write(world.record(3, seed=777))
        world.rebuild()
        world.assert_equal()

    def test_what_does_not_stand_the_comparison_never_serves(self, world: World):
        world.fill(10)
        world.save(*(world.record(n) for n in range(10, 400)))
        before = world.found(1)
        with pytest.raises(Conflict, match="400 pictures in the catalogue"):
            world.rebuilding(Forgetful(world.store)).rebuild(MODEL)
        assert set(world.found(1)) == set(before)

    def test_a_store_that_says_what_the_catalogue_says_is_well(self, world: World):
        world.fill(60)
        assert world.findings() == []

    def test_what_is_missing_and_what_is_too_much_is_told(self, world: World):
        world.fill(20)
        world.save(world.record(20), world.record(21))
        (missing, *_) = world.findings()
        assert "2 pictures of 'Ours'" in missing
        assert "missing" in missing
        for n in range(22, 29):
            world.project(world.record(n))
        assert any("5 pictures" in finding and "catalogue does not have" in finding for finding in world.findings())

    def test_a_vector_that_is_not_the_catalogues_is_told(self, world: World):
        world.fill(20)
        wrong = replace(world.record(4, seed=555), version=1)
        world.project(wrong)
        assert any("1 of 20 sampled pictures" in finding for finding in world.findings())

    def test_old_tombstones_are_purged_and_young_ones_stay(self, world: World):
        world.write(world.record(1))
        world.write(replace(world.record(1), state=FileState.REMOVED))
        assert world.store.purge() == 0
        world.project(replace(world.record(1), version=1))
        assert world.found(1) == {}


def _noting(act: Callable[[], None], failures: list[str]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        except Exception as error:
            failures.append(repr(error))

    return run


class Wrapped:
    """A store whose rebuilds go another way."""

    def __init__(self, store: MaintainedVectorStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class Failing(Wrapped):
    """A rebuild's process that dies after some writes."""

    def __init__(self, store: MaintainedVectorStore, survives: int) -> None:
        super().__init__(store)
        self._survives = survives

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        return Dying(self._store.rebuild(model, dimension, anew=anew), self._survives)  # type: ignore[return-value]


class Dying(Wrapped):
    def __init__(self, rebuild: Rebuild, survives: int) -> None:
        super().__init__(rebuild)  # type: ignore[arg-type]
        self._left = survives

    def write(self, documents: list[VectorDocument], removals: list[VectorRemoval]) -> None:
        if self._left == 0:
            raise ConnectionError("the process is gone")
        self._left -= 1
        self._store.write(documents, removals)  # type: ignore[attr-defined]

    def serve(self) -> None:
        raise ConnectionError("the process is gone")


class Interrupted(Wrapped):
    """Somebody writes just before what was filled is counted and compared."""

    def __init__(self, store: MaintainedVectorStore, write: Callable[[], None]) -> None:
        super().__init__(store)
        self._write = write

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        target: Any = Wrapped(self._store.rebuild(model, dimension, anew=anew))  # type: ignore[arg-type]
        count = target.count

        def counted(account: str, collection: str) -> int:
            self._write()
            return count(account, collection)  # type: ignore[no-any-return]

        target.count = counted
        return target  # type: ignore[no-any-return]


class Forgetful(Wrapped):
    """A rebuild that writes nothing, and says that it did."""

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        target = Wrapped(self._store.rebuild(model, dimension, anew=anew))  # type: ignore[arg-type]
        target.write = lambda documents, removals: None  # type: ignore[attr-defined]
        target.count = lambda account, collection: 0  # type: ignore[attr-defined]
        return target  # type: ignore[return-value]


NEXT = "next-1+d1"


class TestAnotherModel:
    """Everything embedded by another model beside the one that answers, and taken over when the embedder has it."""

    @pytest.fixture(params=["opensearch", "serverless"])
    def world(self, request: pytest.FixtureRequest) -> World:
        world = World(store_with_indexes(request, request.param))
        world.fill(40)
        return world

    def migrate(self, world: World) -> list[str]:
        """One run of the command; answers the keys that it embedded."""
        embedded: list[str] = []

        def embed(_: Collection, records: Sequence[FileRecord]) -> dict[str, ImageEmbedding]:
            embedded.extend(record.key for record in records)
            pictures = {record.key: record.embedding for record in records if record.embedding}
            return {key: replace(p, model=NEXT, vector=_turned(p.vector)) for key, p in pictures.items()}

        replace(world.rebuilding(), embed=embed).rebuild(NEXT, 2 * DIMENSION)
        return embedded

    def found_by_the_next(self, world: World, number: int) -> list[str]:
        query = query_of(world.collection.account, _turned(vector(number)), NEXT, limit=100)
        return [hit.uuid for hit in world.store.search(query)]

    def test_both_models_find_everything_until_it_is_finished_and_nothing_is_embedded_twice(self, world: World):
        before = world.found(1)
        assert len(self.migrate(world)) == 40
        assert world.found(1) == before
        assert set(self.found_by_the_next(world, 1)) == set(before)
        assert self.found_by_the_next(world, 7)[0] == world.record(7).uuid
        assert {record.model for record in world.catalogue.records.values()} == {MODEL}
        world.write(world.record(5, seed=500))
        world.write(world.record(77))
        world.write(replace(world.record(6), state=FileState.REMOVED))
        assert self.migrate(world) == ["photos/00005.jpg", "photos/00077.jpg"]
        assert set(self.found_by_the_next(world, 1)) == world.expected()

    def test_what_was_made_is_taken_over_and_what_has_changed_since_is_left_to_a_sync(self, world: World):
        self.migrate(world)
        world.write(world.record(5, seed=500))
        adopted = ModelSwitch(lambda: [world.collection], world.catalogue, world.store, lambda: NOW).import_vectors(
            NEXT
        )
        assert (adopted.taken, adopted.left) == (39, 1)
        records = world.catalogue.records.values()
        assert sorted(record.model or "" for record in records) == [NEXT] * 39 + [MODEL]
        taken = world.catalogue.get(world.collection.uuid, "photos/00007.jpg")
        assert taken is not None
        assert taken.embedding is not None
        assert taken.embedding.vector == _turned(vector(7))
        assert world.found(1) == {}, "the old model is not searched any more"
        assert len(world.store.drop_old()) == 1
        world.rebuilding().rebuild(NEXT)
        assert self.found_by_the_next(world, 7)[0] == taken.uuid

    def test_a_removal_meanwhile_is_one_for_both_models(self, world: World):
        self.migrate(world)
        world.write(replace(world.record(3), state=FileState.REMOVED))
        assert world.record(3).uuid not in self.found_by_the_next(world, 3)
        assert world.record(3).uuid not in world.found(3)


def _turned(old: bytes) -> bytes:
    """What another model of twice the dimension makes of the same picture."""
    values = struct.unpack(f"<{DIMENSION}f", old)
    return struct.pack(f"<{2 * DIMENSION}f", *[0.0] * DIMENSION, *values)


class TestTheIndexesOfOpenSearch:
    """What only a store with indexes and aliases can have wrong, and is told of it."""

    @pytest.fixture(params=["opensearch", "serverless"])
    def world(self, request: pytest.FixtureRequest) -> World:
        world = World(store_with_indexes(request, request.param))
        world.fill(5)
        return world

    @pytest.fixture
    def calls(self, node: Node) -> OpenSearchClient:
        return OpenSearchClient(connect(node.endpoint))

    def index(self, world: World) -> str:
        assert isinstance(world.store, OpenSearchVectorStore)
        return world.store.indexes.all(fresh=True)[0].name

    def test_the_old_index_stays_until_it_is_told_to_go(self, world: World):
        old = self.index(world)
        world.rebuild()
        (finding,) = world.findings()
        assert old in finding
        assert "--drop-old" in finding
        assert world.store.drop_old() == [old]
        assert world.findings() == []
        world.assert_equal()

    def test_an_unfinished_rebuild_is_told_and_can_be_abandoned(self, world: World):
        world.store.rebuild(MODEL, DIMENSION)
        (finding,) = world.findings()
        assert "is being filled" in finding
        (filled,) = world.store.abandon()
        assert filled.endswith("-000002")
        world.write(world.record(9))
        world.assert_equal()

    def test_an_index_that_takes_no_writes_is_told(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("POST", "/_aliases", {"actions": [{"remove": {"index": name, "alias": f"{name}.write"}}]})
        assert any("takes no writes" in finding for finding in world.findings())

    def test_an_index_without_a_reader_is_told(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("POST", "/_aliases", {"actions": [{"remove": {"index": name, "alias": name[: -len("-000001")]}}]})
        assert any("No index answers searches" in finding for finding in world.findings())

    def test_another_mapping_than_this_versions_is_told(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        meta = {"model": MODEL, "dimension": DIMENSION, "layout": 0}
        calls.request("PUT", f"/{name}/_mapping", {"_meta": meta})
        assert any("mapping" in finding for finding in world.findings())

    def test_a_block_on_writes_is_told(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("PUT", f"/{name}/_settings", {"index.blocks.write": True})
        assert any("refuses writes" in finding for finding in world.findings())
        calls.request("PUT", f"/{name}/_settings", {"index.blocks.write": None})
        assert world.findings() == []

    def test_a_store_that_is_gone_is_told(self, world: World):
        assert isinstance(world.store, OpenSearchVectorStore)
        world.store.indexes.drop(world.store.indexes.all()[0])
        assert any("no index yet" in finding for finding in world.findings())
