"""Encoded words (RFC 2047): how headers carry text that is not ASCII, such as file names and S3's user metadata."""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header

# Those of RFC 5987, and no other that Python knows: some take quadratic time, some make halves of surrogate pairs.
CHARSETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1")
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=")


def decode_words(text: str) -> str:
    """The text with its encoded words decoded; a text that cannot be decoded stays as it is."""
    if not _ENCODED_WORD.search(text):
        return text
    try:
        words = decode_header(text)
        if all(charset is None or charset.lower() in CHARSETS for _, charset in words):
            return str(make_header(words))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        pass
    return text
