"""Fetches pictures from the Web by HTTPS, from addresses of the Internet alone.

The name of a server is resolved once for each connection, all its addresses are checked, and the connection goes to one
of those that were checked: a name whose address changes in between leads nowhere else. TLS and the header ``Host`` have
the name. Each redirect is a new URL with a new check. The deadline is of the whole, also for a server that sends a byte
a second: a timer closes its connection.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread, Timer
from typing import Any
from urllib.parse import urljoin

import certifi

from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from chalicelib.domain.image_files import has_picture_signature
from chalicelib.domain.uploads import UPLOAD_LIMIT
from chalicelib.domain.web_pictures import (
    FETCH_SECONDS,
    REDIRECTS_MAX,
    PictureUrl,
    WebPicture,
    is_public,
    parse_picture_url,
    unreadable_url,
)

USER_AGENT = "Similarix"
CHUNK_BYTES = 64 * 1024
SIGNATURE_BYTES = 32
REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}

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


class HTTPSPictures:
    """Args:
    is_allowed: whether an address may be connected to.
    connect_to: the port of the connection, which a test moves.
    seconds: for the whole, redirects included.
    """

    def __init__(
        self,
        is_allowed: Callable[[str], bool] = is_public,
        resolve: Resolve = addresses,
        tls: ssl.SSLContext | None = None,
        connect_to: Callable[[PictureUrl], int] = lambda url: url.port,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        self._is_allowed = is_allowed
        self._resolve = resolve
        self._tls = tls
        self._connect_to = connect_to
        self._seconds = seconds

    def fetch(self, url: PictureUrl) -> WebPicture:
        deadline = time.monotonic() + self._seconds
        try:
            for _ in range(REDIRECTS_MAX + 1):
                with self._response(url, deadline) as response:
                    if response.status not in REDIRECTS:
                        return WebPicture(_picture(response, deadline), url)
                    url = _redirected(url, response.getheader("Location"))
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise unreadable_url(f"it took longer than {self._seconds:g} seconds") from error
            if isinstance(error, ssl.SSLCertVerificationError):
                raise unreadable_url("the certificate of its server is not valid") from error
            raise unreadable_url("its server does not answer as a server of HTTPS does") from error
        raise unreadable_url(f"it was redirected more than {REDIRECTS_MAX} times")

    @contextmanager
    def _response(self, url: PictureUrl, deadline: float) -> Iterator[http.client.HTTPResponse]:
        address = self._checked_address(url, deadline)
        plain = socket.create_connection((address, self._connect_to(url)), timeout=_left(deadline))
        with self._context().wrap_socket(plain, server_hostname=url.host, do_handshake_on_connect=False) as connected:
            timer = Timer(_left(deadline), _end, [connected])
            timer.daemon = True
            timer.start()
            try:
                connected.do_handshake()
                connection = http.client.HTTPSConnection(url.host, url.port)
                connection.response_class = _Response
                connection.sock = connected  # so it opens none of its own, by the name
                connection.request("GET", url.target, headers=_HEADERS)
                with connection.getresponse() as response:
                    yield response
            finally:
                timer.cancel()

    def _checked_address(self, url: PictureUrl, deadline: float) -> str:
        found = self._addresses(url, deadline)
        # One that is not public is enough: a server of the Internet has no other.
        if not found or not all(map(self._is_allowed, found)):
            raise unreadable_url("the name of its server has no public address")
        return found[0]

    def _addresses(self, url: PictureUrl, deadline: float) -> list[str]:
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
        thread.join(_left(deadline))
        if thread.is_alive():
            raise TimeoutError
        return found

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or ssl.create_default_context(cafile=certifi.where())
        return self._tls


def _left(deadline: float) -> float:
    return max(0.01, deadline - time.monotonic())


def _end(connected: ssl.SSLSocket) -> None:
    """End a connection under the hands of who reads from it: the reader finds that no more comes."""
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already


def _redirected(url: PictureUrl, location: str | None) -> PictureUrl:
    try:
        return parse_picture_url(urljoin(f"https://{url.host}{url.target}", location or ""))
    except (InvalidRequest, ValueError) as error:
        raise unreadable_url("it leads to a URL that is not fetched") from error


def _picture(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body of a response that may be a picture of at most ``UPLOAD_LIMIT`` bytes."""
    if response.status != 200:
        raise unreadable_url(f"its server returned the status {response.status}")
    content_type = response.headers.get_content_type() if "Content-Type" in response.headers else ""
    if content_type not in ("", "application/octet-stream", "binary/octet-stream") and not content_type.startswith(
        "image/"
    ):
        raise UnsupportedMediaType("The URL leads to something that its server does not call a picture.", field="url")
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise unreadable_url("its server compresses it")
    if response.length is not None and response.length > UPLOAD_LIMIT:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read(CHUNK_BYTES):
        if not chunks and not has_picture_signature(chunk[:SIGNATURE_BYTES]):
            raise UnsupportedMediaType("The URL leads to something that is no picture.", field="url")
        chunks.append(chunk)
        size += len(chunk)
        if size > UPLOAD_LIMIT:
            raise _too_large()
    if response.length or time.monotonic() >= deadline:
        raise http.client.IncompleteRead(b"", response.length)
    if not size:
        raise unreadable_url("it is empty")
    return b"".join(chunks)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The picture of this URL has more than {UPLOAD_LIMIT:,} bytes (20 MiB).", field="url")
