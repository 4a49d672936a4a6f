"""Builds JSON Schemas as plain values.

Route modules import this module and ``operation`` at each cold start, so neither imports ``schemas``, which is large.
"""

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

# Identifiers in examples.
FILE_ID, COLLECTION_ID = "dd09f404-1bd6-4246-a277-b5af21e9da66", "8ff9ef69-fd22-4308-ad1e-22c59500d944"
UPLOAD_ID, TOKEN_ID = "0c9d1f2e-8a54-4a53-9df5-5e0f3e6f9b1d", "5b0f6c1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
SEARCH_UPLOAD_ID = "3f6f1a52-7a0b-4c6e-9b6a-5d0c1a2b3c4d"
WEBHOOK_ID, DELIVERY_ID = "7b1f2a3c-5d6e-4f80-9a1b-2c3d4e5f6a7b", "msg_019ad3f1c2a47b1f2a3c5d6e4f809a1b"
REQUEST_ID = "5b0f6c1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
ROLE_ARN, TIMESTAMP = "arn:aws:iam::111122223333:role/similarix-reader", "2024-09-08T08:57:17.158088+03:00"


def text(description: str, example: str | None = None, **keywords: Any) -> Schema:
    examples = {"examples": [example]} if example else {}
    return {"type": "string", "description": description, **examples, **keywords}


def integer(description: str, example: int, **keywords: Any) -> Schema:
    """With a format, because some languages read an integer without one as 32 bits."""
    return {"type": "integer", "format": "int64", "description": description, "examples": [example], **keywords}


def number(description: str, example: float, **keywords: Any) -> Schema:
    return {"type": "number", "format": "double", "description": description, "examples": [example], **keywords}


def boolean(description: str | None = None) -> Schema:
    return {"type": "boolean", **({"description": description} if description else {})}


def nullable(schema: Schema) -> Schema:
    """The schema, or null. Generators make one type of an enumeration beside null, and three of one that has null."""
    if "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    values = {name: schema[name] for name in ("type", "enum")}
    return {**{name: schema[name] for name in schema if name not in values}, "anyOf": [values, {"type": "null"}]}


def choice(description: str, values: Iterable[object], example: str) -> Schema:
    """What a request may have: one of these values, and no other."""
    return text(description, example, enum=[str(value) for value in values])


def known_values(description: str, values: Iterable[object], example: str) -> Schema:
    """What a response may have: one of these values today. A client must expect others, so that more may come.

    ``x-extensible-enum``: https://opensource.zalando.com/restful-api-guidelines/#112
    """
    return text(description, example, **{"x-extensible-enum": [str(value) for value in values]})


def obj(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), title: str | None = None) -> Schema:
    """An object that has all of these fields, but for the optional ones, and no others.

    The document has an object with a title among its named schemas, so that clients get a type of that name.
    """
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    named = {"title": title} if title else {}
    return {**named, **schema, "additionalProperties": False}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def counts(description: str, example: dict[str, int]) -> Schema:
    """Numbers by name, of names that are not known beforehand."""
    values = {"type": "integer", "format": "int64"}
    return {"type": "object", "description": description, "additionalProperties": values, "examples": [example]}


def ref(name: str) -> Schema:
    """One of ``schemas.SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{name}"}


def timestamp(description: str) -> Schema:
    return text(f"{description} ISO 8601 with its offset.", TIMESTAMP, format="date-time")


def identifier(description: str, example: str) -> Schema:
    return text(description, example, format="uuid")
