"""Connections to servers that are kept open between requests, with the standard library alone.

A picture takes two or three requests to S3. A connection for each would mean a TLS handshake for each: two round trips,
and some milliseconds of a processor.
"""

import http.client
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import urlsplit

# S3 closes a connection some seconds after its last request. A function that was frozen in between would not see that.
IDLE_SECONDS = 4.0
MAX_IDLE = 8  # connections of one server

_Server = tuple[str, str]  # scheme, and host with port


class Connections:
    """Sends requests, each on a connection that another request has left, or on a new one; threads may share it.

    It uses no proxy and follows no redirect.

    Args:
        read_timeout_seconds: for which the server may send nothing.
        clock: seconds, which go on while the process is frozen.
    """

    def __init__(self, read_timeout_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._timeout = read_timeout_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[_Server, list[tuple[float, http.client.HTTPConnection]]] = defaultdict(list)

    @contextmanager
    def response(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The response to a request; where its body was read to the end, its connection is kept.

        The request may be sent twice, if the server has closed a kept connection: it must be one that may be repeated.

        Raises:
            OSError, http.client.HTTPException: the server was not reached, or did not respond.
            ValueError: the URL has none of the two schemes.
        """
        parts = urlsplit(url)
        server, target = (parts.scheme, parts.netloc), parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection, response = self._send(server, method, target, headers, body)
        try:
            yield response
        except BaseException:
            connection.close()
            raise
        if response.length == 0 and not response.will_close:
            response.read()  # nothing is left; without this the connection takes no other request
        if response.isclosed() and not response.will_close:
            self._keep(server, connection)
        else:
            connection.close()

    def _send(
        self, server: _Server, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kept = self._take(server)
        if kept is not None:
            try:
                return kept, _answer(kept, method, target, headers, body)
            except (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError):
                kept.close()  # the server has closed it since
            except BaseException:
                kept.close()
                raise
        connection = self._connection(server)
        try:
            return connection, _answer(connection, method, target, headers, body)
        except BaseException:
            connection.close()
            raise

    def _connection(self, server: _Server) -> http.client.HTTPConnection:
        scheme, host = server
        if scheme == "https":
            return http.client.HTTPSConnection(host, timeout=self._timeout, context=self._tls)
        if scheme == "http":
            return http.client.HTTPConnection(host, timeout=self._timeout)
        raise ValueError(f"no requests are made by {scheme!r}")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Created at the first request: reading the machine's certificates takes tens of milliseconds."""
        return ssl.create_default_context()

    def _take(self, server: _Server) -> http.client.HTTPConnection | None:
        """A kept connection that was used a moment ago, the last one first; older ones are closed."""
        with self._lock:
            idle = self._idle[server]
            recent = [(at, connection) for at, connection in idle if self._clock() - at < IDLE_SECONDS]
            for old in (connection for entry in idle if entry not in recent for connection in entry[1:]):
                old.close()
            taken = recent.pop()[1] if recent else None
            self._idle[server] = recent
            return taken

    def _keep(self, server: _Server, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle[server]) < MAX_IDLE:
                self._idle[server].append((self._clock(), connection))
                return
        connection.close()


def _answer(
    connection: http.client.HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> http.client.HTTPResponse:
    connection.request(method, target, body, dict(headers))
    return connection.getresponse()
