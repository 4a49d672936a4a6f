"""The file name of a form's part, in each of the ways in which clients write names that are not ASCII.

Browsers write UTF-8 (RFC 7578); .NET and older urllib3 write ``filename*`` (RFC 5987), some beside an encoded word
(RFC 2047). RFC 7578 forbids ``filename*`` in forms, but those clients are in use.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value

from multipart import MultipartPart

_HEADER_LIMIT = 4096  # characters: a name has at most 1,024 bytes, which three characters each may encode
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=")


def file_name(part: MultipartPart) -> str | None:
    """The name, None for a part that is no file; one that cannot be decoded stays as it was written."""
    extended = _extended_name(part.disposition)
    if extended is not None:
        return extended
    if part.filename is None or not _ENCODED_WORD.search(part.filename):
        return part.filename
    try:
        return str(make_header(decode_header(part.filename)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return part.filename


def _extended_name(disposition: str) -> str | None:
    """The value of ``filename*``."""
    if "filename*" not in disposition.lower() or len(disposition) > _HEADER_LIMIT or not disposition.isprintable():
        return None
    message = Message()
    message["Content-Disposition"] = disposition
    values = message.get_params([], header="content-disposition")
    names = [value for name, value in values if name.lower() == "filename" and isinstance(value, tuple)]
    try:
        return collapse_rfc2231_value(names[0], errors="strict") if names else None
    except (LookupError, UnicodeError):
        return None
