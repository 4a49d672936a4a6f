"""The stores that contract suites run on, each started once."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dynamodb_local.server import NotToBeHad, dynamodb_local


@pytest.fixture(scope="session")
def amazons_dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of Amazon's own DynamoDB Local."""
    try:
        with dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")) as client:
            yield client
    except NotToBeHad as error:
        pytest.skip(str(error))
