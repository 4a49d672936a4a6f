"""A vector store is rebuilt from the catalogue and compared with it: every store but the fake one."""

import itertools
import math
import sqlite3
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
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
from chalicelib.domain.errors import Conflict, StoreUnavailable
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import SearchOptions, VectorDocument, VectorQuery, VectorRemoval, vector_document
from chalicelib.services.maintenance.consistency_check import ConsistencyCheck
from chalicelib.services.maintenance.model_switch import ImportedVectors, ModelSwitch
from chalicelib.services.maintenance.rebuild import RebuildService
from chalicelib.services.ports import MaintainedVectorStore, Rebuild
from infra.opensearch.node import Node
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.opensearch import store_on
from tests.serverless import serverless_store_on

MODEL, DIMENSION = "rebuilt-1+d1", 8
SAMPLED = 20  # of a rebuild's pictures are searched for, three times each
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAUSE = 0.02  # seconds of searchers and writers: without it, they would take the processor from the rebuild


def vector(number: int) -> bytes:
    """Vectors in all directions, no two of them near each other."""
    values = [math.sin(number * (axis + 1) * 1.7 + axis) for axis in range(DIMENSION)]
    length = math.hypot(*values)
    return struct.pack(f"<{DIMENSION}f", *(value / length for value in values))


def query_of(account: str, near: bytes, model: str, *, limit: int) -> VectorQuery:
    return VectorQuery(account=account, vector=near, model=model, options=SearchOptions(limit=limit))


class World:
    """A catalogue with one collection, and a worker's writes: the store first, the catalogue second."""

    def __init__(self, store: MaintainedVectorStore) -> None:
        self.store = store
        self.collections = FakeCollections()
        self.catalogue = FakeCatalogue(self.collections)
        self.collection = Collection(
            str(uuid4()), f"account-{uuid4()}", "Ours", CollectionType.S3, "bucket", "", "eu-west-1", NOW
        )
        self.collections.add(self.collection)

    def record(self, number: int, *, seed: int | None = None, model: str = MODEL) -> FileRecord:
        """Picture number ``number``, with the vector of ``seed``, as the next version of its record."""
        key = f"photos/{number:05}.jpg"
        stored = self.catalogue.get(self.collection.uuid, key)
        embedding = ImageEmbedding(
            model, vector(number if seed is None else seed), 1_000, f"{number:032x}", 8, 8, "JPEG"
        )
        return FileRecord(
            self.collection.account,
            self.collection.uuid,
            key,
            FileState.INDEXED,
            "etag",
            1_000,
            stored.version + 1 if stored else 1,
            NOW,
            embedding,
            model=model,
        )

    def save(self, *records: FileRecord) -> None:
        """Write records into the catalogue alone."""
        self.catalogue.put_images(records)
        for record in records:
            self.catalogue.save(record, self.catalogue.get(record.collection, record.key))

    def project(self, record: FileRecord) -> None:
        """Write a record into the store alone."""
        if record.state is FileState.INDEXED:
            assert record.embedding is not None
            self.store.upsert([vector_document(record, record.embedding, self.collection)])
        else:
            self.store.remove([VectorRemoval(record.uuid, record.version)])

    def write(self, record: FileRecord) -> None:
        self.project(record)
        self.save(record)

    def fill(self, count: int) -> None:
        """Write the first pictures in one batch."""
        records = [self.record(n) for n in range(count)]
        self.store.upsert([vector_document(r, r.embedding, self.collection) for r in records if r.embedding])
        self.save(*records)

    def rebuild_service(self, store: MaintainedVectorStore | None = None) -> RebuildService:
        return RebuildService(
            lambda: [self.collection],
            self.catalogue,
            store or self.store,
            lambda _: None,
            0.0,
            lambda _: None,
            sample_size=SAMPLED,
        )

    def rebuild(self) -> None:
        self.rebuild_service().rebuild(MODEL)

    def findings(self) -> list[str]:
        return ConsistencyCheck(self.catalogue, self.store).run([self.collection], MODEL, lambda _: None)

    def distances(self, number: int) -> dict[str, float]:
        """Every picture that a search finds, with its distance from a vector."""
        query = query_of(self.collection.account, vector(number), MODEL, limit=1_000)
        return {hit.uuid: hit.distance for hit in self.store.search(query)}

    def expected(self) -> set[str]:
        return {
            record.uuid
            for record in self.catalogue.records.values()
            if record.state is FileState.INDEXED and record.embedding is not None and record.embedding.model == MODEL
        }

    def assert_equal(self) -> None:
        """The store has what the catalogue has, vector by vector."""
        assert set(self.distances(0)) == self.expected()
        for record in list(self.catalogue.records.values())[::7]:
            if record.uuid in self.expected():
                assert record.embedding is not None
                (hit,) = self.store.search(query_of(record.account, record.embedding.vector, MODEL, limit=1))
                assert hit.uuid == record.uuid
                assert hit.distance < 1e-5


@pytest.fixture(params=["sqlite", "opensearch", "serverless"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MaintainedVectorStore:
    if request.param == "sqlite":
        return SQLiteVectorStore(tmp_path / "vectors.sqlite")
    return store_with_indexes(request, request.param)


def store_with_indexes(request: pytest.FixtureRequest, kind: str) -> OpenSearchVectorStore:
    """A store with indexes of its own on the node that the tests share."""
    prefix = request.getfixturevalue("prefix")
    if kind == "serverless":
        return serverless_store_on(request.getfixturevalue("serverless")[0], prefix)
    return store_on(request.getfixturevalue("node"), prefix)


@pytest.fixture
def world(store: MaintainedVectorStore) -> World:
    return World(store)


class TestRebuild:
    def test_a_lost_store_is_rebuilt_from_the_catalogue_alone(self, world: World):
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

    def test_a_rebuild_repairs_wrong_missing_and_surplus_vectors(self, world: World):
        world.fill(40)
        wrong = replace(world.record(5), version=1)
        world.store.upsert([vector_document(wrong, world.record(5, seed=900).embedding, world.collection)])  # type: ignore[arg-type]
        world.project(world.record(700))  # the catalogue does not have it
        world.store.remove([VectorRemoval(world.record(6).uuid, 1)])
        assert len(world.findings()) >= 1
        world.rebuild()
        world.assert_equal()

    def test_a_rebuild_follows_a_catalogue_that_has_lost_the_latest_changes(self, world: World):
        """As after the machine's end, or when a backup of the catalogue was restored."""
        world.fill(12)
        world.store.remove([VectorRemoval(world.record(3).uuid, 9)])
        world.project(replace(world.record(4, seed=904), version=9))
        world.save(replace(world.record(5), state=FileState.REMOVED))
        world.project(replace(world.record(5), version=9))
        world.project(replace(world.record(700), version=9))
        world.rebuild()
        world.assert_equal()
        (hit,) = world.store.search(query_of(world.collection.account, vector(4), MODEL, limit=1))
        assert hit.uuid == world.record(4).uuid
        assert hit.distance < 1e-5
        world.store.drop_old()
        assert world.findings() == []

    def test_a_rebuild_removes_more_strangers_than_running_workers_could_explain(self, world: World):
        world.fill(2)
        strangers = [world.record(n) for n in range(1_000, 1_146)]
        world.store.upsert([vector_document(r, r.embedding, world.collection) for r in strangers if r.embedding])
        (finding, *_) = world.findings()
        assert "The store has 146 pictures" in finding
        world.rebuild()
        world.assert_equal()
        world.store.drop_old()
        assert world.findings() == []

    def test_a_rebuild_empties_the_store_of_strangers_when_the_catalogue_has_nothing(self, world: World):
        strangers = [world.record(n) for n in range(150)]
        world.store.upsert([vector_document(r, r.embedding, world.collection) for r in strangers if r.embedding])
        world.rebuild()
        assert world.distances(1) == {}
        world.store.drop_old()
        assert world.findings() == []

    def test_vectors_of_a_collection_that_does_not_exist_are_found_and_removed(self, world: World):
        world.fill(5)
        missing = replace(world.collection, uuid=str(uuid4()))
        for number, model in ((1, MODEL), (2, MODEL), (3, "another-1+d1")):
            record = replace(world.record(number, model=model), collection=missing.uuid)
            world.project(record)
        assert world.store.collections() == {
            (world.collection.account, world.collection.uuid),
            (world.collection.account, missing.uuid),
        }
        assert world.findings() == [
            f"The store has 3 pictures of {missing.uuid}, a collection of account {missing.account} that does not "
            "exist. If it is not being deleted now, `infra.admin reindex` removes them."
        ]
        world.rebuild()
        assert world.store.count(missing.account, missing.uuid) == 0
        world.assert_equal()
        world.store.drop_old()
        assert world.findings() == []

    def test_a_store_knows_the_dimension_of_each_model_that_it_has_had(self, world: World):
        assert world.store.dimension(MODEL) is None
        world.fill(1)
        assert world.store.dimension(MODEL) == DIMENSION

    def test_a_late_write_is_rejected_by_a_removal_from_before_the_rebuild(self, world: World):
        world.fill(5)
        late = world.record(2)
        world.write(replace(late, version=2, state=FileState.REMOVED))
        world.rebuild()
        world.project(replace(late, version=1))
        world.assert_equal()

    def test_a_rebuild_from_an_empty_catalogue_writes_nothing(self, world: World):
        world.rebuild()
        assert world.distances(1) == {}

    def test_searches_and_writes_go_on_during_a_rebuild_and_nothing_is_lost(self, world: World):
        world.fill(150)
        steady = {world.record(n).uuid for n in range(100)}
        failures: list[str] = []
        stop = threading.Event()

        def search() -> None:
            while not stop.is_set():
                missing = steady - set(world.distances(1))
                if missing:
                    failures.append(f"{len(missing)} unchanged pictures were not found")
                stop.wait(PAUSE)

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
                    if record.uuid not in world.distances(1_000 + turn):
                        failures.append("a write that returned was not found by the next search")
                stop.wait(PAUSE)

        threads = [threading.Thread(target=_recording_failures(act, failures)) for act in (search, work)]
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
    def test_a_worker_between_its_two_writes_does_not_fail_the_verification(self, world: World, state: FileState):
        """The store has the newer version before the catalogue, so a search by the old vector finds nothing."""
        world.fill(20)
        pending = replace(world.record(3, seed=777), state=state)
        service = world.rebuild_service(Interrupted(world.store, lambda: world.project(pending)))
        service.rebuild(MODEL)
        world.save(pending)
        world.assert_equal()

    @pytest.mark.parametrize("writes", [0, 1, 5])
    def test_a_rebuild_that_was_stopped_at_any_point_is_continued_by_the_next_one(self, world: World, writes: int):
        world.fill(30)
        world.save(*(world.record(n) for n in range(30, 250)))
        before = world.distances(1)
        with pytest.raises(ConnectionError):
            world.rebuild_service(Failing(world.store, writes)).rebuild(MODEL)
        if isinstance(world.store, OpenSearchVectorStore):
            assert world.distances(1) == before, "searches go on as before"
        world.write(world.record(3, seed=777))
        world.rebuild()
        world.assert_equal()

    def test_a_rebuild_that_fails_its_verification_never_serves_searches(self, world: World):
        world.fill(10)
        world.save(*(world.record(n) for n in range(10, 400)))
        before = world.distances(1)
        with pytest.raises(Conflict, match="400 pictures in the catalogue"):
            world.rebuild_service(Forgetful(world.store)).rebuild(MODEL)
        assert set(world.distances(1)) == set(before)

    def test_a_store_that_equals_the_catalogue_has_no_findings(self, world: World):
        world.fill(60)
        assert world.findings() == []

    def test_the_check_finds_missing_and_surplus_pictures(self, world: World):
        world.fill(20)
        world.save(world.record(20), world.record(21))
        (missing, *_) = world.findings()
        assert "2 pictures of 'Ours'" in missing
        assert "missing" in missing
        for n in range(22, 29):
            world.project(world.record(n))
        assert any("5 pictures" in finding and "catalogue does not have" in finding for finding in world.findings())

    def test_the_check_finds_a_vector_that_differs_from_the_catalogues(self, world: World):
        world.fill(20)
        wrong = replace(world.record(4, seed=555), version=1)
        world.project(wrong)
        assert any("1 of 20 sampled pictures" in finding for finding in world.findings())

    def test_young_tombstones_are_not_purged_and_reject_late_writes(self, world: World):
        world.write(world.record(1))
        world.write(replace(world.record(1), state=FileState.REMOVED))
        assert world.store.purge() == 0
        world.project(replace(world.record(1), version=1))
        assert world.distances(1) == {}


def _recording_failures(act: Callable[[], None], failures: list[str]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        except Exception as error:
            failures.append(repr(error))

    return run


class Wrapped:
    """A store or rebuild of which a test replaces some methods."""

    def __init__(self, store: MaintainedVectorStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class Failing(Wrapped):
    """A store whose rebuilds stop after some writes, as when their process is killed."""

    def __init__(self, store: MaintainedVectorStore, writes: int) -> None:
        super().__init__(store)
        self._writes = writes

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        return Stopping(self._store.rebuild(model, dimension, anew=anew), self._writes)  # type: ignore[return-value]


class Stopping(Wrapped):
    def __init__(self, rebuild: Rebuild, writes: int) -> None:
        super().__init__(rebuild)  # type: ignore[arg-type]
        self._writes_left = writes

    def write(self, documents: list[VectorDocument], removals: list[VectorRemoval]) -> None:
        if self._writes_left == 0:
            raise ConnectionError("the process was killed")
        self._writes_left -= 1
        self._store.write(documents, removals)  # type: ignore[attr-defined]

    def serve(self) -> None:
        raise ConnectionError("the process was killed")


class Interrupted(Wrapped):
    """A store that a worker writes to just before a rebuild is verified."""

    def __init__(self, store: MaintainedVectorStore, write: Callable[[], None]) -> None:
        super().__init__(store)
        self._write = write

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        target: Any = Wrapped(self._store.rebuild(model, dimension, anew=anew))  # type: ignore[arg-type]
        count = target.count

        def write_and_count(account: str, collection: str) -> int:
            self._write()
            return count(account, collection)  # type: ignore[no-any-return]

        target.count = write_and_count
        return target  # type: ignore[no-any-return]


class Forgetful(Wrapped):
    """A store whose rebuilds write nothing and report no error."""

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        target = Wrapped(self._store.rebuild(model, dimension, anew=anew))  # type: ignore[arg-type]
        target.write = lambda documents, removals: None  # type: ignore[attr-defined]
        target.count = lambda account, collection: 0  # type: ignore[attr-defined]
        return target  # type: ignore[return-value]


NEW_MODEL = "next-1+d1"


class TestModelSwitch:
    """All pictures are embedded by another model beside the searched one; its vectors are imported at the switch."""

    @pytest.fixture(params=["opensearch", "serverless"])
    def world(self, request: pytest.FixtureRequest) -> World:
        world = World(store_with_indexes(request, request.param))
        world.fill(40)
        return world

    def migrate(self, world: World) -> list[str]:
        """Run the migration once; returns the keys that it embedded."""
        embedded: list[str] = []

        def embed(_: Collection, records: Sequence[FileRecord]) -> dict[str, ImageEmbedding]:
            embedded.extend(record.key for record in records)
            embeddings = {record.key: record.embedding for record in records if record.embedding}
            return {
                key: replace(embedding, model=NEW_MODEL, vector=_vector_of_new_model(embedding.vector))
                for key, embedding in embeddings.items()
            }

        replace(world.rebuild_service(), embed=embed).rebuild(NEW_MODEL, 2 * DIMENSION)
        return embedded

    def uuids_by_new_model(self, world: World, number: int) -> list[str]:
        query = query_of(world.collection.account, _vector_of_new_model(vector(number)), NEW_MODEL, limit=100)
        return [hit.uuid for hit in world.store.search(query)]

    def test_both_models_find_everything_until_the_switch_and_nothing_is_embedded_twice(self, world: World):
        before = world.distances(1)
        assert len(self.migrate(world)) == 40
        assert world.distances(1) == before
        assert set(self.uuids_by_new_model(world, 1)) == set(before)
        assert self.uuids_by_new_model(world, 7)[0] == world.record(7).uuid
        assert {record.model for record in world.catalogue.records.values()} == {MODEL}
        world.write(world.record(5, seed=500))
        world.write(world.record(77))
        world.write(replace(world.record(6), state=FileState.REMOVED))
        assert self.migrate(world) == ["photos/00005.jpg", "photos/00077.jpg"]
        assert set(self.uuids_by_new_model(world, 1)) == world.expected()

    def test_precomputed_vectors_are_imported_and_records_changed_since_are_left_to_a_sync(self, world: World):
        self.migrate(world)
        world.write(world.record(5, seed=500))
        switch = ModelSwitch(lambda: [world.collection], world.catalogue, world.store, lambda: NOW)
        assert switch.import_vectors(NEW_MODEL) == ImportedVectors(imported=39, left=1)
        records = world.catalogue.records.values()
        assert sorted(record.model or "" for record in records) == [NEW_MODEL] * 39 + [MODEL]
        record = world.catalogue.get(world.collection.uuid, "photos/00007.jpg")
        assert record is not None
        assert record.embedding is not None
        assert record.embedding.vector == _vector_of_new_model(vector(7))
        assert world.distances(1) == {}, "the old model is not searched any more"
        assert len(world.store.drop_old()) == 1
        world.rebuild_service().rebuild(NEW_MODEL)
        assert self.uuids_by_new_model(world, 7)[0] == record.uuid

    def test_a_removal_before_the_switch_removes_the_picture_for_both_models(self, world: World):
        self.migrate(world)
        world.write(replace(world.record(3), state=FileState.REMOVED))
        assert world.record(3).uuid not in self.uuids_by_new_model(world, 3)
        assert world.record(3).uuid not in world.distances(3)


def _vector_of_new_model(old: bytes) -> bytes:
    """The vector that a model of twice the dimension has for the same picture."""
    values = struct.unpack(f"<{DIMENSION}f", old)
    return struct.pack(f"<{2 * DIMENSION}f", *[0.0] * DIMENSION, *values)


class TestDeletedSQLiteFile:
    """The file of the SQLite store can be deleted at any time: ``infra.admin reindex`` restores all searches."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "vectors.sqlite"

    @pytest.fixture
    def world(self, file: Path) -> World:
        world = World(SQLiteVectorStore(file))
        world.fill(40)
        world.write(replace(world.record(3), state=FileState.REMOVED))
        return world

    def delete(self, file: Path) -> None:
        for path in file.parent.glob(f"{file.name}*"):  # with its write-ahead log
            path.unlink()

    def test_a_rebuild_after_the_file_was_deleted_finds_everything_again_in_every_process(
        self, world: World, file: Path
    ):
        searching = World(SQLiteVectorStore(file))  # as another process has the file open
        before = world.distances(1)
        assert len(before) == 39
        self.delete(file)
        assert world.distances(1) == {}
        assert any("39 pictures of 'Ours'" in finding for finding in world.findings())
        world.rebuild()
        assert world.distances(1) == before
        world.assert_equal()
        assert world.findings() == []
        searching.collection = world.collection
        assert searching.distances(1) == before

    def test_a_file_of_another_version_is_replaced_by_deleting_it_and_rebuilding(self, world: World, file: Path):
        before = world.distances(1)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")
        world.store = SQLiteVectorStore(file)
        with pytest.raises(StoreUnavailable, match="newer version"):
            world.rebuild()
        self.delete(file)
        world.rebuild()
        assert world.distances(1) == before


class TestOpenSearchIndexes:
    """Findings about indexes, aliases and mappings, which only OpenSearch has."""

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

    def test_the_old_index_stays_until_it_is_dropped(self, world: World):
        old = self.index(world)
        world.rebuild()
        (finding,) = world.findings()
        assert old in finding
        assert "--drop-old" in finding
        assert world.store.drop_old() == [old]
        assert world.findings() == []
        world.assert_equal()

    def test_an_unfinished_rebuild_is_found_and_can_be_abandoned(self, world: World):
        world.store.rebuild(MODEL, DIMENSION)
        (finding,) = world.findings()
        assert "is being filled" in finding
        (filled,) = world.store.abandon()
        assert filled.endswith("-000002")
        world.write(world.record(9))
        world.assert_equal()

    def test_an_index_that_takes_no_writes_is_found(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("POST", "/_aliases", {"actions": [{"remove": {"index": name, "alias": f"{name}.write"}}]})
        assert any("takes no writes" in finding for finding in world.findings())

    def test_an_index_that_no_search_reads_is_found(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("POST", "/_aliases", {"actions": [{"remove": {"index": name, "alias": name[: -len("-000001")]}}]})
        assert any("No index answers searches" in finding for finding in world.findings())

    def test_an_index_with_the_mapping_of_another_version_is_found(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        meta = {"model": MODEL, "dimension": DIMENSION, "layout": 0}
        calls.request("PUT", f"/{name}/_mapping", {"_meta": meta})
        assert any("mapping" in finding for finding in world.findings())

    def test_an_index_that_blocks_writes_is_found(self, world: World, calls: OpenSearchClient):
        name = self.index(world)
        calls.request("PUT", f"/{name}/_settings", {"index.blocks.write": True})
        assert any("refuses writes" in finding for finding in world.findings())
        calls.request("PUT", f"/{name}/_settings", {"index.blocks.write": None})
        assert world.findings() == []

    def test_a_store_without_indexes_is_found(self, world: World):
        assert isinstance(world.store, OpenSearchVectorStore)
        world.store.indexes.drop(world.store.indexes.all()[0])
        assert any("no index yet" in finding for finding in world.findings())
