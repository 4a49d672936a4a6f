"""The file name of a form's part, in each of the ways in which clients write names that are not ASCII.

Browsers write UTF-8 (RFC 7578); .NET and older urllib3 write ``filename*`` (RFC 5987), some beside an encoded word
(RFC 2047). RFC 7578 forbids ``filename*`` in forms, but those clients are in use.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote_to_bytes

from multipart import MultipartPart

# Those of RFC 5987, and no other that Python knows: some take quadratic time, some make halves of surrogate pairs.
_CHARSETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1")
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=")
_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)')


def file_name(part: MultipartPart) -> str | None:
    """The name, None for a part that is no file; one that cannot be decoded stays as it was written."""
    extended = _extended_name(part.disposition)
    if extended is not None:
        return extended
    written: str | None = part.filename
    if written is None or not _ENCODED_WORD.search(written):
        return written
    try:
        words = decode_header(written)
        if all(charset is None or charset.lower() in _CHARSETS for _, charset in words):
            return str(make_header(words))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        pass
    return written


def _extended_name(disposition: str) -> str | None:
    """The value of ``filename*``, None if there is none that can be decoded."""
    values = [value for name, value in _PARAMETER.findall(disposition) if name.lower() == "filename*"]
    if not values:
        return None
    charset, quote, rest = values[0].strip().strip('"').partition("'")
    _, second_quote, encoded = rest.partition("'")
    if not (quote and second_quote and charset.lower() in _CHARSETS):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None
