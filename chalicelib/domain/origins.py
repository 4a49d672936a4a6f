"""The origins of web pages, and the patterns of them that a token may be bound to.

An origin is a scheme, a host and a port, written as a browser writes them in the header ``Origin``: in lower case, a
host of other letters in its ASCII form, and without the port that the scheme has by default
(https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin).
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import excerpt

ORIGINS_MAX = 20  # that one token is bound to
_PORT_MAX = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_PATTERN = re.compile(rf"(https?)://((?!.{{254}})(?:\*\.{_HOST}\.{_LABEL}|{_HOST}))(?::([0-9]{{1,5}}))?")


def parse_origins(value: object) -> tuple[str, ...] | None:
    """None, or the patterns of one to twenty origins, each once."""
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= ORIGINS_MAX:
        raise InvalidRequest(f"origins is a list of 1 to {ORIGINS_MAX} origins of web pages.", field="origins")
    return tuple(dict.fromkeys(map(parse_origin, value)))


def parse_origin(value: object) -> str:
    """The pattern of an origin: itself, or ``https://*.`` and a domain of two labels or more, for all below it."""
    match = _PATTERN.fullmatch(value.lower()) if isinstance(value, str) else None
    if match is not None:
        scheme, host, port = match[1], match[2], int(match[3] or _DEFAULT_PORTS[match[1]])
        if 1 <= port <= _PORT_MAX:
            return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
    raise InvalidRequest(
        f"'{excerpt(str(value))}' is not the origin of a web page. Write it as a browser does: 'https://shop.example', "
        "'http://localhost:3000', or 'https://*.shop.example' for all hosts below one.",
        field="origins",
    )


def origin_of(url: str) -> str:
    """The origin of a URL that has no other port than it needs."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_origin_of(origin: str, patterns: Collection[str]) -> bool:
    """Whether one of the patterns stands for a request's ``Origin``."""
    return any(_is_matched(origin, pattern) for pattern in patterns)


def _is_matched(origin: str, pattern: str) -> bool:
    scheme, star, domain = pattern.partition("://*")
    if not star:
        return origin == pattern
    if not origin.startswith(f"{scheme}://") or not origin.endswith(domain):
        return False
    return re.fullmatch(_HOST, origin.removeprefix(f"{scheme}://").removesuffix(domain)) is not None
