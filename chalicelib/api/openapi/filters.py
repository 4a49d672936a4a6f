"""The OpenAPI entries of filters, as parameters and as JSON schemas."""

from chalicelib.api.openapi.builders import Schema, array, boolean, obj, ref
from chalicelib.api.openapi.operation import query_parameter
from chalicelib.domain.collections import KEY_LIMIT
from chalicelib.domain.file_facts import Orientation
from chalicelib.domain.filter_syntax import (
    LARGEST_NUMBER,
    MAX_METADATA_NAMES,
    MAX_PATTERNS,
    MAX_VALUES,
    METADATA_PARAMETER,
)
from chalicelib.domain.image_files import EXTENSIONS

_BOUNDS = {"gte": "From this on", "gt": "Above this", "lte": "Up to this", "lt": "Below this"}
_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "examples": ["2024/*"]}
_FORMAT: Schema = {"type": "string", "enum": [name.lower() for name in EXTENSIONS], "examples": ["png"]}
_ORIENTATION: Schema = {"type": "string", "enum": [each.value for each in Orientation], "examples": ["landscape"]}
_NUMBER: Schema = {
    "type": "integer",
    "format": "int64",
    "minimum": 0,
    "maximum": LARGEST_NUMBER,
    "examples": [800],
}
_TIME: Schema = {"type": "string", "examples": ["2025-01-31"]}
_TEXT: Schema = {"type": "string", "examples": ["A1"]}
_DOUBLE: Schema = {"type": "number", "format": "double", "examples": [9.5]}
_RANGED = {
    "size": (_NUMBER, "Bytes of the file"),
    "width": (_NUMBER, "Pixels of the upright picture"),
    "height": (_NUMBER, "Pixels of the upright picture"),
    "modified": (_TIME, "When S3 stored the object, as a date or a time in ISO 8601; without a zone in UTC"),
    "taken": (_TIME, "When the picture was taken, by its EXIF; a time without a zone counts as UTC"),
}
_TIMES = ("modified", "taken")


def _any_of(schema: Schema, limit: int = MAX_VALUES) -> Schema:
    return array(schema) | {"minItems": 1, "maxItems": limit}


def _parameter(name: str, schema: Schema, description: str, limit: int = MAX_VALUES) -> Schema:
    return query_parameter(
        name, _any_of(schema, limit), f"{description}; repeat it for alternatives", schema["examples"]
    )


def _ranged_parameters() -> list[Schema]:
    parameters = []
    for name, (schema, description) in _RANGED.items():
        parameters.append(_parameter(name, schema, description))
        parameters += [
            query_parameter(f"{name}.{bound}", schema, f"{words}: {description[0].lower()}{description[1:]}", example)
            for bound, words in _BOUNDS.items()
            for example in schema["examples"]
        ]
        if name in _TIMES:
            parameters.append(query_parameter(f"{name}.exists", boolean(), "Whether it is known", True))
    return parameters


FILTER_PARAMETERS = (
    _parameter("path", _PATH, "A path or folder in the collection; `*` stands for any characters", MAX_PATTERNS),
    _parameter("format", _FORMAT, "The format of the file's bytes"),
    _parameter("orientation", _ORIENTATION, "Of the upright picture"),
    *_ranged_parameters(),
    _parameter(
        METADATA_PARAMETER,
        _TEXT,
        "The file's metadata under a name of yours; bounds are `metadata.NAME.gte` and so on, and there is "
        "`metadata.NAME.exists`",
    ),
)
FILTER_NAMES = tuple(parameter["name"] for parameter in FILTER_PARAMETERS)


def _bounds(bound: Schema, *, exists: bool) -> Schema:
    properties = {name: {**bound, "description": words} for name, words in _BOUNDS.items()}
    if exists:
        properties["exists"] = boolean("Whether it is known")
    return obj(properties, optional=tuple(properties)) | {"minProperties": 1}


# One shape for each field, of those that the code takes: where a list stands here, it also takes a single value, and
# where bounds do, values. Clients of most generators do not compile with alternatives.
FILTER_SCHEMAS: dict[str, Schema] = {
    "Filter": obj(
        {
            "path": _any_of(_PATH, MAX_PATTERNS),
            "format": _any_of(_FORMAT),
            "orientation": _any_of(_ORIENTATION),
            **{name: ref("TimeBounds" if name in _TIMES else "NumberBounds") for name in _RANGED},
            "metadata": {
                "type": "object",
                "description": "By the names of the file's own metadata",
                "maxProperties": MAX_METADATA_NAMES,
                "additionalProperties": {"description": "A value, a list of values, or bounds with `exists`"},
                "examples": [{"product_id": "A1", "tag": ["x", "y"], "price": {"lt": 20}}],
            },
        },
        optional=("path", "format", "orientation", *_RANGED, "metadata"),
    )
    | {"description": "What a file must meet to be found"},
    "NumberBounds": _bounds(_NUMBER, exists=False),
    "TimeBounds": _bounds(_TIME, exists=True),
}
