"""An S3-compatible server in memory, which a client reaches through its connections; it has the habits of bad ones."""

import hashlib
import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from chalicelib.domain.web_urls import WebUrl

MODIFIED, LISTED_MODIFIED = "Sat, 07 Jun 2025 08:09:10 GMT", "2025-06-07T08:09:10.500Z"


@dataclass
class FakeS3Server:
    """Objects of one bucket by key.

    A test may set ``order``, by which keys are listed; ``ignores`` of ``prefix``, ``start-after`` and ``max-keys``;
    ``etag_of``, what the ETag of a body is, in a listing or not; ``error``, a code and a status, with which everything
    is answered; ``raises``, what every request raises; ``body``, which replaces every document, with
    ``body_status``; and ``denied`` keys.
    ``tells_times``, whether it says when an object was stored. ``requests`` has the targets that were asked for.
    """

    bucket: str = "a-bucket"
    objects: dict[str, bytes] = field(default_factory=dict)
    order: Callable[[str], Any] = str.encode
    ignores: set[str] = field(default_factory=set)
    etag_of: Callable[[bytes, bool], str] = lambda body, _: hashlib.md5(body, usedforsecurity=False).hexdigest()
    error: tuple[str, int] | None = None
    raises: Exception | None = None
    body: bytes | None = None
    body_status: int = 200
    denied: set[str] = field(default_factory=set)
    always_truncated: bool = False
    tells_times: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def request(
        self, method: str, url: WebUrl, headers: Mapping[str, str], deadline: float, body: bytes | None = None
    ) -> Iterator[Any]:
        assert body is None and deadline > 0 and "Authorization" in headers
        self.requests.append((method, url.target))
        if self.raises is not None:
            raise self.raises
        yield self._answer(method, url.target, headers)

    def _answer(self, method: str, target: str, headers: Mapping[str, str]) -> "_Response":
        parts = urlsplit(target)
        _, bucket, key = [*unquote(parts.path).split("/", 2), ""][:3]
        if self.error is not None:
            return self._failure(method, *self.error)
        if self.body is not None:
            return _Response(self.body_status, {}, self.body)
        if bucket != self.bucket:
            return self._failure(method, "NoSuchBucket", 404)
        if not key:
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            return _Response(200, {"Content-Type": "application/xml"}, self._listing(query))
        if key in self.denied:
            return self._failure(method, "AccessDenied", 403)
        if key not in self.objects:
            return self._failure(method, "NoSuchKey", 404)
        content = self.objects[key]
        described = {"ETag": f'"{self.etag_of(content, False)}"'} | (
            {"Last-Modified": MODIFIED} if self.tells_times else {}
        )
        described["Content-Length"] = str(len(content))
        return _Response(200, described, b"" if method == "HEAD" else content)

    def _listing(self, query: Mapping[str, str]) -> bytes:
        assert query["list-type"] == "2"
        prefix = "" if "prefix" in self.ignores else query.get("prefix", "")
        after = "" if "start-after" in self.ignores else query.get("start-after", "")
        limit = 1000 if "max-keys" in self.ignores else int(query.get("max-keys", "1000"))
        keys = sorted((key for key in self.objects if key.startswith(prefix)), key=self.order)
        keys = [key for key in keys if not after or self.order(key) > self.order(after)]
        shown = keys[:limit]
        listed_time = f"<LastModified>{LISTED_MODIFIED}</LastModified>" if self.tells_times else ""
        contents = "".join(
            f"<Contents><Key>{quote(key, safe='/')}</Key>{listed_time}"
            f"<ETag>&quot;{escape(self.etag_of(self.objects[key], True))}&quot;</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in shown
        )
        truncated = str(self.always_truncated or len(keys) > len(shown)).lower()
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>"
        ).encode()

    def _failure(self, method: str, code: str, status: int) -> "_Response":
        document = f"<Error><Code>{code}</Code><Message>a secret of the server</Message></Error>".encode()
        return _Response(status, {"Content-Type": "application/xml"}, b"" if method == "HEAD" else document)


class _Response:
    """As much of an ``http.client.HTTPResponse`` as is read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = http.client.HTTPMessage()
        for name, value in headers.items():
            Message.add_header(self.headers, name, value)
        self.length = 0
        self._body = BytesIO(body)

    def read(self, size: int) -> bytes:
        return self._body.read(size)
