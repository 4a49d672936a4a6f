"""JSON as callers send it: a name that an object has twice is refused, because one of its values would be ignored."""

import json
from typing import Any

from chalicelib.domain.texts import excerpt


class RepeatedName(Exception):
    """An object has a name more than once; ``name`` is its beginning, in printable characters."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = excerpt(name)


def parse_json(text: str) -> Any:
    """The value of a JSON text (RFC 8259).

    Raises:
        ValueError: it is none, or is nested too deeply. ``NaN`` and ``Infinity``, which are none either, are read: who
            checks the number names its field.
        RepeatedName: one of its objects has a name more than once.
    """
    try:
        return json.loads(text, object_pairs_hook=_members)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def whole_number(value: object) -> int | None:
    """The number, if it is a whole one: JSON has one kind of number, and writes ``5.0`` for it as well; else None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise RepeatedName(name)
        members[name] = value
    return members
