"""Parses multipart forms that upload one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from chalice.app import Request
from multipart import MultipartError, MultipartParser, parse_options_header

from chalicelib.domain.errors import InvalidRequest

FORM_PARTS_LIMIT = 32
_INSTRUCTION = "Send the picture as multipart/form-data in a part named 'file'."


@dataclass(frozen=True, slots=True)
class Form:
    """The one file of a form, and the names and values of its other fields in their order."""

    file_name: str | None
    body: bytes
    fields: Sequence[tuple[str, str]] = ()

    def values(self, name: str) -> list[str]:
        """All values of a field, in their order."""
        return [value for field, value in self.fields if field == name]


def parse_form(request: Request) -> Form:
    """The form of a request that uploads one file.

    Raises:
        InvalidRequest: the body is not a form, or does not have exactly one part named ``file``.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    if content_type != "multipart/form-data" or not options.get("boundary"):
        raise InvalidRequest(_INSTRUCTION, field="file")
    body = request.raw_body
    assert isinstance(body, bytes)  # every body arrives as base64, and Chalice has decoded it
    try:
        parts = MultipartParser(
            BytesIO(body),
            options["boundary"],
            len(body),
            part_limit=FORM_PARTS_LIMIT,
            spool_limit=len(body),
            memory_limit=len(body) + 1,
        ).parts()
    except MultipartError:
        raise InvalidRequest(f"The form could not be read. {_INSTRUCTION}", field="file") from None
    files = [part for part in parts if part.name == "file"]
    if len(files) != 1:
        count = "no part" if not files else "more than one part"
        raise InvalidRequest(f"The form has {count} named 'file'. {_INSTRUCTION}", field="file")
    fields = [(part.name, part.value) for part in parts if part.name != "file" and part.filename is None]
    return Form(files[0].filename, files[0].raw, tuple(fields))
