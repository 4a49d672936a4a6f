"""Downloads one large file: what came stays for the next try, and only what was pinned gets its place."""

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

Say = Callable[[str], None]

DOWNLOAD_CHUNK_BYTES = 1024 * 1024
# A server that says nothing for this long is asked again.
SILENCE_SECONDS = 30.0
# How often in a row a download may stop without a single further byte.
DOWNLOAD_ATTEMPTS = 5
RETRY_DELAY_SECONDS = 2.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class FetchError(Exception):
    """A model's file is missing, differs from its pin or could not be fetched."""


class _Unreachable(Exception):
    """This try failed, another may not."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, as model hubs send them to their stores, but never out of https."""

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
    """Fetches files, each to its place, telling of its progress by `say`."""

    def __init__(
        self, say: Say = print, silence_seconds: float = SILENCE_SECONDS, pause_seconds: float = RETRY_DELAY_SECONDS
    ) -> None:
        self._say = say
        self._silence = silence_seconds
        self._pause = pause_seconds
        self._opener = urllib.request.build_opener(_SafeRedirects)

    def __call__(self, file: ModelFile, path: Path) -> ModelFile:
        """Fetch `file` from its URL to `path`, and answer it with its size and digest; raises FetchError.

        What has come so far lies in `.NAME.part` beside it, so that a download that was cut, in this process or in an
        earlier one, goes on from there. Only a file that is whole and has its digest is moved to its place, at once.
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
                target.truncate(0)  # nothing would show that two halves do not fit
            self._fill(file, url, part, target)
            fetched = replace(file, size=part.stat().st_size, sha256=_digest(part))
            if file.sha256 not in (None, fetched.sha256) or file.size not in (None, fetched.size):
                part.unlink()
                raise FetchError(f"{file.name}: {fetched.size} bytes of sha256 {fetched.sha256} are not what is pinned")
            part.chmod(0o644)  # a Lambda runs as another user than the build
            part.replace(path)
        return fetched

    def _fill(self, file: ModelFile, url: str, part: Path, target: IO[bytes]) -> None:
        """Bring the part to its whole length, in as many requests as it takes."""
        failures, progress = 0, _Progress(file, self._say)
        while True:
            before = part.stat().st_size
            try:
                if self._request(file, url, target, before, progress):
                    return
                reason = "the server closed the connection early"
            except _Unreachable as error:
                reason = str(error)
            failures = 0 if part.stat().st_size > before else failures + 1
            if failures >= DOWNLOAD_ATTEMPTS:
                raise FetchError(f"{file.name} could not be fetched from {url}: {reason}")
            self._say(f"{file.name}: {reason}; asking for the rest")
            time.sleep(self._pause * failures)

    def _request(self, file: ModelFile, url: str, target: IO[bytes], have: int, progress: "_Progress") -> bool:
        """Append what one request gives; answers whether the file is whole, as far as the server says."""
        if file.size is not None and have >= file.size:
            return True
        request = urllib.request.Request(url)  # noqa: S310 - see _is_safe
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            with self._opener.open(request, timeout=self._silence) as response:
                if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                    target.truncate(0)
                    have = 0
                whole = have + int(response.headers["Content-Length"]) if response.headers["Content-Length"] else None
                if whole is not None and whole > file.limit:
                    raise FetchError(f"{file.name}: {whole} bytes are announced, {file.limit} are expected at most")
                while chunk := response.read1(DOWNLOAD_CHUNK_BYTES):
                    have += len(chunk)
                    if have > file.limit:
                        raise FetchError(f"{file.name}: more than the {file.limit} bytes that are expected at most")
                    target.write(chunk)
                    progress(have, whole)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                    # More is here than there is to fetch: of a whole file, the digest will tell.
                    return True
                if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code != 429:
                    raise FetchError(f"{file.name}: {url} answered {error.code}") from None
                raise _Unreachable(f"the server answered {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            raise _Unreachable(str(error) or type(error).__name__) from None
        finally:
            target.flush()
        return (whole or file.size or have) == have


class _Progress:
    """A line for each tenth of a file."""

    def __init__(self, file: ModelFile, say: Say) -> None:
        self._file = file
        self._say = say
        self._tenths = 0

    def __call__(self, have: int, whole: int | None) -> None:
        whole = whole or self._file.limit
        if whole > DOWNLOAD_CHUNK_BYTES and have * 10 // whole > self._tenths:
            self._tenths = have * 10 // whole
            self._say(f"{self._file.name}: {have / 1e6:.0f} of {whole / 1e6:.0f} MB")


def _is_safe(url: str) -> bool:
    try:
        parts: Any = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
