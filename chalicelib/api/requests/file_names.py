"""The file name of a form's part, in each of the ways in which clients write names that are not ASCII.

Browsers write UTF-8 (RFC 7578); .NET and older urllib3 write ``filename*`` (RFC 5987), some beside an encoded word
(RFC 2047). RFC 7578 forbids ``filename*`` in forms, but those clients are in use.
"""

import re
from urllib.parse import unquote_to_bytes

from multipart import MultipartPart

from chalicelib.domain.encoded_words import CHARSETS, decode_words

_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)')


def file_name(part: MultipartPart) -> str | None:
    """The name, None for a part that is no file; one that cannot be decoded stays as it was written."""
    extended = _extended_name(part.disposition)
    if extended is not None:
        return extended
    written: str | None = part.filename
    return None if written is None else decode_words(written)


def _extended_name(disposition: str) -> str | None:
    """The value of ``filename*``, None if there is none that can be decoded."""
    values = [value for name, value in _PARAMETER.findall(disposition) if name.lower() == "filename*"]
    if not values:
        return None
    charset, quote, rest = values[0].strip().strip('"').partition("'")
    _, second_quote, encoded = rest.partition("'")
    if not (quote and second_quote and charset.lower() in CHARSETS):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None
