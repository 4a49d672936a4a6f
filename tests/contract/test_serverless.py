"""Append-only documents: searches find the highest version, whatever the order of writes and whichever writer dies."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.queries import with_uuids
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.vectors import TOMBSTONE_SECONDS
from infra.opensearch.node import Node
from tests.contract.test_vector_store import DIMENSION, World, at
from tests.fault_proxy import Proxy, Rejection, proxy_before
from tests.serverless import serverless_gate, serverless_store_on


class WorkerKilled(Exception):
    """A writer died after it added its documents and before it deleted the superseded ones."""


class DyingWriter(AppendOnlyDocuments):
    def delete_superseded(self, *_: object) -> None:
        raise WorkerKilled


class LeavingWriter(AppendOnlyDocuments):
    """Leaves superseded documents behind, as if each write were of another process that died."""

    def delete_superseded(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def endpoint(serverless: tuple[str, Proxy]) -> str:
    return serverless[0]


@pytest.fixture
def world() -> World:
    return World()


def count_documents(node: Node, prefix: str, world: World, numbers: Sequence[int]) -> int:
    """Returns how many documents there are of pictures, tombstones included."""
    client = OpenSearchClient(connect(node.endpoint))
    client.request("POST", f"/{prefix}-*/_refresh")
    query = with_uuids([world.uuid(number) for number in numbers])
    return int(client.request("POST", f"/{prefix}-*/_count", {"query": query})["count"])


@pytest.fixture(scope="module")
def writers(endpoint: str) -> dict[str, OpenSearchVectorStore]:
    """Processes: one waits and deletes superseded documents, one does not wait, one dies before it deletes them."""
    prefix = f"orders-{uuid4().hex[:8]}"
    writers = {
        "waiting": serverless_store_on(endpoint, prefix),
        "impatient": serverless_store_on(endpoint, prefix, visibility_wait=0.0),
        "dying": serverless_store_on(endpoint, prefix, DyingWriter, visibility_wait=0.0),
    }
    writers["waiting"].indexes.for_writing("contract-1+d1", DIMENSION)
    return writers


class TestOrderOfWrites:
    @settings(
        max_examples=20,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    def test_the_highest_versions_are_found_whatever_the_order_and_the_writers(
        self, writers: dict[str, OpenSearchVectorStore], data: st.DataObject
    ):
        world = World()
        revisions = st.tuples(st.integers(0, 3), st.integers(1, 4))  # (picture, version), of which some are removals
        removals = data.draw(st.frozensets(revisions, max_size=6))
        order = data.draw(st.lists(st.tuples(revisions, st.sampled_from(sorted(writers))), min_size=1, max_size=12))
        for (number, version), writer_name in order:
            writer = writers[writer_name]
            with suppress(WorkerKilled):
                if (number, version) in removals:
                    writer.remove([world.removal(number, version=version)])
                else:
                    writer.upsert([world.picture(number, at(version / 10 + number / 100), version=version)])
        highest = dict(sorted({revision for revision, _ in order}))
        current = {number: version for number, version in highest.items() if (number, version) not in removals}

        def distances() -> dict[int, float]:
            hits = writers["waiting"].search(world.query(limit=3))
            assert len({hit.uuid for hit in hits}) == len(hits)
            return {number: hit.distance for hit in hits for number in world.numbers([hit])}

        for writer in writers.values():
            for index in writer.indexes.all():
                writer.documents.wait_until_visible(index)
        expected = sorted((round(version / 10 + number / 100, 2), number) for number, version in current.items())[:3]
        for purge in (lambda: None, writers["waiting"].purge, writers["waiting"].purge):
            purge()
            assert distances() == {number: pytest.approx(distance, abs=5e-6) for distance, number in expected}
            assert writers["waiting"].count(world.account) == len(current)


class TestSupersededDocuments:
    def test_a_write_whose_response_was_lost_is_found_once_and_counted_once(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        with proxy_before(endpoint) as (unreliable, proxy):
            store = serverless_store_on(unreliable, prefix, LeavingWriter)
            store.indexes.for_writing(world.model, DIMENSION)
            proxy.faults, proxy.fault_filter = ["lost"], "_bulk"
            store.upsert([world.picture(1), world.picture(2, at(0.5))])
            assert proxy.injected == 1
        assert count_documents(node, prefix, world, [1, 2]) == 4
        assert world.numbers(store.search(world.query())) == [1, 2]
        assert store.count(world.account) == 2
        store = serverless_store_on(endpoint, prefix)
        assert store.purge() == 0
        assert count_documents(node, prefix, world, [1, 2]) == 2
        assert world.numbers(store.search(world.query())) == [1, 2]

    def test_superseded_documents_hide_no_picture_however_near_they_are(self, endpoint: str, world: World, prefix: str):
        store = serverless_store_on(endpoint, prefix, LeavingWriter, visibility_wait=0.0)
        for version in range(1, 60):
            store.upsert([world.picture(1, at(0.0), version=version)])
        serverless_store_on(endpoint, prefix).upsert(
            [world.picture(1, at(0.9), version=60), *(world.picture(n, at(n / 100)) for n in range(20, 40))]
        )
        assert world.numbers(store.search(world.query(limit=3))) == [20, 21, 22]
        assert world.numbers(store.search(world.query(limit=30))) == [*range(20, 40), 1]

    def test_a_writer_that_waits_leaves_one_document_of_each_picture(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        store = serverless_store_on(endpoint, prefix)
        for version in range(1, 5):
            store.upsert([world.picture(1, version=version), world.picture(2, version=version)])
        store.remove([world.removal(2, version=5)])
        store.upsert([world.picture(2, version=3)])
        assert count_documents(node, prefix, world, [1]) == 1
        assert count_documents(node, prefix, world, [2]) == 1

    def test_an_old_tombstone_stays_until_the_documents_it_supersedes_are_deleted(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        store = serverless_store_on(endpoint, prefix, LeavingWriter)
        store.upsert([world.picture(1), world.picture(2)])
        store.remove([world.removal(1, version=2)])
        later = serverless_store_on(endpoint, prefix, now=lambda: time.time() + TOMBSTONE_SECONDS + 60)
        assert later.purge() == 0
        assert count_documents(node, prefix, world, [1]) == 1
        assert world.numbers(later.search(world.query())) == [2]
        assert store.purge() == 0, "the tombstone is young"
        assert later.purge() == 1
        assert count_documents(node, prefix, world, [1]) == 0
        assert world.numbers(later.search(world.query())) == [2]

    def test_a_picture_is_found_all_the_while_it_is_replaced(self, endpoint: str, world: World, prefix: str):
        writer, reader = (serverless_store_on(endpoint, prefix, visibility_wait=0.0) for _ in range(2))
        serverless_store_on(endpoint, prefix).upsert([world.picture(1)])
        stop = threading.Event()
        failures: list[list[int]] = []

        def read() -> None:
            while not stop.is_set():
                numbers = world.numbers(reader.search(world.query()))
                if numbers != [1]:
                    failures.append(numbers)

        thread = threading.Thread(target=read)
        thread.start()
        for version in range(2, 40):
            writer.upsert([world.picture(1, at(version / 100), version=version)])
        stop.set()
        thread.join()
        assert failures == []

    def test_a_rebuild_knows_the_versions_that_it_has_just_written(self, endpoint: str, world: World, prefix: str):
        rebuild = serverless_store_on(endpoint, prefix).rebuild(world.model, DIMENSION)
        for version in range(1, 5):
            rebuild.write([world.picture(n, version=version) for n in range(20)], [world.removal(20, version=version)])
            versions = rebuild.indexed_versions([world.uuid(n) for n in range(22)])
            assert versions == {world.uuid(n): version for n in range(21)}

    def test_a_foreign_index_is_reported_and_disturbs_no_writes(
        self, node: Node, endpoint: str, world: World, prefix: str
    ):
        foreign = f"{prefix}-contract-1_d1-000001"
        OpenSearchClient(connect(node.endpoint)).request("PUT", f"/{foreign}", {})
        store = serverless_store_on(endpoint, prefix)
        store.upsert([world.picture(1)])
        assert world.numbers(store.search(world.query())) == [1]
        assert any(foreign in finding for finding in store.check_health())


class TestServerlessGate:
    """The gate rejects what Serverless does not accept: only so do the tests behind it say something of Serverless."""

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
    def test_the_gate_rejects_a_request_that_serverless_does_not_accept(self, method: str, path: str, body: bytes):
        with pytest.raises(Rejection):
            serverless_gate(method, path, body)
