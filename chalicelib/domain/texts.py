"""Texts that callers send: which can be stored, and how a message shows one."""

import unicodedata

from chalicelib.domain.errors import InvalidRequest

EXCERPT_LIMIT = 100  # characters of a caller's text that a message repeats
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_WITHOUT_BIDI_CONTROLS = str.maketrans("", "", _BIDI_CONTROLS)


def is_storable(text: str) -> bool:
    """Whether the text is valid UTF-8 without NUL: JSON may escape lone surrogates, and no table or bucket has them."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_storable(text: str, field: str | None) -> str:
    """The text itself.

    Raises:
        InvalidRequest: it has a NUL or half of a surrogate pair.
    """
    if not is_storable(text):
        name = f"'{excerpt(field)}'" if field else "The request"
        raise InvalidRequest(
            f"{name} has a character that cannot be stored: NUL, or half of a surrogate pair.",
            field=excerpt(field) if field else None,
        )
    return text


def check_line(text: str, field: str) -> str:
    """A text that is shown in one line, as names are.

    Raises:
        InvalidRequest: it has control characters or ends a line, or it has characters, of which none is visible.
    """
    if breaks_line(check_storable(text, field)):
        raise InvalidRequest(f"'{excerpt(field)}' has a control character, such as a line break.", field=field)
    if text and not is_visible(text):
        raise InvalidRequest(f"'{excerpt(field)}' has no visible character.", field=field)
    return text


def breaks_line(text: str) -> bool:
    """Whether the text has control characters, or one of Unicode's own ends of lines and paragraphs."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


def is_visible(text: str) -> bool:
    """Whether a character of the text is more than space, a control or a format: else nobody sees which it is."""
    return any(unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp") for character in text)


def excerpt(text: str) -> str:
    """The beginning of a caller's text in printable characters, for a message."""
    start = text[:EXCERPT_LIMIT]
    printable = "".join(char if char.isprintable() else "\ufffd" for char in start)
    return printable + "…" if len(text) > EXCERPT_LIMIT else printable


def without_bidi_controls(text: str) -> str:
    """The text without the invisible characters that make it look like another: ``gpj.exe`` like ``exe.jpg``."""
    return text.translate(_WITHOUT_BIDI_CONTROLS)
