"""Conversions between DynamoDB's typed attributes and plain Python values."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_serializer, _deserializer = TypeSerializer(), TypeDeserializer()


def to_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item for DynamoDB: None is left out, times become ISO 8601, enums their values."""
    return {name: to_attribute(value) for name, value in values.items() if value is not None}


def to_attribute(value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.isoformat()
    elif isinstance(value, StrEnum):
        value = value.value
    return _serializer.serialize(value)


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an item: its numbers, nested ones too, are whole, and its binaries bytes."""
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def nested_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a map that is nested in an item, as ``to_item`` makes those of the item itself."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def time_to_number(time: datetime) -> int:
    """Return a time in microseconds since 1970. DynamoDB stores no zeros at the end of a number."""
    return (time - _EPOCH) // _MICROSECOND


def number_to_time(number: str | int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(number))


def optional_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(nested) for name, nested in value.items()}
    if isinstance(value, list):
        return [_plain(nested) for nested in value]
    return bytes(value) if isinstance(value, Binary) else value  # type: ignore[call-overload]  # it has __bytes__
