"""Documents that are only added: whatever the order, and whoever dies in between, the highest version is found."""

import threading
import time
from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.client import OpenSearchCalls, connect
from chalicelib.adapters.opensearch.queries import of
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.vectors import TOMBSTONE_SECONDS
from infra.opensearch.node import Node
from tests.contract.test_vector_store import DIMENSION, World, at
from tests.fault_proxy import Proxy, Refusal, proxy_before
from tests.serverless import door, serverless_store_on


class WorkerKilled(Exception):
    """A writer between its insertion and its cleaning."""


class Dying(AppendOnlyDocuments):
    def tidy(self, *_: object) -> None:
        raise WorkerKilled


class Untidy(AppendOnlyDocuments):
    """Writers of which each dies so, and somebody else goes on."""

    def tidy(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def endpoint(serverless: tuple[str, Proxy]) -> str:
    return serverless[0]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def prefix() -> str:
    return f"appended-{uuid4().hex[:8]}"


def documents(node: Node, prefix: str, world: World, numbers: Sequence[int]) -> int:
    """How many documents there are of pictures, tombstones too."""
    calls = OpenSearchCalls(connect(node.endpoint))
    calls.ask("POST", f"/{prefix}-*/_refresh")
    found: int = calls.ask("POST", f"/{prefix}-*/_count", {"query": of([world.uuid(n) for n in numbers])})["count"]
    return found


@pytest.fixture(scope="module")
def writers(endpoint: str) -> dict[str, OpenSearchVectorStore]:
    """Processes: one that waits and cleans, one that does not wait, one that dies before it cleans."""
    prefix = f"orders-{uuid4().hex[:8]}"
    writers = {
        "careful": serverless_store_on(endpoint, prefix),
        "hasty": serverless_store_on(endpoint, prefix, patience=0.0),
        "dying": serverless_store_on(endpoint, prefix, Dying, patience=0.0),
    }
    writers["careful"].indexes.for_writing("contract-1+d1", DIMENSION)
    return writers


class TestAnyOrder:
    @settings(
        max_examples=20,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    def test_the_highest_versions_are_found_whatever_the_order(
        self, writers: dict[str, OpenSearchVectorStore], data: st.DataObject
    ):
        world = World()
        places = st.tuples(st.integers(0, 3), st.integers(1, 4))  # (picture, version), of which some are removals
        removals = data.draw(st.frozensets(places, max_size=6))
        order = data.draw(st.lists(st.tuples(places, st.sampled_from(sorted(writers))), min_size=1, max_size=12))
        for (number, version), who in order:
            try:
                if (number, version) in removals:
                    writers[who].remove([world.removal(number, version=version)])
                else:
                    writers[who].upsert([world.picture(number, at(version / 10 + number / 100), version=version)])
            except WorkerKilled:
                pass
        highest = dict(sorted({place for place, _ in order}))
        standing = {n: v for n, v in highest.items() if (n, v) not in removals}

        def found() -> dict[int, float]:
            hits = writers["careful"].search(world.query(limit=3))
            assert len({hit.uuid for hit in hits}) == len(hits)
            return {number: hit.distance for hit in hits for number in world.numbers([hit])}

        for writer in writers.values():
            for index in writer.indexes.all():
                writer.documents.settle(index)
        expected = sorted((round(v / 10 + n / 100, 2), n) for n, v in standing.items())[:3]
        for act in (lambda: None, writers["careful"].purge, writers["careful"].purge):
            act()
            assert found() == {n: pytest.approx(away, abs=5e-6) for away, n in expected}
            assert writers["careful"].count(world.account) == len(standing)


class TestWhatIsLeftBehind:
    def test_a_write_whose_answer_was_lost_is_found_once_and_counted_once(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        with proxy_before(endpoint) as (unreliable, proxy):
            store = serverless_store_on(unreliable, prefix, Untidy)
            store.indexes.for_writing(world.model, DIMENSION)
            proxy.faults, proxy.word = ["lost"], "_bulk"
            store.upsert([world.picture(1), world.picture(2, at(0.5))])
            assert proxy.met == 1
        assert documents(node, prefix, world, [1, 2]) == 4
        assert world.numbers(store.search(world.query())) == [1, 2]
        assert store.count(world.account) == 2
        store = serverless_store_on(endpoint, prefix)
        assert store.purge() == 0
        assert documents(node, prefix, world, [1, 2]) == 2
        assert world.numbers(store.search(world.query())) == [1, 2]

    def test_however_much_nearer_it_is_it_hides_nothing(self, endpoint: str, world: World, prefix: str):
        store = serverless_store_on(endpoint, prefix, Untidy, patience=0.0)
        for version in range(1, 60):
            store.upsert([world.picture(1, at(0.0), version=version)])
        serverless_store_on(endpoint, prefix).upsert(
            [world.picture(1, at(0.9), version=60), *(world.picture(n, at(n / 100)) for n in range(20, 40))]
        )
        assert world.numbers(store.search(world.query(limit=3))) == [20, 21, 22]
        assert world.numbers(store.search(world.query(limit=30))) == [*range(20, 40), 1]

    def test_a_writer_that_cleans_leaves_one_document_of_a_picture(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        store = serverless_store_on(endpoint, prefix)
        for version in range(1, 5):
            store.upsert([world.picture(1, version=version), world.picture(2, version=version)])
        store.remove([world.removal(2, version=5)])
        store.upsert([world.picture(2, version=3)])
        assert documents(node, prefix, world, [1]) == 1
        assert documents(node, prefix, world, [2]) == 1

    def test_an_old_tombstone_stays_until_what_it_has_overtaken_is_gone(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        untidy = serverless_store_on(endpoint, prefix, Untidy)
        untidy.upsert([world.picture(1), world.picture(2)])
        untidy.remove([world.removal(1, version=2)])
        later = serverless_store_on(endpoint, prefix, now=lambda: time.time() + TOMBSTONE_SECONDS + 60)
        assert later.purge() == 0
        assert documents(node, prefix, world, [1]) == 1
        assert world.numbers(later.search(world.query())) == [2]
        assert untidy.purge() == 0, "the tombstone is young"
        assert later.purge() == 1
        assert documents(node, prefix, world, [1]) == 0
        assert world.numbers(later.search(world.query())) == [2]

    def test_a_picture_that_is_replaced_is_never_missing(self, endpoint: str, world: World, prefix: str):
        writer, reader = (serverless_store_on(endpoint, prefix, patience=0.0) for _ in range(2))
        serverless_store_on(endpoint, prefix).upsert([world.picture(1)])
        done = threading.Event()
        missing: list[int] = []

        def read() -> None:
            while not done.is_set():
                if world.numbers(reader.search(world.query())) != [1]:
                    missing.append(1)

        thread = threading.Thread(target=read)
        thread.start()
        for version in range(2, 40):
            writer.upsert([world.picture(1, at(version / 100), version=version)])
        done.set()
        thread.join()
        assert missing == []

    def test_a_rebuild_knows_what_it_has_just_written(self, endpoint: str, world: World, prefix: str):
        rebuild = serverless_store_on(endpoint, prefix).rebuild(world.model, DIMENSION)
        for version in range(1, 5):
            rebuild.write([world.picture(n, version=version) for n in range(20)], [world.removal(20, version=version)])
            held = rebuild.held([world.uuid(n) for n in range(22)])
            assert held == {world.uuid(n): version for n in range(21)}

    def test_an_index_that_was_not_made_here_is_told_of_and_gets_in_nobodys_way(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        strange = f"{prefix}-contract-1_d1-000001"
        OpenSearchCalls(connect(node.endpoint)).ask("PUT", f"/{strange}", {})
        store = serverless_store_on(endpoint, prefix)
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]
        assert any(strange in finding for finding in store.check_health())


class TestTheDoor:
    """What the tests' Serverless refuses, so that all that passes it means something."""

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/_bulk?refresh=wait_for", b""),
            ("POST", "/_bulk", b'{"index":{"_index":"i","_id":"1"}}\n{}\n'),
            ("POST", "/_bulk", b'{"index":{"_index":"i","version":1,"version_type":"external"}}\n{}\n'),
            ("POST", "/_bulk", b'{"create":{"_index":"i"}}\n{}\n'),
            ("PUT", "/i/_doc/1", b"{}"),
            ("POST", "/i/_refresh", b""),
            ("POST", "/i/_delete_by_query", b"{}"),
            ("POST", "/i/_mget", b"{}"),
            ("POST", "/i/_search?scroll=1m", b"{}"),
            ("POST", "/i/_search", b'{"query": {"script_score": {"query": {}, "script": {}}}}'),
            ("POST", "/i/_search", b'{"query": {"knn": {"vector": {"method_parameters": {}}}}}'),
            ("POST", "/i/_search", b'{"query": {}, "version": true}'),
            ("PUT", "/i", b'{"settings": {"index": {"knn": true, "number_of_shards": 1}}}'),
            ("GET", "/_cluster/health/i", b""),
            ("GET", "/_nodes", b""),
            ("PUT", "/i/_settings", b"{}"),
        ],
    )
    def test_it_refuses(self, method: str, path: str, body: bytes):
        with pytest.raises(Refusal):
            door(method, path, body)
