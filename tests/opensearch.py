"""A genuine OpenSearch node for the tests that need one, started when the first of them asks."""

from collections.abc import Iterator

import pytest

from chalicelib.adapters.opensearch.client import OpenSearchCalls, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import Sizing
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    running = Node(tmp_path_factory.mktemp("opensearch"), free_port())
    try:
        running.start()
    except NodeError as error:
        pytest.skip(str(error))
    yield running
    running.stop()


def store_on(node: Node, prefix: str, *, refresh_seconds: float = 0.01) -> OpenSearchVectorStore:
    """A store of a process of its own; those of one prefix share what they hold. Writes need not wait long here."""
    calls = OpenSearchCalls(connect(node.endpoint))
    sizing = Sizing(refresh_seconds=refresh_seconds)
    indexes = Indexes(calls, prefix=prefix, sizing=sizing, known_seconds=0.3)
    return OpenSearchVectorStore(calls, indexes, VersionedDocuments(calls, indexes))
