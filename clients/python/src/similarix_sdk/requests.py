"""Requests and responses as data, and how values become parameters."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, BinaryIO
from urllib.parse import quote
from uuid import uuid4

from similarix_sdk.errors import ConnectionFailed, InvalidAnswer, TimedOut
from similarix_sdk.pictures import Picture, Progress

Parameters = list[tuple[str, str]]


@dataclass(frozen=True)
class FilePart:
    """The file of a form. ``progress`` is told the bytes that are sent, and how many there are."""

    picture: Picture
    progress: Progress | None = None


@dataclass(frozen=True)
class Request:
    """An HTTP request that has not been sent.

    ``target`` is a path of the API, or a URL of another server. ``repeatable`` says whether it may be sent again after
    an error. ``sink`` receives the body of a successful response, piece by piece, from its own beginning. ``redirects``
    says whether it goes where the server sends it: only what has no token does.
    """

    method: str
    target: str
    parameters: Parameters = field(default_factory=list)
    json: Any = None
    form: Mapping[str, str] | None = None
    file: FilePart | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    sink: BinaryIO | None = None
    redirects: bool = False

    @property
    def is_of_the_api(self) -> bool:
        """The token goes to the API alone: neither S3 nor another server may see it."""
        return self.target.startswith("/")

    def keyed(self, key: str | None = None) -> "Request":
        """The same with an idempotency key, so that it may be sent again."""
        return replace(self, headers={**self.headers, "Idempotency-Key": key or str(uuid4())}, repeatable=True)


@dataclass(frozen=True)
class Pause:
    """The seconds to wait before the next step."""

    seconds: float


@dataclass(frozen=True)
class Response:
    """``headers`` have names in lower case; ``body`` is empty where a sink took it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def parsed(self) -> Mapping[str, Any]:
        """The JSON object; raises InvalidAnswer where the body is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            beginning = self.body[:100].decode("utf-8", "replace")
            raise InvalidAnswer(f"The answer with status {self.status} is not the API's: {beginning!r}")
        return value


class ReportingReader(io.RawIOBase):
    """A file that reports how much of it has been read. A form is sent while it is read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file, self._size, self._progress = file, size, progress

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._progress(self._file.tell(), self._size)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def path(template: str, **parts: str) -> str:
    """``/api/files/{uuid}/`` with its parts, of which no character can change the path.

    Raises ValueError for a part that clients remove from a path: https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4
    """
    for name, part in parts.items():
        if part in ("", ".", ".."):
            raise ValueError(f"{part!r} is no {name}.")
    return template.format(**{name: quote(part, safe="") for name, part in parts.items()})


def parameters(**values: Any) -> Parameters:
    """Each value that is not None under its name; each item of a list."""
    return [pair for name, value in values.items() for pair in _flattened(name, value)]


def filter_parameters(filter: Mapping[str, Any] | None) -> Parameters:
    """A filter as the parameters ``size.gte``, ``metadata.NAME`` and so on."""
    return [pair for name, value in (filter or {}).items() for pair in _flattened(name, value)]


def present(**values: Any) -> dict[str, Any]:
    """The values that are not None and not an empty list, as JSON."""
    return {name: to_json(value) for name, value in values.items() if value is not None and value not in ((), [])}


def to_json(value: Any) -> Any:
    """Times as ISO 8601 texts, tuples as lists."""
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [to_json(item) for item in value]
    return value


def failure(error: Exception, is_timeout: bool) -> ConnectionFailed:
    """The error of this package for one of the HTTP client's."""
    said = str(error) or type(error).__name__
    return TimedOut(f"No answer in time: {said}") if is_timeout else ConnectionFailed(f"No answer: {said}")


def _flattened(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flattened(f"{name}.{key}", item)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            yield from _flattened(name, item)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif isinstance(value, (date, datetime)):
        yield name, value.isoformat()
    else:
        yield name, str(value)
