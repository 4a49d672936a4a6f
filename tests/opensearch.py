"""A genuine OpenSearch node for the tests that need one, started when the first of them asks."""

from collections.abc import Iterator

import pytest

from infra.opensearch.node import Node, NodeError
from tests.e2e.ports import free_port


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    running = Node(tmp_path_factory.mktemp("opensearch"), free_port())
    try:
        running.start()
    except NodeError as error:
        pytest.skip(str(error))
    yield running
    running.stop()
