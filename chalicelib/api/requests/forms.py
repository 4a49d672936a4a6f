"""Parses multipart forms that upload one file."""

from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from chalice.app import Request
from multipart import MultipartError, MultipartParser, MultipartPart, ParserLimitReached, parse_options_header

from chalicelib.api.requests.file_names import file_name
from chalicelib.api.requests.names import check_name, without_index
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import check_storable, excerpt

FORM_PARTS_LIMIT = 32
FIELD_LIMIT = 8192  # bytes of a text field; a cursor has at most 4,096
_INSTRUCTION = "Send the picture as multipart/form-data in a part named 'file'."


@dataclass(frozen=True, slots=True)
class Form:
    """The one file of a form, and the names and values of its other fields in their order.

    ``has_file`` is false where the form has none and needs none; ``body`` is then empty.
    """

    file_name: str | None
    body: bytes
    fields: Sequence[tuple[str, str]] = ()
    has_file: bool = True

    def values(self, name: str) -> list[str]:
        """All values of a field, in their order."""
        return [value for field, value in self.fields if field == name]


def multipart_parts(body: bytes, boundary: str, limit: int) -> list[MultipartPart]:
    """The parts of a multipart body, in memory.

    Raises:
        ParserLimitReached: there are more than ``limit``.
        MultipartError: the body is none, or is cut off; ``ParserLimitReached`` is one.
    """
    size = len(body)
    parser = MultipartParser(BytesIO(body), boundary, size, part_limit=limit, spool_limit=size, memory_limit=size + 1)
    parts: list[MultipartPart] = parser.parts()
    return parts


def parse_form(request: Request, known: Names[str] = (), *, instead: Names[str] = ()) -> Form:
    """The form of a request that uploads one file, and may have the ``known`` fields beside it.

    Args:
        instead: fields that stand for the file; a form with one of them needs none.

    Raises:
        InvalidRequest: the body is not a form, does not have exactly one part named ``file``, or has a text field
            that is too long or not UTF-8.
        UnknownParameter: the form has another field.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get("boundary", "")
    if content_type != "multipart/form-data":
        raise InvalidRequest(_INSTRUCTION, field="file")
    if not boundary or not boundary.isascii():
        raise InvalidRequest(
            "The header Content-Type has no boundary. Leave the header out: the client that writes the form adds it.",
            field="file",
        )
    body = request.raw_body
    assert isinstance(body, bytes)  # every body arrives as base64, and Chalice has decoded it
    try:
        parts = multipart_parts(body, boundary, FORM_PARTS_LIMIT)
    except ParserLimitReached:
        raise InvalidRequest(f"A form has at most {FORM_PARTS_LIMIT} parts, and short headers.", field="file") from None
    except MultipartError as error:
        if isinstance(error.__context__, UnicodeDecodeError):
            message = "Send the names in a form in UTF-8."
        else:
            message = "The form could not be read: it has another boundary than Content-Type names, or is cut off."
        raise InvalidRequest(message, field="file") from None
    file_names = [file_name(part) for part in parts]
    for part, part_file_name in zip(parts, file_names, strict=True):
        name = check_storable(part.name or "", part.name)
        if part_file_name is None:
            check_name(without_index(name), ("file", *known, *instead), "field")
        else:
            check_name(name, ("file",), "field")
    files = [(part.raw, name) for part, name in zip(parts, file_names, strict=True) if part.name == "file"]
    fields = tuple(_text_field(part) for part in parts if part.name != "file")
    if not files and any(name in instead for name, _ in fields):
        return Form(None, b"", fields, has_file=False)
    if len(files) != 1:
        count = "no part" if not files else "more than one part"
        raise InvalidRequest(f"The form has {count} named 'file'. {_INSTRUCTION}", field="file")
    ((picture, picture_name),) = files
    return Form(picture_name, picture, fields)


def _text_field(part: MultipartPart) -> tuple[str, str]:
    """A field's name and value. Its part may name a charset, which is ignored: decoding some takes quadratic time."""
    name = without_index(part.name or "")
    if part.size > FIELD_LIMIT:
        raise InvalidRequest(f"A field of a form has at most {FIELD_LIMIT:,} bytes.", field=excerpt(name))
    try:
        value = part.raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("Send the fields of a form in UTF-8.", field=excerpt(name)) from None
    return name, check_storable(value, name)
