"""Fetches pictures from presigned URLs and stores thumbnails at them, with the standard library alone."""

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from functools import cached_property
from typing import IO, Any
from urllib.parse import urlsplit

from embedder_container.errors import Code, ItemError

# A store that says nothing for this long will not answer in time to matter.
SILENCE_SECONDS = 10.0
# A whole transfer: 25 MiB at half a megabyte per second.
TRANSFER_SECONDS = 50.0
TRANSFER_CHUNK_BYTES = 256 * 1024
# S3's hosts, with or without the bucket's name: https://docs.aws.amazon.com/general/latest/gr/s3.html
STORE_HOSTS = re.compile(
    r"(?:[a-z0-9-]+\.)*s3(?:-accelerate|-fips)?(?:[.-]dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-[0-9]+)?\.amazonaws\.com(?:\.cn)?"
)

# In the XML of S3's refusals; KMS's own codes come with its name before them.
ERROR_CODE = re.compile(r"<Code>([A-Za-z.]{1,64})</Code>")
KEY_REFUSALS = (
    "KMS.DisabledException",
    "KMS.InvalidKeyUsageException",
    "KMS.KMSInvalidStateException",
    "KMS.NotFoundException",
)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A presigned URL is for one host: where a redirect leads was signed by nobody."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Transfers:
    """Downloads from S3 and uploads to it, by HTTPS, or to `endpoint`, the local stand-in for AWS, where there is one.

    A URL comes from our own worker; that it leads nowhere else is checked all the same, so that whoever can make the
    worker sign or send something of theirs still cannot have this process fetch from where they cannot reach.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        transfer_seconds: float = TRANSFER_SECONDS,
    ) -> None:
        self._endpoint = (urlsplit(endpoint).netloc.lower() or None) if endpoint else None
        self._silence = silence_seconds
        self._whole = transfer_seconds

    def download(self, url: str, limit: int, too_large: ItemError) -> bytes:
        """The bytes behind a URL; raises ItemError (`source_…`), or `too_large` once more than `limit` are known."""
        self._check(url)
        deadline = time.monotonic() + self._whole
        try:
            with self._open(urllib.request.Request(url)) as response:  # noqa: S310 - see _check
                announced = int(response.headers.get("Content-Length") or -1)
                if announced > limit:
                    raise too_large
                chunks: list[bytes] = []
                received = 0
                # read1() returns what has come; read() would wait for the whole chunk, however slowly it drips.
                while chunk := response.read1(TRANSFER_CHUNK_BYTES):
                    received += len(chunk)
                    if received > limit:
                        raise too_large
                    if time.monotonic() > deadline:
                        raise _unavailable(f"the source took longer than {self._whole:g} s")
                    chunks.append(chunk)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, _excerpt(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unavailable(f"the source could not be read: {_reason(error)}") from None
        if 0 <= announced != received:
            raise _unavailable(f"the source sent {received} of {announced} bytes")
        return b"".join(chunks)

    def upload(self, url: str, jpeg: bytes) -> None:
        """Store a thumbnail; raises ItemError (`thumbnail_failed`)."""
        self._check(url)
        # The type is part of what the URL's signature covers.
        headers = {"Content-Type": "image/jpeg"}
        request = urllib.request.Request(url, data=jpeg, method="PUT", headers=headers)  # noqa: S310 - see _check
        try:
            with self._open(request):
                pass
        except urllib.error.HTTPError as error:
            with error:
                raise ItemError(Code.THUMBNAIL_FAILED, f"the thumbnail's store answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ItemError(Code.THUMBNAIL_FAILED, f"the thumbnail could not be stored: {_reason(error)}") from None

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        response: http.client.HTTPResponse = self._opener.open(request, timeout=self._silence)
        return response

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        """Made at the first transfer, for all: reading the machine's certificates takes tens of milliseconds.

        It knows no proxy: the store is reached directly or not at all.
        """
        return urllib.request.build_opener(
            _NoRedirects,
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        )

    def _check(self, url: str) -> None:
        if not self._may_use(url):
            raise ItemError(Code.SOURCE_DENIED, "the URL is refused: only S3's own are fetched, by https")

    def _may_use(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        # A bucket may stand in the host's name: bucket.localhost:4566 belongs to localhost:4566.
        host = parts.netloc.lower()
        if self._endpoint is not None and (host == self._endpoint or host.endswith("." + self._endpoint)):
            return parts.scheme in ("http", "https") and "@" not in host
        is_store = STORE_HOSTS.fullmatch(parts.hostname or "") is not None
        return parts.scheme == "https" and is_store and port in (None, 443) and "@" not in host


def _refused(status: int, excerpt: str) -> ItemError:
    """What an answer other than 200 means, by its status and the code in S3's XML.

    S3 answers an expired URL with 403 too, and a fresh URL mends that. That the object's key is disabled or gone it
    answers with 400, as it does much that passes.
    """
    found = ERROR_CODE.search(excerpt)
    code = found.group(1) if found else ""
    if status in (404, 410):
        return ItemError(Code.SOURCE_NOT_FOUND, "the source does not exist")
    if code == "InvalidObjectState":
        return ItemError(Code.ARCHIVED, "the source is in an archive and must be restored first")
    if status == 400 and code in KEY_REFUSALS:
        return ItemError(Code.SOURCE_DENIED, f"the source cannot be decrypted: {code}")
    if status in (401, 403) and "expired" not in excerpt.lower():
        return ItemError(Code.SOURCE_DENIED, f"the source answered {status}: access denied")
    if 300 <= status < 400:
        return _unavailable(f"the source answered {status}: redirects are not followed")
    return _unavailable(f"the source answered {status}")


def _unavailable(message: str) -> ItemError:
    return ItemError(Code.SOURCE_UNAVAILABLE, message)


def _excerpt(error: IO[bytes]) -> str:
    try:
        return error.read(2048).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _reason(error: Exception) -> str:
    """The kind of failure, without the URL that some exceptions repeat."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return "timed out" if isinstance(inner, TimeoutError) else type(inner).__name__
