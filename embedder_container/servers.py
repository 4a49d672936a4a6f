"""Requests to servers that are not AWS's, such as a customer's own storage: by HTTPS, to public addresses alone.

The name is resolved once for each connection, every address that it has is checked, and the connection goes to one of
those: a name whose address changes in between leads nowhere else. Nothing is redirected, no proxy is used, and a timer
ends a response that comes too slowly.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread, Timer
from urllib.parse import urlsplit

Resolve = Callable[[str, int], Sequence[str]]
# What is no address of a server on the Internet, or leads to one of another kind:
# https://www.iana.org/assignments/iana-ipv4-special-registry/ and
# https://www.iana.org/assignments/iana-ipv6-special-registry/; 169.254.0.0/16 has the credentials of AWS's machines.
_OF_AWS = re.compile(r"(?:.*\.)?amazonaws\.(?:com|com\.cn|eu)")  # S3's hosts are asked apart, and no other service is
_INTERNET_IPV6 = ipaddress.ip_network("2000::/3")
_REFUSED = [
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
]


class AddressRefused(Exception):
    """The server's name has no address, or one that is not of the public Internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is of a server on the Internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6 and ip not in _INTERNET_IPV6:
        return False
    return ip.is_global and not any(ip in network for network in _REFUSED if network.version == ip.version)


def is_public_or_local(address: str) -> bool:
    """What a local system may connect to: the programs of its machine, too."""
    try:
        return is_public(address) or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a server's name, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Servers:
    """Args:
    is_local: servers of this machine may be asked, too, by HTTP.
    tls: a context that knows whose certificates are valid; the machine's own, if it is not given.
    """

    def __init__(
        self, *, is_local: bool = False, resolve: Resolve = addresses, tls: ssl.SSLContext | None = None
    ) -> None:
        self._is_local = is_local
        self._resolve = resolve
        self._tls = tls

    def may_ask(self, url: str) -> bool:
        """Whether a URL is one of a server that may be asked, as far as it tells itself."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if "@" in parts.netloc or "\\" in url or _OF_AWS.fullmatch(host):
            return False
        has_address = host.replace(".", "").isdigit() or ":" in host
        is_of_machine = self._is_local and (host == "localhost" or (has_address and self._is_allowed(host)))
        if parts.scheme == "https":
            return is_of_machine or ("." in host and (not has_address or self._is_allowed(host)))
        return parts.scheme == "http" and is_of_machine and not is_public(host)

    @contextmanager
    def response(
        self, url: str, headers: Mapping[str, str], timeout: float, deadline: float
    ) -> Iterator[http.client.HTTPResponse]:
        """The response to a GET, whose body may be read until the deadline (monotonic clock).

        Args:
            timeout: seconds between two packets.

        Raises:
            AddressRefused: nothing was connected to.
            OSError, HTTPException, ValueError: the server does not answer as one of HTTPS does, or not in time.
        """
        parts = urlsplit(url)
        has_tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if has_tls else 80)
        connected = socket.create_connection((self._checked_address(host, port, deadline), port), timeout=timeout)
        if has_tls:
            self._tls = self._tls or ssl.create_default_context()
            connected = self._tls.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
        timer = Timer(_seconds_left(deadline), _end, [connected])
        timer.daemon = True
        with connected:
            timer.start()
            try:
                if isinstance(connected, ssl.SSLSocket):
                    connected.do_handshake()
                connection = http.client.HTTPConnection(host, port)
                connection.sock = connected  # so it opens none of its own, by the name
                connection.default_port = 443 if has_tls else 80  # which the header Host leaves out
                target = parts.path + (f"?{parts.query}" if parts.query else "")
                sent = {**headers, "Accept-Encoding": "identity", "Connection": "close"}
                connection.request("GET", target, headers=sent)
                with connection.getresponse() as response:
                    if time.monotonic() >= deadline:  # headers that were cut off look as if they had ended
                        raise TimeoutError
                    yield response
            finally:
                timer.cancel()

    def _is_allowed(self, address: str) -> bool:
        return (is_public_or_local if self._is_local else is_public)(address)

    def _checked_address(self, host: str, port: int, deadline: float) -> str:
        found: list[str] = []

        def resolve() -> None:
            with suppress(OSError, UnicodeError):
                found.extend(self._resolve(host, port))

        # A resolver takes no limit of time, so it works in a thread, which is left behind when the time is over.
        thread = Thread(target=resolve, daemon=True)
        thread.start()
        thread.join(_seconds_left(deadline))
        if thread.is_alive():
            raise TimeoutError
        if not found or not all(map(self._is_allowed, found)):
            raise AddressRefused
        return found[0]


def _seconds_left(deadline: float) -> float:
    return max(0.01, deadline - time.monotonic())


def _end(connected: socket.socket) -> None:
    """End a connection under the hands of who reads from it."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
