"""Pictures of the Web that a caller names by their URL: which URLs and which addresses are fetched, and how much."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit

from chalicelib.domain.errors import InvalidRequest, UnreadableUrl
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.uploads import NameRule

URL_LIMIT = 2048  # characters
HTTPS_PORT = 443
REDIRECTS_MAX = 3
# A request has 29 s (API Gateway's limit), of which the embedder may take 18 (``adapters.factory.embedder_client``). It
# waits the shorter for a locked file, the longer the fetch has taken.
FETCH_SECONDS = 8.0
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


@dataclass(frozen=True, slots=True)
class PictureUrl:
    """A URL that may be fetched; ``target`` is its path and query as a request has them."""

    host: str
    port: int
    target: str

    @property
    def file_name(self) -> str:
        """The last part of its path, decoded; empty where the path ends with a slash."""
        return unquote(self.target.partition("?")[0]).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class WebPicture:
    """What a URL gave: the bytes, and the URL that gave them after all redirects."""

    body: bytes
    url: PictureUrl


@dataclass(frozen=True, slots=True)
class NewUrlUpload:
    """A picture to fetch; without ``path`` its URL names the file."""

    url: PictureUrl
    path: str | None = None
    rule: NameRule = NameRule.NUMBER
    metadata: Metadata | None = field(default=None, hash=False)


def parse_picture_url(value: object) -> PictureUrl:
    """The URL of a picture: HTTPS on its own port, with the name of a server, and without credentials.

    Raises:
        InvalidRequest: it is anything else.
    """
    if not isinstance(value, str) or not value or len(value) > URL_LIMIT or _UNSAFE.search(value):
        raise InvalidRequest(f"url is a URL of at most {URL_LIMIT:,} characters without spaces.", field="url")
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").encode("idna").decode().lower()
        port = HTTPS_PORT if parts.port is None else parts.port
    except ValueError:  # UnicodeError is one
        raise InvalidRequest("url cannot be read as a URL.", field="url") from None
    if parts.scheme != "https":
        raise InvalidRequest("url begins with https://; nothing else is fetched.", field="url")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("url has no user name and no password.", field="url")
    if not _HOST.fullmatch(host) or port != HTTPS_PORT:
        raise InvalidRequest(f"url names a server, on port {HTTPS_PORT} alone.", field="url")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    return PictureUrl(host, port, f"{target}?{query}" if query else target)


def is_public(address: str) -> bool:
    """Whether an IP address is of a server on the Internet, and not of a network of ours or of a machine itself."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip not in _INTERNET_IPV6:
        return False
    return ip.is_global and not any(ip in network for network in _REFUSED if network.version == ip.version)


def unreadable_url(reason: str) -> UnreadableUrl:
    """The error for a caller whose URL gave no picture."""
    return UnreadableUrl(f"The picture of this URL could not be fetched: {reason}.", field="url")
