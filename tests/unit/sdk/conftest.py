"""Clients of the API on fakes."""

from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
import pytest

from similarix_sdk import AsyncClient, Client, RetryPolicy
from similarix_sdk.drivers import AsyncDriver, BlockingDriver
from tests import loops
from tests.fakes.http_api import BASE_URL, HttpApi


@pytest.fixture
def http_api() -> HttpApi:
    return HttpApi()


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that the clients would have waited."""
    return []


@pytest.fixture
def client(http_api: HttpApi, pauses: list[float]) -> Client:
    return blocking_client(http_api, pauses)


@pytest.fixture
def collection(client: Client) -> str:
    """A managed collection's uuid."""
    return client.collections.create_managed("n").collection.uuid


def blocking_client(
    http_api: HttpApi, pauses: list[float], retries: RetryPolicy | None = None, token: str | None = None
) -> Client:
    driver = BlockingDriver(httpx.Client(transport=http_api), pauses.append)
    return Client(token or http_api.token, BASE_URL, retries=retries, driver=driver)


def async_client(
    http_api: HttpApi, pauses: list[float], retries: RetryPolicy | None = None, token: str | None = None
) -> AsyncClient:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    driver = AsyncDriver(httpx.AsyncClient(transport=http_api), sleep)
    return AsyncClient(token or http_api.token, BASE_URL, retries=retries, driver=driver)


def finish(value: Any) -> Any:
    """What a method of either client has led to: a list of what it iterates over."""
    if isinstance(value, Coroutine):
        return loops.run(value)  # type: ignore[arg-type]
    if hasattr(value, "__aiter__"):
        return loops.run(_collected(value))
    return list(value) if hasattr(value, "__next__") or type(value).__name__ == "Pages" else value


async def _collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
