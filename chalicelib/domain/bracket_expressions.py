"""Bracket expressions of patterns, such as ``[a-z]`` and ``[[:digit:]]``, as git reads them.

pathspec passes what is in brackets to Python's regular expressions almost as it is. Git knows named classes, takes a
backslash as an escape, and lets no bracket stand for a slash: ``wildmatch.c`` of https://github.com/git/git.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A pattern is compared in small letters, so the classes of letters have no others. Those of control characters are
# named by nothing that a pattern may have.
_CLASSES: Mapping[str, Sequence[tuple[str, str]]] = {
    "alnum": (("0", "9"), ("a", "z")),
    "alpha": (("a", "z"),),
    "blank": ((" ", " "), ("\t", "\t")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": ((" ", " "), ("\t", "\r")),
    "upper": (("a", "z"),),
    "xdigit": (("0", "9"), ("a", "f")),
}
NO_SLASH = "(?!/)"  # before the expression of a bracket that could stand for one
_CLASS = re.compile(r"\[:([a-z]*):\]")
_FIRST_STAND_IN = 0xD800  # half of a surrogate pair, which no text has that can be stored


class InvalidBracket(ValueError):
    """A bracket is never closed, names no class, or has a range that ends before it begins: git matches nothing."""


@dataclass(frozen=True, slots=True)
class BracketExpressions:
    """A pattern in which a character stands for each bracket expression, and their regular expressions in order."""

    pattern: str
    expressions: tuple[str, ...]

    @classmethod
    def of(cls, pattern: str) -> "BracketExpressions":
        """Raises InvalidBracket."""
        text, at = "", 0
        expressions: list[str] = []
        while at < len(pattern):
            if pattern[at] == "\\":
                text, at = text + pattern[at : at + 2], at + 2
                continue
            if pattern[at] != "[":
                text, at = text + pattern[at], at + 1
                continue
            expression, at = _parse(pattern, at + 1)
            text += chr(_FIRST_STAND_IN + len(expressions))
            expressions.append(expression)
        return cls(text, tuple(expressions))

    def restored(self, regex: str) -> str:
        """A regular expression of the pattern, with the bracket expressions in their places."""
        for number, expression in enumerate(self.expressions):
            regex = regex.replace(chr(_FIRST_STAND_IN + number), expression)
        return regex


def _parse(pattern: str, at: int) -> tuple[str, int]:
    """The regular expression of what begins behind a bracket, and where it ends."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    start = at
    ranges: list[tuple[str, str]] = []
    while at < len(pattern):
        if pattern[at] == "]" and at > start:
            return _expression(ranges, negated=negated), at + 1
        if named := _CLASS.match(pattern, at):
            if named[1] not in _CLASSES:
                raise InvalidBracket(pattern)
            ranges += _CLASSES[named[1]]
            at = named.end()
            continue
        low, at = _character(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, at = _character(pattern, at + 1)
            if low > high:
                raise InvalidBracket(pattern)
            ranges.append((low, high))
        else:
            ranges.append((low, low))
    raise InvalidBracket(pattern)


def _character(pattern: str, at: int) -> tuple[str, int]:
    """A character that may be escaped, and where the next one begins."""
    escaped = pattern[at] == "\\" and at + 1 < len(pattern)
    return pattern[at + escaped], at + escaped + 1


def _expression(ranges: Sequence[tuple[str, str]], *, negated: bool) -> str:
    items = "".join(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges)
    if negated:
        return f"[^/{items}]"
    return f"{NO_SLASH}[{items}]"
