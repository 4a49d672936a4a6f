"""Calls to OpenSearch: signed, retried where that helps, not made while it is down, and with errors of our own."""

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch, RequestsHttpConnection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, TransportError
from requests_aws4auth import AWS4Auth

from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker, CircuitOpen
from chalicelib.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from botocore.credentials import Credentials

CONNECT_TIMEOUT_SECONDS = 2.0
REQUEST_TIMEOUT_SECONDS = 8.0  # for an answer; twice that, and the model's own time, is within what API Gateway waits
REQUEST_ATTEMPTS = 3
FIRST_RETRY_DELAY_SECONDS = 0.1
RETRYABLE_STATUSES = (429, 502, 503, 504)  # asked again in a moment, it may answer
UNAVAILABLE = "The search index is not available just now. Try again in a moment."


class RequestRejected(Exception):
    """OpenSearch understood and said no; ``kind`` and ``reason`` are its words."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"{status} {kind}: {reason}")
        self.status = status
        self.kind = kind
        self.reason = reason


class ServerBusy(Exception):
    """It did not answer, or said that it cannot now."""


def connect(
    endpoint: str, *, service: str = "", region: str = "", credentials: "Credentials | None" = None
) -> OpenSearch:
    """A client that neither retries nor signs by itself.

    Args:
        service: ``es`` for a domain, ``aoss`` for Serverless; empty, requests are not signed.
        credentials: those of the function, which renew themselves.
    """
    # It hashes the body into a header of its own, as `aoss` demands and `es` accepts, and takes credentials that renew
    # themselves; opensearch-py's signer does the latter for one and hashes for the other.
    auth = AWS4Auth(region=region, service=service, refreshable_credentials=credentials) if service else None
    return OpenSearch(
        hosts=[endpoint],
        http_auth=auth,
        connection_class=RequestsHttpConnection,
        verify_certs=True,
        max_retries=0,
        retry_on_timeout=False,
        timeout=REQUEST_TIMEOUT_SECONDS,
        pool_maxsize=4,
    )


class OpenSearchCalls:
    """``ask`` for one answer, again after a growing random pause while OpenSearch is busy or not there.

    Args:
        seconds: that an answer is waited for, where the call does not say otherwise.
    """

    def __init__(
        self,
        client: OpenSearch,
        circuit: CircuitBreaker | None = None,
        *,
        seconds: float = REQUEST_TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = client.transport
        self._circuit = circuit or CircuitBreaker()
        self._seconds = seconds
        self._sleep = sleep

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        tries: int = REQUEST_ATTEMPTS,
    ) -> Any:
        """The answer's body.

        Raises:
            StoreUnavailable: it was busy or away each time.
            RequestRejected: it said no.
        """
        for attempt in range(tries):
            try:
                return self._once(method, path, body, params, seconds or self._seconds)
            except CircuitOpen as error:
                raise StoreUnavailable(UNAVAILABLE) from error
            except ServerBusy as error:
                # What took its whole time once would take it again.
                if attempt == tries - 1 or isinstance(error.__cause__, ConnectionTimeout):
                    raise StoreUnavailable(UNAVAILABLE) from error
            self.pause(attempt)
        raise AssertionError("unreachable")

    def pause(self, attempt: int) -> None:
        # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        self._sleep(random.uniform(0, FIRST_RETRY_DELAY_SECONDS * 2**attempt))  # noqa: S311  # no secret

    def _once(self, method: str, path: str, body: Any, params: Mapping[str, Any] | None, seconds: float) -> Any:
        with self._circuit.guard((ServerBusy,)):
            try:
                asked = {**(params or {}), "request_timeout": seconds}
                return self._transport.perform_request(method, path, params=asked, body=body)
            except NoConnection as error:
                raise ServerBusy(str(error)) from error
            except TransportError as error:
                if error.status_code in RETRYABLE_STATUSES:
                    raise ServerBusy(str(error)) from error
                raise _refused(error) from error


def _refused(error: TransportError) -> RequestRejected:
    info = error.info if isinstance(error.info, dict) else {}
    cause = info.get("error")
    if isinstance(cause, dict):
        deepest = cause.get("caused_by") or (cause.get("root_cause") or [cause])[0]
        return RequestRejected(int(error.status_code), str(cause.get("type")), str(deepest.get("reason")))
    return RequestRejected(int(error.status_code), str(error.error), str(error.info))
