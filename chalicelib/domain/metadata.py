"""Metadata of files: names and values of the owner's own, such as ``{"product_id": "A1", "tag": ["x", "y"]}``.

Callers send those of files in managed storage. Those of objects in connected buckets are S3's user metadata.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.encoded_words import decode_words
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.json_values import RepeatedName, parse_json
from chalicelib.domain.texts import excerpt, is_storable

MetadataValue = str | int | float | bool | tuple[str, ...]
Metadata = Mapping[str, MetadataValue]

# Counted as S3 counts user metadata, the UTF-8 bytes of all names and values, so that S3's always fits:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
METADATA_BYTES = 2048
METADATA_LIST_LIMIT = 100  # strings; empty ones have no bytes to be counted
WHOLE_NUMBER_LIMIT = 2**53  # above, JSON readers that take numbers as doubles read another number
# No dot: filters write ``metadata.NAME``. No letter beyond ASCII: S3 takes none in a name.
METADATA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def parse_metadata(value: object, field: str = "metadata") -> Metadata:
    """The metadata that a caller sent, a JSON value.

    Raises:
        InvalidRequest: it is not an object of strings, finite numbers, booleans and lists of strings, one of its names
            is not allowed, or it is too large. The error names the path of the member, such as ``metadata.tag[2]``.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(f'{field} is a JSON object, such as {{"product_id": "A1"}}.', field=field)
    metadata = {_name(name, field): _value(member, f"{field}.{name}") for name, member in value.items()}
    return check_metadata_size(metadata, field)


def parse_metadata_text(text: str, field: str = "metadata") -> Metadata:
    """The metadata in a text field of a form; raises as ``parse_metadata``."""
    try:
        value = parse_json(text)
    except ValueError:
        raise InvalidRequest(f'{field} is a JSON object, such as {{"product_id": "A1"}}.', field=field) from None
    except RepeatedName as error:
        raise InvalidRequest(f"{field} has '{error.name}' more than once.", field=f"{field}.{error.name}") from None
    return parse_metadata(value, field)


def merge_metadata(current: Metadata, patch: object, field: str = "metadata") -> Metadata:
    """The metadata after a merge patch (RFC 7396): null removes a name, or all of them; other values replace.

    Raises:
        InvalidRequest: as ``parse_metadata``, of the patch or of the result.
    """
    if patch is None:
        return {}
    if not isinstance(patch, dict):
        raise InvalidRequest(f"{field} is a JSON object, or null to remove all.", field=field)
    removed = {_name(name, field) for name, member in patch.items() if member is None}
    changes = {
        _name(name, field): _value(member, f"{field}.{name}") for name, member in patch.items() if member is not None
    }
    kept = {name: value for name, value in current.items() if name not in removed}
    return check_metadata_size(kept | changes, field)


def check_metadata_size(metadata: Metadata, field: str) -> Metadata:
    """The metadata itself; raises InvalidRequest if it has too many bytes."""
    size = metadata_bytes(metadata)
    if size > METADATA_BYTES:
        raise InvalidRequest(
            f"The names and values of {field} have {size:,} bytes together, and at most {METADATA_BYTES:,}.",
            field=field,
        )
    return metadata


def metadata_bytes(metadata: Metadata) -> int:
    """The UTF-8 bytes of all names and values; numbers and booleans count as JSON writes them."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in metadata.items())


def object_metadata(user_metadata: Mapping[str, str]) -> Metadata:
    """The metadata of an object, from S3's user metadata: all values are strings.

    S3 returns values that are not ASCII as encoded words:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    Names that callers may not send either are left out, and so is what exceeds the limit, which S3 shares.
    """
    metadata: dict[str, MetadataValue] = {}
    size = 0
    for name, written in sorted(user_metadata.items()):
        value = decode_words(written)
        if not METADATA_NAME.fullmatch(name) or not is_storable(value):
            continue
        size += metadata_bytes({name: value})
        if size > METADATA_BYTES:
            break
        metadata[name] = value
    return metadata


def metadata_to_json(metadata: Metadata) -> str:
    """The metadata as a table keeps it: DynamoDB's own numbers do not hold every double."""
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))


def metadata_from_json(text: str | None) -> Metadata:
    """Reads what ``metadata_to_json`` returned; none is empty."""
    stored: dict[str, Any] = json.loads(text) if text else {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _name(name: str, field: str) -> str:
    if not METADATA_NAME.fullmatch(name):
        raise InvalidRequest(
            "A name in metadata has 1 to 64 letters, digits, '_' and '-', all of ASCII, and does not begin with '-'.",
            field=f"{field}.{excerpt(name)}",
        )
    return name


def _value(value: object, field: str) -> MetadataValue:
    match value:
        case bool():
            return value
        case str():
            return _text(value, field)
        case int():
            if abs(value) > WHOLE_NUMBER_LIMIT:
                raise InvalidRequest(
                    "A whole number is between -2^53 and 2^53. Send a longer identifier as a string.", field=field
                )
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            if len(value) > METADATA_LIST_LIMIT:
                raise InvalidRequest(f"A list has at most {METADATA_LIST_LIMIT} strings.", field=field)
            return tuple(_text(member, f"{field}[{number}]") for number, member in enumerate(value))
    raise InvalidRequest("A value is a string, a finite number, true, false, or a list of strings.", field=field)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("A list has strings only.", field=field)
    if not is_storable(value):
        raise InvalidRequest("It has a character that cannot be stored: NUL, or half of a surrogate pair.", field=field)
    return value


def _value_bytes(value: MetadataValue) -> int:
    if isinstance(value, tuple):
        return sum(len(text.encode()) for text in value)
    return len((value if isinstance(value, str) else json.dumps(value)).encode())
