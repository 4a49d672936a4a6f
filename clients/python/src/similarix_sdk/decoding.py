"""JSON into models, by the types of their fields."""

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from similarix_sdk.errors import InvalidAnswer
from similarix_sdk.models.base import Model

M = TypeVar("M", bound=Model)


def decode(kind: type[M], value: Any) -> M:
    """The model; fields that it does not know are in its ``extra``.

    Raises InvalidAnswer where a field is missing or of another type.
    """
    if not isinstance(value, Mapping):
        raise InvalidAnswer(f"{kind.__name__} is not an object in the answer.")
    fields = _fields(kind)  # type: ignore[arg-type]
    known = {name: _decoded(fields[name], item, name) for name, item in value.items() if name in fields}
    extra = {name: item for name, item in value.items() if name not in fields}
    try:
        return kind(**known, extra=extra)
    except TypeError as error:
        raise InvalidAnswer(f"{kind.__name__} is not complete in the answer: {error}") from error


def decode_all(kind: type[M], values: Any) -> tuple[M, ...]:
    """The models of a list."""
    if not isinstance(values, list):
        raise InvalidAnswer(f"The answer has no list of {kind.__name__}.")
    return tuple(decode(kind, value) for value in values)


@cache
def _fields(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.name != "extra"}


def _decoded(hint: Any, value: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (member for member in get_args(hint) if member is not type(None))
        return _decoded(hint, value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_decoded(get_args(hint)[0], item, name) for item in value)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        item_hint = get_args(hint)[1]
        return {key: _decoded(item_hint, item, name) for key, item in value.items()}
    if hint is Any:
        return value
    if isinstance(hint, type):
        return _scalar(hint, value, name)
    raise InvalidAnswer(f"{name} is of another type in the answer.")


def _scalar(hint: type, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(hint) and issubclass(hint, Model):
        return decode(hint, value)
    if hint is datetime and isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidAnswer(f"{name} is no time in the answer: {value!r}") from error
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise InvalidAnswer(f"{name} is of another type in the answer.")
