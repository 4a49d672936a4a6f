"""OpenSearch busy, slow, cut off, refusing writes, killed: nothing is lost, and each error says 'later'."""

import itertools
import json
import math
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.bulk import DocumentsRefused, Write
from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker
from chalicelib.adapters.opensearch.client import OpenSearchCalls, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import Sizing
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import VectorDocument, VectorQuery, VectorRemoval
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.fault_proxy import Proxy, proxy_before
from tests.opensearch import store_on

MODEL = "faulty-1+d1"
NORTH = struct.pack("<4f", 1, 0, 0, 0)


def picture(number: int, *, version: int = 1, uuid: str | None = None) -> VectorDocument:
    angle = number / 1000
    vector = struct.pack("<4f", math.cos(angle), math.sin(angle), 0, 0)
    name = uuid or f"{number:06d}"
    return VectorDocument(name, "account", "holidays", "bucket", f"{number}.jpg", 1, "0" * 32, MODEL, version, vector)


def numbers(store: OpenSearchVectorStore) -> list[int]:
    return [int(hit.uuid) for hit in store.search(VectorQuery("account", NORTH, MODEL, 5_000))]


def store_at(
    endpoint: str, prefix: str, *, seconds: float = 8.0, circuit: CircuitBreaker | None = None
) -> OpenSearchVectorStore:
    calls = OpenSearchCalls(connect(endpoint), circuit, seconds=seconds)
    indexes = Indexes(calls, prefix=prefix, sizing=Sizing(refresh_seconds=0.01))
    return OpenSearchVectorStore(calls, indexes, VersionedDocuments(calls, indexes))


@pytest.fixture
def prefix() -> str:
    return f"faults-{uuid4().hex[:8]}"


@pytest.fixture
def proxied(node: Node) -> Iterator[tuple[str, Proxy]]:
    with proxy_before(node.endpoint) as found:
        yield found


class TestBehindAFaultyNetwork:
    @pytest.fixture
    def store(self, proxied: tuple[str, Proxy], prefix: str) -> OpenSearchVectorStore:
        store = store_at(proxied[0], prefix)
        store.upsert([picture(0)])
        return store

    @pytest.mark.parametrize("fault", [429, 503, 502, "cut"])
    def test_what_passes_is_waited_out(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy], fault: int | str
    ):
        proxy = proxied[1]
        proxy.faults = [fault, fault]
        store.upsert([picture(n) for n in range(1, 20)])
        proxy.faults += [fault, fault]
        assert numbers(store) == list(range(20))
        assert proxy.met == 4

    @pytest.mark.parametrize("fault", [429, 503, "cut"])
    def test_what_does_not_pass_makes_the_store_unavailable_and_loses_nothing(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy], fault: int | str
    ):
        proxied[1].faults = [fault] * 3
        with pytest.raises(StoreUnavailable):
            store.upsert([picture(1)])
        store.upsert([picture(1)])
        assert numbers(store) == [0, 1]

    def test_an_answer_that_does_not_come_is_not_waited_for_twice(
        self, proxied: tuple[str, Proxy], store: OpenSearchVectorStore, prefix: str
    ):
        hasty, proxy = store_at(proxied[0], prefix, seconds=0.2), proxied[1]
        proxy.faults, proxy.word = [5.0, 5.0], "_search"
        with pytest.raises(StoreUnavailable):
            numbers(hasty)
        assert proxy.met == 1
        proxy.faults = []
        assert numbers(hasty) == [0]

    def test_after_failures_in_a_row_nothing_is_asked_until_a_pause_is_over(
        self, proxied: tuple[str, Proxy], store: OpenSearchVectorStore, prefix: str
    ):
        clock = [0.0]
        proxy = proxied[1]
        hurt = store_at(proxied[0], prefix, circuit=CircuitBreaker(failures=3, pause_seconds=10, now=lambda: clock[0]))
        proxy.faults, proxy.word = [503] * 100, "_search"
        for _ in range(10):
            with pytest.raises(StoreUnavailable):
                numbers(hurt)
        assert proxy.met == 3
        proxy.faults = []
        clock[0] = 10.0
        assert numbers(hurt) == [0]

    def test_no_write_is_done_twice_though_its_answer_was_lost(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        for n in range(1, 10):
            proxied[1].faults = ["cut"] if n % 2 else []
            store.upsert([picture(n)])
            store.upsert([replace(picture(n, version=2), key="second.jpg")])
        hits = store.search(VectorQuery("account", NORTH, MODEL, 100))
        assert [hit.key for hit in hits] == ["0.jpg"] + ["second.jpg"] * 9


class TestHowOftenASearchAsks:
    """A short answer is held against a count, which is no second request where a short one is to be expected."""

    @pytest.fixture
    def store(self, proxied: tuple[str, Proxy], prefix: str) -> OpenSearchVectorStore:
        store = store_at(proxied[0], prefix)
        store.upsert([picture(n) for n in range(10)])
        return store

    def asked(self, store: OpenSearchVectorStore, proxy: Proxy, limit: int = 20) -> list[str]:
        """What a search that finds the nearest asks for."""
        proxy.passed.clear()
        found = [int(hit.uuid) for hit in store.search(VectorQuery("account", NORTH, MODEL, limit))]
        assert found == list(range(len(found)))
        assert len(found) == min(limit, store.count("account"))
        return [request.rpartition("/")[2] for request in proxy.passed if "/_" in request][:-1]  # without that count

    def test_whoever_has_few_is_asked_for_once_after_the_first_time(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        assert [self.asked(store, proxied[1]) for _ in range(3)] == [["_search", "_count"], ["_msearch"], ["_msearch"]]

    def test_whoever_has_many_is_asked_for_once_always_and_after_having_had_few(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        self.asked(store, proxied[1])
        store.upsert([picture(n) for n in range(10, 60)])
        assert [self.asked(store, proxied[1]) for _ in range(3)] == [["_msearch"], ["_search"], ["_search"]]

    def test_a_store_that_is_lost_or_busy_meanwhile_is_told_as_ever(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        self.asked(store, proxied[1])
        proxied[1].faults, proxied[1].word = [503] * 3, "_msearch"
        with pytest.raises(StoreUnavailable):
            numbers(store)
        (index,) = store.indexes.all()
        store.indexes.drop(index)
        assert numbers(store) == []


class TestOneDocumentAmongOthers:
    @pytest.fixture
    def store(self, node: Node, prefix: str) -> OpenSearchVectorStore:
        return store_at(node.endpoint, prefix)

    def test_one_that_is_never_taken_does_not_fail_its_neighbours(self, store: OpenSearchVectorStore):
        bad = picture(1, uuid="1" * 600)  # an id has 512 bytes at most
        with pytest.raises(DocumentsRefused, match="too long"):
            store.upsert([picture(0), bad, picture(2)])
        assert numbers(store) == [0, 2]

    def test_a_write_that_loses_is_answered_when_the_newer_one_is_found(self, node: Node, prefix: str):
        slow = store_on(node, prefix, refresh_seconds=5)
        slow.upsert([picture(0)])
        (index,) = slow.indexes.for_writing(MODEL, 4)
        newer = picture(300, uuid="000000", version=3)
        source = json.dumps(queries.document(newer, queries.floats(newer.vector)))
        slow.documents.write([Write(index, newer.uuid, newer.version, source)], wait=False)
        slow.upsert([picture(700, uuid="000000", version=2)])
        assert [hit.key for hit in slow.search(VectorQuery("account", NORTH, MODEL, 5))] == ["300.jpg"]

    def test_an_index_that_refuses_writes_makes_them_wait_and_searches_go_on(
        self, store: OpenSearchVectorStore, node: Node
    ):
        store.upsert([picture(0), picture(1)])
        (index,) = store.indexes.all()
        calls = OpenSearchCalls(connect(node.endpoint))
        # What OpenSearch does by itself when a disk is nearly full.
        calls.ask("PUT", f"/{index.name}/_settings", {"index.blocks.read_only_allow_delete": True})
        for act in (lambda: store.upsert([picture(2)]), lambda: store.remove([VectorRemoval("000000", 2)])):
            with pytest.raises(StoreUnavailable):
                act()
        assert numbers(store) == [0, 1]
        calls.ask("PUT", f"/{index.name}/_settings", {"index.blocks.read_only_allow_delete": None})
        store.upsert([picture(2)])
        assert numbers(store) == [0, 1, 2]

    def test_an_index_deleted_under_a_writer_is_made_anew_never_by_guess(
        self, store: OpenSearchVectorStore, node: Node, prefix: str
    ):
        store.upsert([picture(0)])
        other = store_at(node.endpoint, prefix)
        (index,) = other.indexes.all()
        other.indexes.drop(index)
        store.upsert([picture(1)])
        assert numbers(store) == [1]
        (anew,) = other.indexes.all(fresh=True)
        assert (anew.model, anew.dimension, anew.reading, anew.writing) == (MODEL, 4, True, True)


class TestANodeThatIsKilled:
    def test_nothing_that_was_written_is_lost_and_every_error_is_one_that_says_later(self, tmp_path: Path, prefix: str):
        node = Node(tmp_path, free_port())
        store = store_at(node.endpoint, prefix, circuit=CircuitBreaker(pause_seconds=0.2))
        for act in (
            lambda: store.upsert([picture(0)]),
            lambda: store.remove([VectorRemoval("000000", 1)]),
            lambda: store.remove_collection("account", "holidays"),
            lambda: numbers(store),
            lambda: store.count("account"),
        ):
            with pytest.raises(StoreUnavailable):
                act()
        with node:
            answered, refused, strange = 0, 0, []
            written: set[int] = set()
            stop = threading.Event()

            def write() -> None:
                for n in itertools.count(1):
                    while not stop.is_set():
                        try:
                            store.upsert([picture(n)])
                            written.add(n)
                            break
                        except StoreUnavailable:
                            stop.wait(0.05)
                    if stop.is_set():
                        return

            def search() -> None:
                nonlocal answered, refused
                while not stop.is_set():
                    before = set(written)
                    try:
                        missing = before - set(numbers(store))
                        answered += 1
                        if missing:
                            strange.append(f"{len(missing)} written pictures were not found")
                    except StoreUnavailable:
                        refused += 1
                        stop.wait(0.05)
                    except BaseException as error:
                        strange.append(repr(error))

            eventually_written(store)
            threads = [threading.Thread(target=act) for act in (write, search)]
            for thread in threads:
                thread.start()
            while answered < 5 or len(written) < 5:
                stop.wait(0.01)
            node.kill()
            while refused < 3:
                stop.wait(0.01)
            node.start()
            was, had = answered, len(written)
            while answered < was + 3 or len(written) < had + 3:
                stop.wait(0.01)
            stop.set()
            for thread in threads:
                thread.join()
            assert strange == []
            assert written <= set(numbers(store))


def eventually_written(store: OpenSearchVectorStore) -> None:
    """The first write after a node has come: the circuit may still be open."""
    for _ in range(200):
        try:
            store.upsert([picture(0)])
            return
        except StoreUnavailable:
            threading.Event().wait(0.05)
    raise AssertionError("the store did not come back")
