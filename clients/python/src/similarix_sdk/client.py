"""The two clients. Each has the same operations: ``Client`` returns their values, ``AsyncClient`` awaits them."""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from similarix_sdk.drivers import AsyncDriver, BlockingDriver
from similarix_sdk.operations.accounts import AccountOperations, TokenOperations
from similarix_sdk.operations.collections import CollectionOperations
from similarix_sdk.operations.duplicates import DuplicateOperations
from similarix_sdk.operations.files import FileOperations
from similarix_sdk.operations.search import SearchOperations
from similarix_sdk.operations.search_uploads import SearchUploadOperations
from similarix_sdk.operations.syncs import SyncOperations
from similarix_sdk.operations.uploads import UploadOperations
from similarix_sdk.operations.webhooks import WebhookOperations
from similarix_sdk.requests import Request, parameters
from similarix_sdk.retries import RetryPolicy
from similarix_sdk.sending import ApiSender
from similarix_sdk.steps import Asynchronous, Blocking, Envelope, Resource, Steps, operation

# API Gateway ends a request after 29 seconds:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
TIMEOUT = httpx.Timeout(40.0, connect=10.0)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN_VARIABLE = "SIMILARIX_TOKEN"  # noqa: S105  # the variable's name
URL_VARIABLE = "SIMILARIX_URL"


class AnyOperation(Resource):
    """A call that has no method of its own yet."""

    @operation
    def request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, json: Any = None
    ) -> Steps[Envelope]:
        """The ``info`` and ``result`` of an operation by its path, such as ``/api/account/``."""
        if not path.startswith("/"):
            raise ValueError("A path begins with a slash.")
        request = Request(method.upper(), path, parameters(**query or {}), json=json)
        return self._api.call(request.keyed() if request.method == "POST" else request)


class Collections(CollectionOperations, Blocking):
    """The account's collections."""


class AsyncCollections(CollectionOperations, Asynchronous):
    """The account's collections."""


class Files(FileOperations, Blocking):
    """Files of collections."""


class AsyncFiles(FileOperations, Asynchronous):
    """Files of collections."""


class Duplicates(DuplicateOperations, Blocking):
    """Duplicates of a collection."""


class AsyncDuplicates(DuplicateOperations, Asynchronous):
    """Duplicates of a collection."""


class Uploads(UploadOperations, Blocking):
    """Uploads into managed storage."""


class AsyncUploads(UploadOperations, Asynchronous):
    """Uploads into managed storage."""


class SearchUploads(SearchUploadOperations, Blocking):
    """Pictures to search by."""


class AsyncSearchUploads(SearchUploadOperations, Asynchronous):
    """Pictures to search by."""


class Syncs(SyncOperations, Blocking):
    """Syncs of collections."""


class AsyncSyncs(SyncOperations, Asynchronous):
    """Syncs of collections."""


class AccountResource(AccountOperations, Blocking):
    """The account."""


class AsyncAccountResource(AccountOperations, Asynchronous):
    """The account."""


class Tokens(TokenOperations, Blocking):
    """The account's tokens."""


class AsyncTokens(TokenOperations, Asynchronous):
    """The account's tokens."""


class Webhooks(WebhookOperations, Blocking):
    """Servers that are told of events."""


class AsyncWebhooks(WebhookOperations, Asynchronous):
    """Servers that are told of events."""


class Client(SearchOperations, AnyOperation, Blocking):
    """Calls the API and waits. Threads may share it; close it, or use it in ``with``.

    Args:
        token: the secret that begins with ``smx_``; else the variable ``SIMILARIX_TOKEN``.
        base_url: where the API is; else the variable ``SIMILARIX_URL``. It is https, unless it is on this machine.
        retries: how what fails is tried again.
        http: an ``httpx.Client`` with options of your own, which is yours to close.
        driver: what performs the steps of operations, instead of one on ``http``.
        allow_http: send the token without encryption to another machine.
    """

    def __init__(
        self,
        token: str | None = None,
        base_url: str | None = None,
        *,
        retries: RetryPolicy | None = None,
        http: httpx.Client | None = None,
        driver: BlockingDriver | None = None,
        allow_http: bool = False,
    ) -> None:
        api = _sender(token, base_url, retries, allow_http)
        self._own: httpx.Client | None = None
        if driver is None:
            if http is None:
                http = self._own = httpx.Client(timeout=TIMEOUT)
            driver = BlockingDriver(http)
        super().__init__(api, driver)
        self.collections = Collections(api, driver)
        self.files = Files(api, driver)
        self.duplicates = Duplicates(api, driver)
        self.uploads = Uploads(api, driver)
        self.search_uploads = SearchUploads(api, driver)
        self.syncs = Syncs(api, driver)
        self.account = AccountResource(api, driver)
        self.tokens = Tokens(api, driver)
        self.webhooks = Webhooks(api, driver)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._api.base_url!r})"


class AsyncClient(SearchOperations, AnyOperation, Asynchronous):
    """Calls the API with asyncio. Its arguments are those of ``Client``; ``http`` is an ``httpx.AsyncClient``."""

    def __init__(
        self,
        token: str | None = None,
        base_url: str | None = None,
        *,
        retries: RetryPolicy | None = None,
        http: httpx.AsyncClient | None = None,
        driver: AsyncDriver | None = None,
        allow_http: bool = False,
    ) -> None:
        api = _sender(token, base_url, retries, allow_http)
        self._own: httpx.AsyncClient | None = None
        if driver is None:
            if http is None:
                http = self._own = httpx.AsyncClient(timeout=TIMEOUT)
            driver = AsyncDriver(http)
        super().__init__(api, driver)
        self.collections = AsyncCollections(api, driver)
        self.files = AsyncFiles(api, driver)
        self.duplicates = AsyncDuplicates(api, driver)
        self.uploads = AsyncUploads(api, driver)
        self.search_uploads = AsyncSearchUploads(api, driver)
        self.syncs = AsyncSyncs(api, driver)
        self.account = AsyncAccountResource(api, driver)
        self.tokens = AsyncTokens(api, driver)
        self.webhooks = AsyncWebhooks(api, driver)

    async def close(self) -> None:
        if self._own is not None:
            await self._own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._api.base_url!r})"


def _sender(token: str | None, base_url: str | None, retries: RetryPolicy | None, allow_http: bool) -> ApiSender:
    token = token or os.environ.get(TOKEN_VARIABLE)
    base_url = base_url or os.environ.get(URL_VARIABLE)
    if not token:
        raise ValueError(f"There is no token: give one, or set {TOKEN_VARIABLE}.")
    if not base_url:
        raise ValueError(f"There is no URL of the API: give base_url, or set {URL_VARIABLE}.")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base_url!r} is no URL of an API.")
    is_here = parts.hostname in LOOPBACK or parts.hostname.endswith(".localhost")
    if parts.scheme == "http" and not is_here and not allow_http:
        raise ValueError(f"{base_url!r} is not encrypted, so the token is not sent there. Use https, or allow_http.")
    return ApiSender(base_url.rstrip("/"), token, retries or RetryPolicy(), f"similarix-sdk/{package_version()}")


def package_version() -> str:
    """Of this package, as it is installed."""
    try:
        return version("similarix-sdk")
    except PackageNotFoundError:  # runs from a checkout
        return "0"
