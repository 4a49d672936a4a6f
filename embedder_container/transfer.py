"""Downloads files from presigned URLs and uploads thumbnails to them, with the standard library alone."""

import http
import http.client
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO
from urllib.parse import urlsplit

from embedder_container.connections import Connections
from embedder_container.errors import Code, ItemError
from embedder_container.servers import AddressRefused, Servers

# If the store sends nothing for this long, it will not reply before the function's time is over.
STORE_READ_TIMEOUT_SECONDS = 10.0
# A whole transfer: 25 MiB at half a megabyte per second.
TRANSFER_SECONDS = 50.0
TRANSFER_CHUNK_BYTES = 256 * 1024
# What is read of a file before its kind is known: enough for every format's signature, and for many whole pictures.
START_BYTES = 128 * 1024
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")
# S3's hosts, with or without the bucket's name: https://docs.aws.amazon.com/general/latest/gr/s3.html
S3_HOST = re.compile(
    r"(?:[a-z0-9-]+\.)*s3(?:-accelerate|-fips)?(?:[.-]dualstack)?(?:[.-][a-z]{2,4}(?:-[a-z]+)+-[0-9]+)?"
    r"\.amazonaws\.(?:com(?:\.cn)?|eu)"
)

# In the XML of S3's error responses; the codes of KMS have its name before them.
S3_ERROR_CODE = re.compile(r"<Code>([A-Za-z.]{1,64})</Code>")
KMS_KEY_ERRORS = (
    "KMS.DisabledException",
    "KMS.InvalidKeyUsageException",
    "KMS.KMSInvalidStateException",
    "KMS.NotFoundException",
)
ERROR_BODY_BYTES = 2048


class Transfers:
    """Downloads from S3 and uploads to it, by HTTPS, or to `endpoint`, the local stand-in for AWS in local runs.

    It downloads from customers' own servers, too, which `servers` asks. Nothing is uploaded there.

    URLs come from our own worker. They are checked all the same: an attacker who makes the worker sign or send a URL of
    theirs must not make this process fetch from a host that they cannot reach. No redirect is followed: a presigned URL
    is signed for one host, and the redirect's target is not signed.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        read_timeout_seconds: float = STORE_READ_TIMEOUT_SECONDS,
        transfer_seconds: float = TRANSFER_SECONDS,
        servers: Servers | None = None,
    ) -> None:
        self._servers = servers or Servers()
        self._endpoint = (urlsplit(endpoint).netloc.lower() or None) if endpoint else None
        self._connections = Connections(read_timeout_seconds)
        self._read_timeout = read_timeout_seconds
        self._transfer_seconds = transfer_seconds

    def download(
        self,
        url: str,
        max_bytes: int,
        too_large: ItemError,
        refuse_start: Callable[[bytes], None] = lambda _: None,
        deadline: float = math.inf,
    ) -> bytes:
        """Return the bytes behind a URL: its first ones by a request of their own, then the rest if there is one.

        Args:
            refuse_start: raises ItemError for a file whose first bytes say that the rest is of no use.
            deadline: on the monotonic clock; the source is `source_unavailable` then.

        Raises:
            ItemError: `source_…`; what `refuse_start` raises; or `too_large` as soon as the file is known to have more
                than `max_bytes`.
        """
        if not self._is_store(url) and not self._servers.may_ask(url):
            raise ItemError(Code.SOURCE_DENIED, "the URL is refused: it is neither S3's nor a server's by https")
        deadline = min(deadline, time.monotonic() + self._transfer_seconds)
        try:
            start, total, etag = self._read_start(url, max_bytes, too_large, deadline)
            refuse_start(start)
            if total is None or len(start) == total:
                return start
            # The rest of the same object: it may be overwritten between the two requests.
            condition = {"If-Match": etag} if etag else {}
            with self._opened(
                "GET", url, {"Range": f"bytes={len(start)}-", **condition}, deadline=deadline
            ) as response:
                # Not every server heeds the condition.
                if _sent_part(response) != (len(start), total) or response.headers.get("ETag") != etag:
                    raise _unavailable("the source sent something else than the rest")
                rest = self._read(response, max_bytes - len(start), too_large, deadline)
        except _Refused as error:
            raise _http_failure(error.status, error.body) from None
        except AddressRefused:
            raise ItemError(Code.SOURCE_DENIED, "the source's server has no public address") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unavailable(f"the source could not be read: {_reason(error)}") from None
        if len(start) + len(rest) != total:
            raise _unavailable(f"the source sent {len(start) + len(rest)} of {total} bytes")
        return start + rest

    def _read_start(
        self, url: str, max_bytes: int, too_large: ItemError, deadline: float
    ) -> tuple[bytes, int | None, str | None]:
        """Return the first bytes, and the object's size and ETag; all bytes and None if it was sent whole."""
        try:
            with self._opened("GET", url, {"Range": f"bytes=0-{START_BYTES - 1}"}, deadline=deadline) as response:
                part = _sent_part(response)
                if part is None:
                    return self._read(response, max_bytes, too_large, deadline), None, None
                first, total = part
                if first:
                    raise _unavailable("the source sent something else than the start")
                if total > max_bytes:
                    raise too_large
                return self._read(response, max_bytes, too_large, deadline), total, response.headers.get("ETag")
        except _Refused as error:
            if error.status != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return b"", None, None  # an empty object has no first byte

    def _read(self, response: http.client.HTTPResponse, max_bytes: int, too_large: ItemError, deadline: float) -> bytes:
        """Return a response's body; raises ItemError if it is too large, takes too long or is cut off."""
        announced = int(response.headers.get("Content-Length") or -1)
        if announced > max_bytes:
            raise too_large
        chunks: list[bytes] = []
        received = 0
        # read1() returns the bytes that have arrived; read() would wait for the whole chunk, however slow.
        while chunk := response.read1(TRANSFER_CHUNK_BYTES):
            received += len(chunk)
            if received > max_bytes:
                raise too_large
            if time.monotonic() > deadline:
                raise _unavailable(f"the source took longer than {self._transfer_seconds:g} s")
            chunks.append(chunk)
        if 0 <= announced != received:
            raise _unavailable(f"the source sent {received} of {announced} bytes")
        return b"".join(chunks)

    def upload(self, url: str, thumbnail: bytes) -> None:
        """Upload a thumbnail; raises ItemError (`thumbnail_failed`)."""
        if not self._is_store(url):
            raise ItemError(Code.SOURCE_DENIED, "the URL is refused: thumbnails go to S3 alone, by https")
        # The URL's signature covers the type.
        headers = {"Content-Type": "image/jpeg"}
        try:
            with self._opened("PUT", url, headers, thumbnail):
                pass
        except _Refused as error:
            raise ItemError(Code.THUMBNAIL_FAILED, f"the thumbnail's store returned status {error.status}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ItemError(Code.THUMBNAIL_FAILED, f"the thumbnail could not be stored: {_reason(error)}") from None

    @contextmanager
    def _opened(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        deadline: float = math.inf,
    ) -> Iterator[http.client.HTTPResponse]:
        """The response to a request that succeeded; raises _Refused for any other.

        Args:
            deadline: of what a customer's server sends, on the monotonic clock.
        """
        if self._is_store(url):
            opened = self._connections.response(method, url, headers, body)
        else:
            opened = self._servers.response(url, headers, self._read_timeout, deadline)
        with opened as response:
            if not http.HTTPStatus.OK <= response.status < http.HTTPStatus.MULTIPLE_CHOICES:
                raise _Refused(response.status, _body_start(response))
            yield response

    def _is_store(self, url: str) -> bool:
        """Whether the URL is S3's own, or the local stand-in's."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        # A bucket may be part of the host's name: bucket.localhost:4566 belongs to localhost:4566.
        host = parts.netloc.lower()
        if self._endpoint is not None and (host == self._endpoint or host.endswith("." + self._endpoint)):
            return parts.scheme in ("http", "https") and "@" not in host
        is_s3 = S3_HOST.fullmatch(parts.hostname or "") is not None
        return parts.scheme == "https" and is_s3 and port in (None, 443) and "@" not in host


class _Refused(Exception):
    """The store has not done what it was asked; ``body`` is the beginning of what it says."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def _sent_part(response: http.client.HTTPResponse) -> tuple[int, int] | None:
    """Return where the sent part begins and the size of the whole; None if the whole is sent.

    By the header, not by the status: there are servers that send a part with 200.
    """
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return (int(match.group(1)), int(match.group(2))) if match else None


def _http_failure(status: int, body: str) -> ItemError:
    """Return the error that a response other than 200 stands for, by its status and the code in S3's XML.

    S3 sends 403 for an expired URL too, and a fresh URL helps then. It sends 400 if the object's key is disabled or
    deleted, as it does for many transient conditions.
    """
    match = S3_ERROR_CODE.search(body)
    code = match.group(1) if match else ""
    if status in (404, 410):
        return ItemError(Code.SOURCE_NOT_FOUND, "the source does not exist")
    if code == "InvalidObjectState":
        return ItemError(Code.ARCHIVED, "the source is in an archive and must be restored first")
    if status == 400 and code in KMS_KEY_ERRORS:
        return ItemError(Code.SOURCE_DENIED, f"the source cannot be decrypted: {code}")
    if status in (401, 403) and "expired" not in body.lower():
        return ItemError(Code.SOURCE_DENIED, f"the source returned status {status}: access denied")
    if 300 <= status < 400:
        return _unavailable(f"the source returned status {status}: redirects are not followed")
    return _unavailable(f"the source returned status {status}")


def _unavailable(message: str) -> ItemError:
    return ItemError(Code.SOURCE_UNAVAILABLE, message)


def _body_start(response: IO[bytes]) -> str:
    try:
        return response.read(ERROR_BODY_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _reason(error: Exception) -> str:
    """Return the kind of failure, without the URL that some exceptions repeat."""
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__
