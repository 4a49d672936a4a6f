"""Downloads one large file: an interrupted download resumes, and only a file that matches its pin gets into place."""

import fcntl
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from embedder_container.models import ModelFile

Report = Callable[[str], None]

DOWNLOAD_CHUNK_BYTES = 1024 * 1024
# A request is repeated when the server sends nothing for this long.
DOWNLOAD_READ_TIMEOUT_SECONDS = 30.0
# The download fails after this many requests in a row that brought no further byte.
DOWNLOAD_ATTEMPTS = 5
DOWNLOAD_RETRY_SECONDS = 2.0
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class FetchError(Exception):
    """A model's file is missing, differs from its pin or could not be fetched."""


class _RetryableFailure(Exception):
    """This request failed; the next one may succeed."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, which model hubs use to point to their stores, but never from https to anything else."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _is_safe(newurl) or (req.full_url.startswith("https:") and not newurl.startswith("https:")):
            raise FetchError(f"redirected to {urlsplit(newurl).netloc}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Download:
    """Downloads files to their paths and reports the progress."""

    def __init__(
        self,
        report: Report = print,
        read_timeout_seconds: float = DOWNLOAD_READ_TIMEOUT_SECONDS,
        retry_seconds: float = DOWNLOAD_RETRY_SECONDS,
    ) -> None:
        self._report = report
        self._read_timeout = read_timeout_seconds
        self._retry_seconds = retry_seconds
        self._opener = urllib.request.build_opener(_SafeRedirects)

    def __call__(self, file: ModelFile, path: Path) -> ModelFile:
        """Download `file` from its URL to `path`, and return it with its size and digest; raises FetchError.

        The bytes received so far are in `.NAME.part` beside it, so that an interrupted download resumes, in this
        process or in a later one. Only a file that is complete and has its digest is moved into place, atomically.
        """
        url = file.url or ""
        if not _is_safe(url):
            raise FetchError(f"{file.name}: only https is fetched (and http from this machine)")
        part = path.with_name(f".{file.name}.part")
        with part.open("ab") as target:
            try:
                fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FetchError(f"{file.name} is being fetched by another process") from None
            if file.sha256 is None:
                target.truncate(0)  # without a digest, nothing shows whether an old part and a new rest belong together
            self._fill(file, url, part, target)
            fetched = replace(file, size=part.stat().st_size, sha256=sha256_of(part))
            if file.sha256 not in (None, fetched.sha256) or file.size not in (None, fetched.size):
                part.unlink()
                raise FetchError(f"{file.name}: {fetched.size} bytes of sha256 {fetched.sha256} are not what is pinned")
            part.chmod(0o644)  # a Lambda runs as another user than the build
            part.replace(path)
        return fetched

    def _fill(self, file: ModelFile, url: str, part: Path, target: IO[bytes]) -> None:
        """Complete the part, in as many requests as it takes."""
        failures, progress = 0, _Progress(file, self._report)
        while True:
            size_before = part.stat().st_size
            try:
                if self._request(file, url, target, size_before, progress):
                    return
                reason = "the server closed the connection early"
            except _RetryableFailure as error:
                reason = str(error)
            failures = 0 if part.stat().st_size > size_before else failures + 1
            if failures >= DOWNLOAD_ATTEMPTS:
                raise FetchError(f"{file.name} could not be fetched from {url}: {reason}")
            self._report(f"{file.name}: {reason}; asking for the rest")
            time.sleep(self._retry_seconds * failures)

    def _request(self, file: ModelFile, url: str, target: IO[bytes], received: int, progress: "_Progress") -> bool:
        """Append the body of one request; returns whether the file is complete according to the server."""
        if file.size is not None and received >= file.size:
            return True
        request = urllib.request.Request(url)  # noqa: S310 - see _is_safe
        if received:
            request.add_header("Range", f"bytes={received}-")
        try:
            with self._opener.open(request, timeout=self._read_timeout) as response:
                if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                    target.truncate(0)
                    received = 0
                length = response.headers["Content-Length"]
                total = received + int(length) if length else None
                if total is not None and total > file.limit:
                    raise FetchError(f"{file.name}: {total} bytes are announced, {file.limit} are expected at most")
                while chunk := response.read1(DOWNLOAD_CHUNK_BYTES):
                    received += len(chunk)
                    if received > file.limit:
                        raise FetchError(f"{file.name}: more than the {file.limit} bytes that are expected at most")
                    target.write(chunk)
                    progress(received, total)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and received:
                    # The part is at least as long as the file: the digest decides whether it is the file.
                    return True
                if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code != 429:
                    raise FetchError(f"{file.name}: {url} returned status {error.code}") from None
                raise _RetryableFailure(f"the server returned status {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            raise _RetryableFailure(str(error) or type(error).__name__) from None
        finally:
            target.flush()
        return (total or file.size or received) == received


class _Progress:
    """Reports a line for each tenth of a file."""

    def __init__(self, file: ModelFile, report: Report) -> None:
        self._file = file
        self._report = report
        self._reported_tenths = 0

    def __call__(self, received: int, total: int | None) -> None:
        total = total or self._file.limit
        if total > DOWNLOAD_CHUNK_BYTES and received * 10 // total > self._reported_tenths:
            self._reported_tenths = received * 10 // total
            self._report(f"{self._file.name}: {received / 1e6:.0f} of {total / 1e6:.0f} MB")


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_safe(url: str) -> bool:
    try:
        parts: Any = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
