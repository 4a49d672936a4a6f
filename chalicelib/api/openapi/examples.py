"""Examples of schemas, composed from the examples of their parts."""

from typing import Any

from chalicelib.api.openapi.builders import FILE_ID, Schema
from chalicelib.api.openapi.schemas import SCHEMAS

_BY_TYPE: dict[str, Any] = {"string": "…", "integer": 0, "number": 0.5, "boolean": True, "null": None}


def example(schema: Schema) -> Any:
    """A value that the schema allows."""
    if "$ref" in schema:
        return example(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "examples" in schema:
        return schema["examples"][0]
    if "oneOf" in schema:
        return example(schema["oneOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds:
        return {name: example(part) for name, part in schema.get("properties", {}).items()}
    if "array" in kinds:
        return [example(schema["items"])]
    if "null" in kinds:
        return None
    return {"uri": "https://s3.eu-central-1.amazonaws.com/", "uuid": FILE_ID}.get(
        schema.get("format", ""), _BY_TYPE[kinds[0]]
    )
