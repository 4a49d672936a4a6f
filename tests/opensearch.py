"""A genuine OpenSearch node, started when the first test that needs it runs."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import PROFILES, Sizing
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.config import OpenSearchProfile
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError
from tests.java import JAVA_OPTIONS


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("opensearch"), free_port(), java_options=JAVA_OPTIONS)
    try:
        node.start()
    except NodeError as error:
        pytest.skip(str(error))
    yield node
    node.stop()


@pytest.fixture
def prefix(node: Node) -> Iterator[str]:
    """Of the test's own indexes, which are deleted after it: each is refreshed a hundred times a second."""
    prefix = f"own-{uuid4().hex[:8]}"
    yield prefix
    OpenSearchClient(connect(node.endpoint)).request("DELETE", f"/{prefix}-*")


def store_on(
    node: Node, prefix: str, *, refresh_seconds: float = 0.01, profile: OpenSearchProfile = OpenSearchProfile.LUCENE
) -> OpenSearchVectorStore:
    """Returns a store as one process has it; stores with the same prefix share their indexes.

    The short refresh interval makes writes return soon.
    """
    client = OpenSearchClient(connect(node.endpoint))
    sizing = Sizing(refresh_seconds=refresh_seconds)
    indexes = Indexes(client, prefix=prefix, profile=PROFILES[profile], sizing=sizing, cache_seconds=0.3)
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes))
