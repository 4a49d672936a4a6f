"""The DynamoDBs that contract suites run on, each started once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dynamodb_local.server import DynamoDBLocalUnavailable, dynamodb_local


@pytest.fixture(scope="session")
def dynamodb_local_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of Amazon's DynamoDB Local."""
    try:
        with dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")) as client:
            yield client
    except DynamoDBLocalUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def emulator_stores(request: pytest.FixtureRequest, aws: Callable[[str], Any]) -> Any:
    """The stores that the module's ``make_stores`` creates on the emulator's DynamoDB."""
    return request.module.make_stores(aws("dynamodb"))


@pytest.fixture(scope="module")
def dynamodb_local_stores(request: pytest.FixtureRequest, dynamodb_local_client: Any) -> Any:
    """The stores that the module's ``make_stores`` creates on DynamoDB Local."""
    return request.module.make_stores(dynamodb_local_client)
