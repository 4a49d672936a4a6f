"""Requests to S3-compatible servers: botocore makes and signs them, and checked connections send them.

botocore asks the handlers of its event ``before-send`` for the response, and sends a request itself only if none has
one: https://botocore.amazonaws.com/v1/documentation/api/latest/topics/events.html. So no request to a customer's server
takes a proxy of the environment, follows a redirect or connects to an address that was not checked.
"""

import http.client
import io
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ConnectionClosedError, ReadTimeoutError

from chalicelib.domain.storage_servers import AccessKey
from chalicelib.domain.web_urls import HTTPS_PORT, NoAllowedAddress, WebUrl

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

RESPONSE_BYTES = 8 * 1024 * 1024  # a listing of a thousand keys of 1,024 bytes, percent-encoded, has half of it
CHUNK_BYTES = 64 * 1024
USER_AGENT = "Similarix"
# A bucket in the path is what every server takes; one before the host needs a certificate and names for each bucket.
# Checksums of AWS's own are left out, because not every server knows them:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
SERVER_CLIENT = ClientConfig(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    retries={"mode": "standard", "total_max_attempts": 2},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
# What makes a small document large when it is parsed; S3's documents have neither, and are in UTF-8.
_DECLARED_ENCODING = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_DOCTYPE = b"<!DOCTYPE"
# Any other document, such as a page that says that the server is busy, would be read as an empty bucket.
_ERROR = b"<Error"
_LISTING, _LISTING_WITHIN = b"<ListBucketResult", 512


class Connections(Protocol):
    """Sends one request, to an address that was checked; ``adapters.web`` has it."""

    def request(
        self, method: str, url: WebUrl, headers: Mapping[str, str], deadline: float, body: bytes | None = None
    ) -> AbstractContextManager[http.client.HTTPResponse]: ...


class AddressRefused(BotoCoreError):
    """Nothing was connected to."""

    fmt = "The name of {endpoint_url} has no address that may be connected to."


class CertificateRefused(BotoCoreError):
    fmt = "The certificate of {endpoint_url} is not valid."


class NoS3Response(BotoCoreError):
    fmt = "{endpoint_url} responds with something else than S3's documents."


class _Body(io.BytesIO):
    """A body that was read whole, as botocore takes it."""

    def stream(self, _: int = CHUNK_BYTES) -> Iterator[bytes]:
        yield self.read()


class ServerRequests:
    """A handler of ``before-send``.

    Args:
        seconds: for one request, its response included.
        deadline: for all of them, on the monotonic clock.
    """

    def __init__(self, connections: Connections, seconds: float, deadline: float | None = None) -> None:
        self._connections = connections
        self._seconds = seconds
        self._deadline = deadline

    def __call__(self, request: AWSPreparedRequest, event_name: str = "", **_: Any) -> AWSResponse:
        deadline = time.monotonic() + self._seconds
        deadline = deadline if self._deadline is None else min(deadline, self._deadline)
        is_document = not event_name.endswith(".GetObject")
        url, endpoint = _url(request.url), {"endpoint_url": "{0.scheme}://{0.netloc}".format(urlsplit(request.url))}
        try:
            with self._connections.request(request.method, url, _headers(request), deadline) as response:
                body = _body(response, deadline, is_document=is_document)
                headers: Any = dict(response.headers.items())
        except NoAllowedAddress as error:
            raise AddressRefused(**endpoint) from error
        except ssl.SSLCertVerificationError as error:
            raise CertificateRefused(**endpoint) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise ReadTimeoutError(**endpoint) from error
            raise ConnectionClosedError(**endpoint) from error
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not (_is_plain(body) and _ERROR in body):
            body = b""  # a page of a proxy, perhaps: botocore then raises an error by the status
        is_listing = event_name.endswith(".ListObjectsV2") and response.status == HTTPStatus.OK
        if is_document and not (_is_plain(body) and (_LISTING in body[:_LISTING_WITHIN] or not is_listing)):
            raise NoS3Response(**endpoint)
        return AWSResponse(request.url, response.status, headers, _Body(body))


def server_client(
    url: str, region: str, key: AccessKey, send: ServerRequests, config: ClientConfig = SERVER_CLIENT
) -> "S3Client":
    """A client of a server, whose requests ``send`` sends."""
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        aws_session_token=None,
        config=config,
    )
    handler: Any = send  # which returns the response, unlike the handlers that its types know
    client.meta.events.register_first("before-send.s3", handler)
    client.meta.events.register_last("before-parameter-build.s3", _forbid_redirect)
    return client


def _forbid_redirect(context: dict[str, Any], **_: object) -> None:
    """Have botocore look for no other region: for a server that redirects everything it would do so without end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _url(text: str) -> WebUrl:
    """The parts of a URL as it was signed; nothing in it is written otherwise."""
    parts = urlsplit(text)
    has_tls = parts.scheme == "https"
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return WebUrl(parts.hostname or "", parts.port or (HTTPS_PORT if has_tls else 80), target, has_tls)


def _headers(request: AWSPreparedRequest) -> dict[str, str]:
    signed = {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    # A proxy may change these two, so a signature leaves them out.
    return signed | {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"}


def _body(response: http.client.HTTPResponse, deadline: float, *, is_document: bool) -> bytes:
    """The whole body; raises HTTPException for one that is too large or was cut off.

    Of an object no more than its beginning is asked for, and no more is read where a server sends all of it.
    """
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read(CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > RESPONSE_BYTES and not is_document:
            return b"".join(chunks)
        if size > RESPONSE_BYTES:
            raise http.client.HTTPException("the response is too large")
    if response.length or time.monotonic() >= deadline:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(chunks)


def _is_plain(body: bytes) -> bool:
    """Whether an XML document can do no harm: it declares no entities, and hides no declaration in another encoding."""
    match = _DECLARED_ENCODING.match(body)
    is_utf_8 = match is None or match[1].lower() in (b"utf-8", b"us-ascii", b"ascii")
    return is_utf_8 and b"\0" not in body and _DOCTYPE not in body
