"""OpenSearch busy, slow, cut off, refusing writes or killed: no write is lost, and each error is StoreUnavailable."""

import itertools
import math
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.bulk import Write
from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.errors import DocumentsRejected
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import Sizing
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import FileSummary, Hit, SearchOptions, VectorDocument, VectorQuery, VectorRemoval
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.fault_proxy import Proxy, proxy_before
from tests.java import JAVA_OPTIONS
from tests.opensearch import store_on

MODEL = "faulty-1+d1"
NORTH = struct.pack("<4f", 1, 0, 0, 0)


def picture(number: int, *, version: int = 1, uuid: str | None = None) -> VectorDocument:
    angle = number / 1000
    vector = struct.pack("<4f", math.cos(angle), math.sin(angle), 0, 0)
    return VectorDocument(
        uuid=uuid or f"{number:06d}",
        account="account",
        model=MODEL,
        version=version,
        vector=vector,
        file=FileSummary(collection="holidays", bucket="bucket", key=f"{number}.jpg", size=1, md5="0" * 32),
    )


def renamed(document: VectorDocument, key: str) -> VectorDocument:
    return replace(document, file=replace(document.file, key=key))


def search(store: OpenSearchVectorStore, limit: int = 5_000) -> list[Hit]:
    options = SearchOptions(limit=limit)
    return store.search(VectorQuery(account="account", vector=NORTH, model=MODEL, options=options))


def numbers(store: OpenSearchVectorStore) -> list[int]:
    return [int(hit.uuid) for hit in search(store)]


def store_at(
    endpoint: str, prefix: str, *, timeout: float = 8.0, circuit: CircuitBreaker | None = None
) -> OpenSearchVectorStore:
    client = OpenSearchClient(connect(endpoint), circuit, timeout=timeout)
    indexes = Indexes(client, prefix=prefix, sizing=Sizing(refresh_seconds=0.01))
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes))


@pytest.fixture
def proxied(node: Node) -> Iterator[tuple[str, Proxy]]:
    with proxy_before(node.endpoint) as proxied:
        yield proxied


class TestBehindAFaultyNetwork:
    @pytest.fixture
    def store(self, proxied: tuple[str, Proxy], prefix: str) -> OpenSearchVectorStore:
        store = store_at(proxied[0], prefix)
        store.upsert([picture(0)])
        return store

    @pytest.mark.parametrize("fault", [429, 503, 502, "cut"])
    def test_a_fault_that_passes_is_retried(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy], fault: int | str
    ):
        proxy = proxied[1]
        proxy.faults = [fault, fault]
        store.upsert([picture(n) for n in range(1, 20)])
        proxy.faults += [fault, fault]
        assert numbers(store) == list(range(20))
        assert proxy.injected == 4

    @pytest.mark.parametrize("fault", [429, 503, "cut"])
    def test_a_fault_that_persists_makes_the_store_unavailable_and_loses_no_write(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy], fault: int | str
    ):
        proxied[1].faults = [fault] * 3
        with pytest.raises(StoreUnavailable):
            store.upsert([picture(1)])
        store.upsert([picture(1)])
        assert numbers(store) == [0, 1]

    def test_a_request_that_timed_out_is_not_sent_again(
        self, proxied: tuple[str, Proxy], store: OpenSearchVectorStore, prefix: str
    ):
        impatient, proxy = store_at(proxied[0], prefix, timeout=0.2), proxied[1]
        proxy.faults, proxy.fault_filter = [5.0, 5.0], "_search"
        with pytest.raises(StoreUnavailable):
            numbers(impatient)
        assert proxy.injected == 1
        proxy.faults = []
        assert numbers(impatient) == [0]

    def test_after_failures_in_a_row_no_request_is_sent_until_a_pause_is_over(
        self, proxied: tuple[str, Proxy], store: OpenSearchVectorStore, prefix: str
    ):
        clock = [0.0]
        proxy = proxied[1]
        circuit = CircuitBreaker(failure_threshold=3, open_seconds=10, now=lambda: clock[0])
        guarded = store_at(proxied[0], prefix, circuit=circuit)
        proxy.faults, proxy.fault_filter = [503] * 100, "_search"
        for _ in range(10):
            with pytest.raises(StoreUnavailable):
                numbers(guarded)
        assert proxy.injected == 3
        proxy.faults = []
        clock[0] = 10.0
        assert numbers(guarded) == [0]

    def test_a_write_whose_response_was_lost_has_its_effect_once(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        for n in range(1, 10):
            proxied[1].faults = ["cut"] if n % 2 else []
            store.upsert([picture(n)])
            store.upsert([renamed(picture(n, version=2), "second.jpg")])
        assert [hit.file.key for hit in search(store, 100)] == ["0.jpg"] + ["second.jpg"] * 9


class TestRequestsOfASearch:
    """A search with few results also counts, in the same request where few results are expected."""

    @pytest.fixture
    def store(self, proxied: tuple[str, Proxy], prefix: str) -> OpenSearchVectorStore:
        store = store_at(proxied[0], prefix)
        store.upsert([picture(n) for n in range(10)])
        return store

    def requests(self, store: OpenSearchVectorStore, proxy: Proxy, limit: int = 20) -> list[str]:
        """Returns the requests of a search, which must find the nearest pictures."""
        proxy.forwarded.clear()
        numbers = [int(hit.uuid) for hit in search(store, limit)]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) == min(limit, store.count("account"))
        requests = [request.rpartition("/")[2] for request in proxy.forwarded if "/_" in request]
        return requests[:-1]  # without the count of this method

    def test_an_account_with_few_pictures_needs_one_request_after_the_first_search(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        assert [self.requests(store, proxied[1]) for _ in range(3)] == [
            ["_search", "_count"],
            ["_msearch"],
            ["_msearch"],
        ]

    def test_an_account_with_many_pictures_needs_one_request_even_when_it_had_few(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        self.requests(store, proxied[1])
        store.upsert([picture(n) for n in range(10, 60)])
        assert [self.requests(store, proxied[1]) for _ in range(3)] == [["_msearch"], ["_search"], ["_search"]]

    def test_a_search_that_counts_reports_a_busy_store_and_finds_nothing_in_a_lost_one(
        self, store: OpenSearchVectorStore, proxied: tuple[str, Proxy]
    ):
        self.requests(store, proxied[1])
        proxied[1].faults, proxied[1].fault_filter = [503] * 3, "_msearch"
        with pytest.raises(StoreUnavailable):
            numbers(store)
        (index,) = store.indexes.all()
        store.indexes.drop(index)
        assert numbers(store) == []


class TestWritesThatOpenSearchRefuses:
    @pytest.fixture
    def store(self, node: Node, prefix: str) -> OpenSearchVectorStore:
        return store_at(node.endpoint, prefix)

    def test_a_document_that_is_rejected_does_not_fail_the_others_of_its_batch(self, store: OpenSearchVectorStore):
        bad = picture(1, uuid="1" * 600)  # an id has 512 bytes at most
        with pytest.raises(DocumentsRejected, match="too long"):
            store.upsert([picture(0), bad, picture(2)])
        assert numbers(store) == [0, 2]

    def test_a_superseded_write_returns_when_searches_see_the_newer_one(self, node: Node, prefix: str):
        slow = store_on(node, prefix, refresh_seconds=5)
        slow.upsert([picture(0)])
        (index,) = slow.indexes.for_writing(MODEL, 4)
        newer = picture(300, uuid="000000", version=3)
        write = Write(index, newer.uuid, newer.version, queries.document_source(newer))
        slow.documents.write([write], wait=False)
        slow.upsert([picture(700, uuid="000000", version=2)])
        assert [hit.file.key for hit in search(slow, 5)] == ["300.jpg"]

    def test_an_index_that_refuses_writes_makes_writes_unavailable_while_searches_go_on(
        self, store: OpenSearchVectorStore, node: Node
    ):
        store.upsert([picture(0), picture(1)])
        (index,) = store.indexes.all()
        client = OpenSearchClient(connect(node.endpoint))
        # OpenSearch sets this block itself when a disk is nearly full.
        client.request("PUT", f"/{index.name}/_settings", {"index.blocks.read_only_allow_delete": True})
        for write in (lambda: store.upsert([picture(2)]), lambda: store.remove([VectorRemoval("000000", 2)])):
            with pytest.raises(StoreUnavailable):
                write()
        assert numbers(store) == [0, 1]
        client.request("PUT", f"/{index.name}/_settings", {"index.blocks.read_only_allow_delete": None})
        store.upsert([picture(2)])
        assert numbers(store) == [0, 1, 2]

    def test_an_index_that_was_deleted_is_created_again_with_our_mapping_and_aliases(
        self, store: OpenSearchVectorStore, node: Node, prefix: str
    ):
        store.upsert([picture(0)])
        other = store_at(node.endpoint, prefix)
        (index,) = other.indexes.all()
        other.indexes.drop(index)
        store.upsert([picture(1)])
        assert numbers(store) == [1]
        (created,) = other.indexes.all(fresh=True)
        assert (created.model, created.dimension) == (MODEL, 4)
        assert (created.has_read_alias, created.has_write_alias) == (True, True)


class TestKilledNode:
    def test_no_write_is_lost_and_every_error_is_store_unavailable(self, tmp_path: Path):
        node = Node(tmp_path, free_port(), java_options=JAVA_OPTIONS)
        store = store_at(node.endpoint, "killed", circuit=CircuitBreaker(open_seconds=0.2))
        for operation in (
            lambda: store.upsert([picture(0)]),
            lambda: store.remove([VectorRemoval("000000", 1)]),
            lambda: store.remove_collection("account", "holidays"),
            lambda: numbers(store),
            lambda: store.count("account"),
        ):
            with pytest.raises(StoreUnavailable):
                operation()
        with node:
            answered, unavailable = 0, 0
            failures: list[str] = []
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

            def search_all() -> None:
                nonlocal answered, unavailable
                while not stop.is_set():
                    before = set(written)
                    try:
                        missing = before - set(numbers(store))
                        answered += 1
                        if missing:
                            failures.append(f"{len(missing)} written pictures were not found")
                    except StoreUnavailable:
                        unavailable += 1
                        stop.wait(0.05)
                    except BaseException as error:
                        failures.append(repr(error))

            write_when_up(store)
            threads = [threading.Thread(target=work) for work in (write, search_all)]
            for thread in threads:
                thread.start()
            while answered < 5 or len(written) < 5:
                stop.wait(0.01)
            node.kill()
            while unavailable < 3:
                stop.wait(0.01)
            node.start()
            answered_before, written_before = answered, len(written)
            while answered < answered_before + 3 or len(written) < written_before + 3:
                stop.wait(0.01)
            stop.set()
            for thread in threads:
                thread.join()
            assert failures == []
            assert written <= set(numbers(store))


def write_when_up(store: OpenSearchVectorStore) -> None:
    """Make the first write after a node has started: the circuit may still be open."""
    for _ in range(200):
        try:
            store.upsert([picture(0)])
            return
        except StoreUnavailable:
            threading.Event().wait(0.05)
    raise AssertionError("the store did not become available")
