"""Connections to servers of the Web, to addresses that were checked, and within a deadline.

The name of a server is resolved once for each connection, all its addresses are checked, and the connection goes to one
of those that were checked: a name whose address changes in between leads nowhere else. TLS and the header ``Host`` have
the name. The deadline is of the whole, also for a server that sends a byte a second: a timer closes its connection.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread, Timer
from typing import Any

import certifi

from chalicelib.domain.web_urls import NoAllowedAddress, WebUrl, is_public

USER_AGENT = "Similarix"
Resolve = Callable[[str, int], Sequence[str]]


class _Reader(io.BufferedReader):
    """Refuses to read an unstated number of bytes.

    ``http.client`` takes a negative size of a chunk from the server and asks for so many bytes; ``read(-1)`` would read
    to the end, past every limit.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise http.client.HTTPException("a chunk has a negative size")
        return super().read(size)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = _Reader(self.fp.detach())


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a server's name, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedConnections:
    """Args:
    is_allowed: whether an address may be connected to.
    connect_to: the port of the connection, which a test moves.
    """

    def __init__(
        self,
        is_allowed: Callable[[str], bool] = is_public,
        resolve: Resolve = addresses,
        tls: ssl.SSLContext | None = None,
        connect_to: Callable[[WebUrl], int] = lambda url: url.port,
    ) -> None:
        self._is_allowed = is_allowed
        self._resolve = resolve
        self._tls = tls
        self._connect_to = connect_to

    @contextmanager
    def request(
        self, method: str, url: WebUrl, headers: Mapping[str, str], deadline: float, body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The response to one request, whose body may be read until the deadline, of the monotonic clock.

        Raises:
            NoAllowedAddress: nothing was connected to.
            OSError, ValueError, HTTPException: it has failed, or taken too long; ``TimeoutError`` is an OSError.
        """
        address = self._checked_address(url, deadline)
        with self._connected(url, address, deadline) as connected:
            timer = Timer(seconds_left(deadline), _end, [connected])
            timer.daemon = True
            timer.start()
            try:
                if isinstance(connected, ssl.SSLSocket):
                    connected.do_handshake()
                connection = http.client.HTTPConnection(url.host, url.port)
                connection.response_class = _Response
                connection.sock = connected  # so it opens none of its own, by the name
                connection.default_port = 443 if url.tls else 80  # which the header Host leaves out
                connection.request(method, url.target, body=body, headers=dict(headers))
                with connection.getresponse() as response:
                    if time.monotonic() >= deadline:  # headers that were cut off look as if they had ended
                        raise TimeoutError
                    yield response
            finally:
                timer.cancel()

    def _connected(self, url: WebUrl, address: str, deadline: float) -> socket.socket:
        plain = socket.create_connection((address, self._connect_to(url)), timeout=seconds_left(deadline))
        if not url.tls:
            return plain
        self._tls = self._tls or ssl.create_default_context(cafile=certifi.where())
        return self._tls.wrap_socket(plain, server_hostname=url.host, do_handshake_on_connect=False)

    def _checked_address(self, url: WebUrl, deadline: float) -> str:
        found = self._addresses(url, deadline)
        # One that is not allowed is enough: a server of the Internet has no other.
        if not found or not all(map(self._is_allowed, found)):
            raise NoAllowedAddress
        return found[0]

    def _addresses(self, url: WebUrl, deadline: float) -> list[str]:
        """The addresses of the URL's server; none if it has no such name.

        A resolver takes no limit of time, so it works in a thread, which is left behind when the time is over.

        Raises:
            TimeoutError: it is over.
        """
        found: list[str] = []

        def resolve() -> None:
            with suppress(OSError, UnicodeError):
                found.extend(self._resolve(url.host, url.port))

        thread = Thread(target=resolve, daemon=True)
        thread.start()
        thread.join(seconds_left(deadline))
        if thread.is_alive():
            raise TimeoutError
        return found


def seconds_left(deadline: float) -> float:
    """Until a moment of the monotonic clock; never 0, which would mean no limit or no waiting."""
    return max(0.01, deadline - time.monotonic())


def _end(connected: socket.socket) -> None:
    """End a connection under the hands of who reads from it: the reader finds that no more comes."""
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already
