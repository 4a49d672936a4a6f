"""S3-compatible servers: where a bucket is that is not on AWS, and the access key that reads it.

Such a bucket sends no events, and what its server's ETags say is measured, because each kind of server has its own.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.web_urls import HTTPS_PORT, is_loopback

ENDPOINT_LIMIT = 300  # characters; a name has 253 at most
DEFAULT_REGION = "us-east-1"  # which servers without regions expect in a signature
FIRST_FREE_PORT = 1024  # below it are ports of other protocols
# Patterns are in what Python's regular expressions and JavaScript's have in common: the OpenAPI document has them too.
ENDPOINT_PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]://[^\u0000- \u007f/?#@\\]+/?$"
SERVER_REGION_PATTERN = "[a-z0-9][a-z0-9-]{0,62}"
# A signature has the identifier between slashes and before a comma:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
ACCESS_KEY_ID_PATTERN = "[A-Za-z0-9._~+=@:-]{3,128}"
SECRET_ACCESS_KEY_PATTERN = "[!-~]{8,256}"  # noqa: S105  # a pattern
_REGION, _ACCESS_KEY_ID = re.compile(SERVER_REGION_PATTERN), re.compile(ACCESS_KEY_ID_PATTERN)
_SECRET_ACCESS_KEY = re.compile(SECRET_ACCESS_KEY_PATTERN)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"({_LABEL}\.)+(?=[a-z]){_LABEL}", re.ASCII)  # a name, and no address
_OF_AWS = re.compile(r"(.*\.)?amazonaws\.(com|com\.cn|eu)")


class ETagMeaning(StrEnum):
    """What a server's ETags say of an object, as it was measured by the first objects that were there.

    ``OPAQUE``: the same in a listing and in a HEAD, whatever it is. ``NONE``: not the same, so that objects are
    compared by size and time. ``UNMEASURED``: there were no objects yet; objects are compared as with ``NONE``.
    """

    OPAQUE = "opaque"
    NONE = "none"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of a server, as its owner gives it."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerDescription:
    """A server to connect a bucket of; ``access_key`` is None before it is named."""

    url: str
    access_key: AccessKey | None


@dataclass(frozen=True, slots=True)
class StorageServer:
    """The server that a connected bucket is on, and the key that reads it.

    Args:
        url: scheme, host and port, without a slash at the end.
        sealed_secret: the secret of the access key, encrypted for this collection alone.
        etags: as far as it is known.
    """

    url: str
    access_key_id: str
    sealed_secret: bytes = field(repr=False)
    etags: ETagMeaning = ETagMeaning.UNMEASURED

    @property
    def host(self) -> str:
        """The host and its port, as people name the server."""
        return self.url.partition("://")[2]


def parse_endpoint(value: object, *, is_local: bool) -> str:
    """The URL of a server: HTTPS, a name, and perhaps a port; in its canonical form.

    Whether the name leads to a public address is checked with each connection.

    Args:
        is_local: a server of this machine may be named, too, by HTTP.

    Raises:
        InvalidRequest: it is anything else.
    """
    if not isinstance(value, str) or not value or len(value) > ENDPOINT_LIMIT or _UNSAFE.search(value):
        raise _wrong(f"endpoint is a URL of at most {ENDPOINT_LIMIT} characters without spaces.")
    try:
        parts = urlsplit(value)
        host, port = (parts.hostname or "").encode("idna").decode().lower(), parts.port
    except ValueError:  # UnicodeError is one
        raise _wrong("endpoint cannot be read as a URL.") from None
    is_of_machine = is_local and (host == "localhost" or is_loopback(host))
    if parts.scheme != "https" and not (parts.scheme == "http" and is_of_machine):
        raise _wrong("endpoint begins with https://; nothing else is asked.")
    if parts.username is not None or parts.password is not None:
        raise _wrong("endpoint has no user name and no password: give the access key by its own fields.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _wrong("endpoint is the server alone, as 'https://s3.example.com'. The bucket has a field of its own.")
    if _OF_AWS.fullmatch(host):
        raise _wrong("A bucket on AWS is read by a role. Leave endpoint and access key out, and name role_arn.")
    if not is_of_machine and not _HOST.fullmatch(host):
        raise _wrong("endpoint names a server, as 'https://s3.example.com'.")
    default = HTTPS_PORT if parts.scheme == "https" else 80
    if port not in (None, default) and not (FIRST_FREE_PORT <= port <= 65535):
        raise _wrong(f"The port of endpoint is {HTTPS_PORT}, or from {FIRST_FREE_PORT:,} on.")
    return f"{parts.scheme}://{host}" + ("" if port in (None, default) else f":{port}")


def parse_server_region(value: object) -> str:
    """The region that requests are signed for; servers without regions expect the default."""
    if value is None:
        return DEFAULT_REGION
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise InvalidRequest(
            "Name the region as the server does, such as 'auto' or 'eu-central-003', or leave it out.",
            field="region",
        )
    return value


def parse_access_key(identifier: object, secret: object) -> AccessKey:
    """Raises InvalidRequest, which never repeats what was given."""
    if not isinstance(identifier, str) or not _ACCESS_KEY_ID.fullmatch(identifier):
        raise InvalidRequest(
            "access_key_id is the identifier of the access key: 3 to 128 letters, digits and '._~+=@:-'.",
            field="access_key_id",
        )
    if not isinstance(secret, str) or not _SECRET_ACCESS_KEY.fullmatch(secret):
        raise InvalidRequest(
            "secret_access_key is the secret of the access key: 8 to 256 characters of ASCII without spaces.",
            field="secret_access_key",
        )
    return AccessKey(identifier, secret)


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="endpoint")
