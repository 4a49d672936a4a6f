"""Refuses names that a request may not use, so that nothing which was sent is ignored."""

import re
from collections.abc import Collection as Names
from collections.abc import Sequence
from difflib import get_close_matches

from chalicelib.domain.errors import InvalidRequest, UnknownParameter
from chalicelib.domain.filter_syntax import METADATA_PARAMETER, is_filter_parameter
from chalicelib.domain.texts import excerpt

_INDEX = re.compile(r"\[[0-9]{0,3}\]\Z")


def check_name(name: str, known: Names[str], kind: str) -> None:
    """Raises UnknownParameter, with the nearest known name or all of them, for a name that is not known.

    Args:
        kind: what the name stands for, as ``parameter`` or ``field``.
    """
    if name in known or (METADATA_PARAMETER in known and is_filter_parameter(name)):
        return  # what is wrong about a filter, its parser says
    shown = excerpt(name)
    nearest = get_close_matches(shown, known, n=1)
    if nearest:
        advice = f"Did you mean '{nearest[0]}'?"
    elif known:
        advice = f"It takes {', '.join(each for each in known if '.' not in each)}."
    else:
        advice = "It takes none."
    raise UnknownParameter(f"There is no {kind} '{shown}' here. {advice}", field=shown)


def without_index(name: str) -> str:
    """The name of a list's parameter as one of its values is written by some clients: ``name[]`` or ``name[0]``."""
    return _INDEX.sub("", name)


def single_value(values: Sequence[str], name: str) -> str | None:
    """The one value of a parameter, None if it is missing; raises InvalidRequest for several."""
    if len(values) > 1:
        raise InvalidRequest(f"Give {name} once.", field=name)
    return values[0] if values else None
