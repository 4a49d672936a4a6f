"""The OpenAPI entries of the searches."""

from chalicelib.api.openapi.builders import FILE_ID, Schema, array, identifier, nullable, obj, ref, text
from chalicelib.api.openapi.operation import (
    CURSOR_PARAMETER,
    FILE_PARAMETER,
    FILES_COUNT,
    INCLUDE_PARAMETER,
    LIMIT_PARAMETER,
    NEXT_CURSOR,
    Operation,
    form_content,
    query_parameter,
)
from chalicelib.api.requests.queries import DISTANCE_MAX
from chalicelib.domain.composition import QUERY_LIMIT, TERMS_MAX, WEIGHT_MAX
from chalicelib.domain.vectors import COLLECTIONS_MAX

_COLLECTIONS = array({"type": "string", "format": "uuid"}) | {"maxItems": COLLECTIONS_MAX}
_OPTION_PARAMETERS = (
    LIMIT_PARAMETER,
    query_parameter(
        "collection",
        _COLLECTIONS,
        "Search only these collections; repeat the parameter for more than one",
    ),
    query_parameter(
        "max_distance",
        {"type": "number", "minimum": 0, "maximum": DISTANCE_MAX},
        "Return only pictures with at most this distance",
    ),
    INCLUDE_PARAMETER,
    CURSOR_PARAMETER,
)
OPTION_NAMES = tuple(option["name"] for option in _OPTION_PARAMETERS)
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": QUERY_LIMIT}
_FILES = array({"type": "string", "format": "uuid"}) | {"maxItems": TERMS_MAX}
_TERM_PARAMETERS = (
    query_parameter("query", _TEXT, "The text query to search for; required unless there is `like` or a picture"),
    query_parameter("without", array(_TEXT) | {"maxItems": TERMS_MAX}, "Texts of what is not wanted; repeat it"),
    query_parameter("like", _FILES, "Files that pictures should be like; repeat it"),
    query_parameter("unlike", _FILES, "Files that pictures should not be like; repeat it"),
)
_WEIGHT: Schema = {
    "type": "number",
    "minimum": -WEIGHT_MAX,
    "maximum": WEIGHT_MAX,
    "default": 1,
    "description": "Below 0 for what is not wanted; at least one term has a weight above 0",
}
_TERM: Schema = {
    "oneOf": [
        obj({"text": {**_TEXT, "examples": ["a beach"]}, "weight": _WEIGHT}, optional=("weight",)),
        obj(
            {"file": identifier("An indexed file of the account", FILE_ID), "weight": _WEIGHT},
            optional=("weight",),
        ),
    ]
}
_BODY = obj(
    {
        "query": array(_TERM) | {"minItems": 1, "maxItems": TERMS_MAX},
        **{
            option["name"]: {
                **option["schema"],
                "type": [option["schema"]["type"], "null"],
                "description": option["description"],
            }
            for option in _OPTION_PARAMETERS
        },
    },
    optional=OPTION_NAMES,
)
_FOUND = obj({"files": array(ref("FoundFile"))})
_INFO = obj(
    {
        "files_count": FILES_COUNT,
        "search_type": text("Type of search performed", enum=["text", "image", "file", "composed"]),
        "query": nullable(text("The original search query", "dog")),
        "next_cursor": {
            **NEXT_CURSOR,
            "description": (
                f"Only if the request has one of {', '.join(f'`{name}`' for name in OPTION_NAMES)}, or several terms"
            ),
        },
    },
    optional=("next_cursor",),
)
_COMPOSED = (
    " Several terms are brought to one scale and added; `distance` is then the cosine distance to their weighted sum, "
    "which compares within one query only."
)
SEARCH_BY_PARAMETERS = Operation(
    tag="Search",
    summary="Search by text",
    description="The pictures nearest to a text, nearest first, in all collections of the account." + _COMPOSED,
    parameters=(*_TERM_PARAMETERS, *_OPTION_PARAMETERS),
    result=_FOUND,
    info=_INFO,
    errors=(404, 409),
)
SEARCH_BY_PICTURE_OR_TERMS = Operation(
    tag="Search",
    summary="Search by picture, or by several terms",
    description=(
        "The pictures nearest to a picture of at most 4,500,000 bytes, or to the terms of a JSON body. What stands "
        "beside a picture may stand in the query or in the form." + _COMPOSED
    ),
    parameters=(*_TERM_PARAMETERS, *_OPTION_PARAMETERS),
    body={
        "required": True,
        "content": form_content((*_TERM_PARAMETERS, *_OPTION_PARAMETERS)) | {"application/json": {"schema": _BODY}},
    },
    result=_FOUND,
    info=_INFO,
    errors=(404, 409, 413),
)
SEARCH_BY_FILE = Operation(
    tag="Search",
    summary="Search by a file",
    description="The pictures nearest to an indexed file, without the file itself.",
    parameters=(FILE_PARAMETER, *_OPTION_PARAMETERS),
    result=_FOUND,
    info=_INFO,
    errors=(404,),
)
