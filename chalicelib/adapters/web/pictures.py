"""Fetches pictures from the Web by HTTPS, from addresses of the Internet alone.

Each redirect is a new URL with a new check. The deadline is of the whole, redirects included.
"""

import http.client
import ssl
import time
from urllib.parse import urljoin

from chalicelib.adapters.web.connections import USER_AGENT, CheckedConnections
from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from chalicelib.domain.image_files import has_picture_signature
from chalicelib.domain.uploads import UPLOAD_LIMIT
from chalicelib.domain.web_pictures import (
    FETCH_SECONDS,
    REDIRECTS_MAX,
    PictureUrl,
    WebPicture,
    parse_picture_url,
    unreadable_url,
)
from chalicelib.domain.web_urls import NoAllowedAddress

CHUNK_BYTES = 64 * 1024
SIGNATURE_BYTES = 32
REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}


class HTTPSPictures:
    """Args:
    connections: to public addresses alone, if there are none.
    seconds: for the whole, redirects included.
    """

    def __init__(self, connections: CheckedConnections | None = None, seconds: float = FETCH_SECONDS) -> None:
        self._connections = connections or CheckedConnections()
        self._seconds = seconds

    def fetch(self, url: PictureUrl) -> WebPicture:
        deadline = time.monotonic() + self._seconds
        try:
            for _ in range(REDIRECTS_MAX + 1):
                with self._connections.request("GET", url, _HEADERS, deadline) as response:
                    if response.status not in REDIRECTS:
                        return WebPicture(_picture(response, deadline), url)
                    url = _redirected(url, response.getheader("Location"))
        except NoAllowedAddress as error:
            raise unreadable_url("the name of its server has no public address") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise unreadable_url(f"it took longer than {self._seconds:g} seconds") from error
            if isinstance(error, ssl.SSLCertVerificationError):
                raise unreadable_url("the certificate of its server is not valid") from error
            raise unreadable_url("its server does not answer as a server of HTTPS does") from error
        raise unreadable_url(f"it was redirected more than {REDIRECTS_MAX} times")


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
