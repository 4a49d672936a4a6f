"""The fields of queries and forms, read leniently: a browser sends what a page has, and old links have old fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from chalice.app import Request
from multipart import MultipartError, parse_options_header

from chalicelib.api.requests.forms import multipart_parts
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import check_storable

FIELDS_LIMIT = 1_000  # a selection of pictures has many
FIELD_BYTES = 8_192
PARTS_LIMIT = 64


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form, and the name that the browser gives it."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values in their order, and files by the name of their field."""

    pairs: Sequence[tuple[str, str]] = ()
    files: Mapping[str, FormFile] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """The first value of a field."""
        return next((value for key, value in self.pairs if key == name), None)

    def text(self, name: str) -> str:
        """The first value of a field without spaces around it; empty if it is missing."""
        return (self.get(name) or "").strip()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)

    def as_query(self) -> str:
        """The fields as a URL's query, with its question mark; empty without fields."""
        return f"?{urlencode(list(self.pairs))}" if self.pairs else ""


def query_fields(request: Request) -> Fields:
    """The fields of the URL's query; raises InvalidRequest for one that cannot be stored."""
    query = request.query_params
    if query is None:
        return Fields()
    return _checked([(name, value) for name in query for value in query.getlist(name)])


def form_fields(request: Request) -> Fields:
    """The fields and files of a form as a browser encodes it, or none where the request has no body.

    Raises:
        InvalidRequest: the body is no such form.
    """
    raw = request.raw_body
    body = raw if isinstance(raw, bytes) else raw.encode()
    if not body:
        return Fields()
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    if content_type == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_LIMIT)
        except ValueError:
            raise InvalidRequest("The form could not be read.") from None
        return _checked(pairs)
    boundary = options.get("boundary", "")
    if content_type != "multipart/form-data" or not boundary or not boundary.isascii():
        return Fields()
    return _multipart(body, boundary)


def _multipart(body: bytes, boundary: str) -> Fields:
    try:
        parts = multipart_parts(body, boundary, PARTS_LIMIT)
    except MultipartError:
        raise InvalidRequest("The form could not be read.") from None
    pairs: list[tuple[str, str]] = []
    files: dict[str, FormFile] = {}
    for part in parts:
        name = part.name or ""
        if part.filename is not None:
            if part.size:  # a file field that was left empty has no bytes
                files.setdefault(check_storable(name, None), FormFile(part.filename, part.raw))
            continue
        try:
            pairs.append((name, part.raw.decode()))
        except UnicodeDecodeError:
            raise InvalidRequest("Send the fields of a form in UTF-8.") from None
    return Fields(_checked(pairs).pairs, files)


def _checked(pairs: Sequence[tuple[str, str]]) -> Fields:
    for name, value in pairs:
        check_storable(name, None)
        check_storable(value, name)
        if len(value.encode()) > FIELD_BYTES:
            raise InvalidRequest(f"A field has at most {FIELD_BYTES:,} bytes.", field=name[:100])
    return Fields(tuple(pairs))
