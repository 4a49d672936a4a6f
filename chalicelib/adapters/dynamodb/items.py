"""DynamoDB's typed attributes to plain Python values and back."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

_serializer, _deserializer = TypeSerializer(), TypeDeserializer()

CONDITION_FAILED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"


def to_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as DynamoDB takes them; None is left out, times become ISO 8601, enums their values."""
    return {name: to_attribute(value) for name, value in values.items() if value is not None}


def to_attribute(value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.isoformat()
    elif isinstance(value, StrEnum):
        value = value.value
    return _serializer.serialize(value)


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def cancellation_codes(error: Any) -> list[str]:
    """Why each part of a transaction was refused: ``None`` where it was not the cause."""
    return [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]


def is_conflict(error: Exception) -> bool:
    """Whether a write was refused because it met a transaction; trying again helps."""
    if not isinstance(error, ClientError):
        return False
    return error.response["Error"]["Code"] == f"{CONFLICT}Exception" or CONFLICT in cancellation_codes(error)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return bytes(value) if isinstance(value, Binary) else value  # type: ignore[call-overload]  # it has __bytes__
