"""URLs of the Web that callers name, and which addresses of servers may be connected to."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import quote, urlsplit

from chalicelib.domain.errors import InvalidRequest

URL_LIMIT = 2048  # characters
HTTPS_PORT = 443
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.ASCII)  # a name, or an address of IPv6
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")

# What is no address of a server on the Internet, or leads to one of another kind, after
# https://www.iana.org/assignments/iana-ipv4-special-registry/ and
# https://www.iana.org/assignments/iana-ipv6-special-registry/; 169.254.0.0/16 has the credentials of AWS's machines.
_SPECIAL_IPV4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
# All that is not below 2000::/3 is refused: loopback, addresses of a site or a link, and IPv4 in IPv6 (mapped, NAT64).
_INTERNET_IPV6 = ip_network("2000::/3")
# Teredo and other protocols' own; documentation; 6to4.
_SPECIAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
_REFUSED = [ip_network(network) for network in (*_SPECIAL_IPV4, *_SPECIAL_IPV6)]


class NoAllowedAddress(Exception):
    """The server's name has no address, or one that may not be connected to."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A URL that may be asked; ``target`` is its path and query as a request has them. Without ``tls`` it is HTTP."""

    host: str
    port: int
    target: str
    tls: bool = True


def parse_https_url(value: object) -> WebUrl:
    """The URL of a server of the Web: HTTPS on its own port, with the name of a server, and without credentials.

    Raises:
        InvalidRequest: it is anything else.
    """
    url = _parse(value)
    if not url.tls:
        raise InvalidRequest("url begins with https://; nothing else is asked.", field="url")
    if url.port != HTTPS_PORT:
        raise InvalidRequest(f"url names a server, on port {HTTPS_PORT} alone.", field="url")
    return url


def parse_local_url(value: object) -> WebUrl:
    """As ``parse_https_url``, or a URL of this machine: HTTP on any port of loopback."""
    url = _parse(value)
    is_local = url.host == "localhost" or is_loopback(url.host)
    return url if not url.tls and is_local else parse_https_url(value)


def _parse(value: object) -> WebUrl:
    if not isinstance(value, str) or not value or len(value) > URL_LIMIT or _UNSAFE.search(value):
        raise InvalidRequest(f"url is a URL of at most {URL_LIMIT:,} characters without spaces.", field="url")
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").encode("idna").decode().lower()
        port = parts.port
    except ValueError:  # UnicodeError is one
        raise InvalidRequest("url cannot be read as a URL.", field="url") from None
    if parts.scheme not in ("https", "http"):
        raise InvalidRequest("url begins with https://; nothing else is asked.", field="url")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("url has no user name and no password.", field="url")
    if not _HOST.fullmatch(host):
        raise InvalidRequest(f"url names a server, on port {HTTPS_PORT} alone.", field="url")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    is_https = parts.scheme == "https"
    default = HTTPS_PORT if is_https else 80
    return WebUrl(host, default if port is None else port, f"{target}?{query}" if query else target, is_https)


def is_public(address: str) -> bool:
    """Whether an IP address is of a server on the Internet, and not of a network of ours or of a machine itself."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip not in _INTERNET_IPV6:
        return False
    return ip.is_global and not any(ip in network for network in _REFUSED if network.version == ip.version)


def is_loopback(address: str) -> bool:
    """Whether it is an IP address of the machine itself."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def is_public_or_local(address: str) -> bool:
    """What a system on one machine may connect to: its own programs, too, and nothing else of its network."""
    return is_public(address) or is_loopback(address)
