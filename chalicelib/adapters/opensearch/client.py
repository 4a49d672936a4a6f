"""The client of OpenSearch: signs requests, retries them where that helps, and makes none while OpenSearch is down."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch, RequestsHttpConnection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, TransportError
from requests_aws4auth import AWS4Auth

from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker
from chalicelib.adapters.opensearch.errors import CircuitOpen, RequestRejected, ServerBusy
from chalicelib.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from botocore.credentials import Credentials

REQUEST_TIMEOUT_SECONDS = 8.0  # twice that, and the model's own time, is within what API Gateway waits
REQUEST_ATTEMPTS = 3
FIRST_RETRY_DELAY_SECONDS = 0.1
CONNECTION_POOL_SIZE = 4
RETRYABLE_STATUSES = (429, 502, 503, 504)  # OpenSearch may accept the same request in a moment
UNAVAILABLE = "The search index is not available just now. Try again in a moment."


def connect(
    endpoint: str, *, service: str = "", region: str = "", credentials: "Credentials | None" = None
) -> OpenSearch:
    """Returns opensearch-py's client, which neither retries nor signs by itself.

    Args:
        service: ``es`` for a domain, ``aoss`` for Serverless; empty, requests are not signed.
        credentials: those of the function, which renew themselves.
    """
    # AWS4Auth hashes the body into a header of its own, as `aoss` demands and `es` accepts, and takes credentials that
    # renew themselves. opensearch-py has two signers: one takes such credentials, the other one hashes.
    auth = AWS4Auth(region=region, service=service, refreshable_credentials=credentials) if service else None
    return OpenSearch(
        hosts=[endpoint],
        http_auth=auth,
        connection_class=RequestsHttpConnection,
        verify_certs=True,
        max_retries=0,
        retry_on_timeout=False,
        timeout=REQUEST_TIMEOUT_SECONDS,
        pool_maxsize=CONNECTION_POOL_SIZE,
    )


class OpenSearchClient:
    """Sends requests, and repeats them while OpenSearch is busy or cannot be reached.

    Args:
        timeout: seconds to wait for a response, where the request does not say otherwise.
    """

    def __init__(
        self,
        connection: OpenSearch,
        circuit: CircuitBreaker | None = None,
        *,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = connection.transport
        self._circuit = circuit or CircuitBreaker()
        self._timeout = timeout
        self._sleep = sleep

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        attempts: int = REQUEST_ATTEMPTS,
    ) -> Any:
        """Returns the response's body.

        Raises:
            StoreUnavailable: OpenSearch was busy or could not be reached at each attempt.
            RequestRejected: it rejected the request.
        """
        failure: Exception | None = None
        for _ in self.attempts(attempts):
            try:
                return self._send(method, path, body, params, timeout or self._timeout)
            except CircuitOpen as error:
                raise StoreUnavailable(UNAVAILABLE) from error
            except ServerBusy as error:
                failure = error
                if isinstance(error.__cause__, ConnectionTimeout):
                    break  # it would take its whole time again
        raise StoreUnavailable(UNAVAILABLE) from failure

    def attempts(self, count: int) -> Iterator[None]:
        """Yields ``count`` times, after growing random pauses."""
        yield
        for retry in range(count - 1):
            # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            self._sleep(random.uniform(0, FIRST_RETRY_DELAY_SECONDS * 2**retry))  # noqa: S311  # no secret
            yield

    def _send(self, method: str, path: str, body: Any, params: Mapping[str, Any] | None, timeout: float) -> Any:
        with self._circuit.guard((ServerBusy,)):
            try:
                all_params = {**(params or {}), "request_timeout": timeout}
                return self._transport.perform_request(method, path, params=all_params, body=body)
            except NoConnection as error:
                raise ServerBusy(str(error)) from error
            except TransportError as error:
                if error.status_code in RETRYABLE_STATUSES:
                    raise ServerBusy(str(error)) from error
                raise _rejection(error) from error


def _rejection(error: TransportError) -> RequestRejected:
    info = error.info if isinstance(error.info, dict) else {}
    cause = info.get("error")
    if isinstance(cause, dict):
        deepest = cause.get("caused_by") or (cause.get("root_cause") or [cause])[0]
        return RequestRejected(int(error.status_code), str(cause.get("type")), str(deepest.get("reason")))
    return RequestRejected(int(error.status_code), str(error.error), str(error.info))
