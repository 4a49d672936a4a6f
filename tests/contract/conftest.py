"""The stores that contract suites run on, each started once."""

from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def emulated(request: pytest.FixtureRequest, aws: Callable[[str], Any]) -> Any:
    """What the module's ``on`` makes on the emulator's DynamoDB."""
    return request.module.on(aws("dynamodb"))


@pytest.fixture(scope="module")
def amazons(request: pytest.FixtureRequest, amazons_dynamodb: Any) -> Any:
    """The same on Amazon's own."""
    return request.module.on(amazons_dynamodb)
