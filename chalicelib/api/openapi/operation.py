"""The OpenAPI entry of one route, which stands beside the route; and the parts that several of them share."""

import re
from typing import NamedTuple

from chalicelib.api.cursors import CURSOR_LENGTH_LIMIT
from chalicelib.api.openapi.builders import COLLECTION_ID, FILE_ID, Schema, integer, nullable, obj, ref, text
from chalicelib.api.requests.queries import INCLUDED, LIMIT_DEFAULT, LIMIT_MAX

_NO_RESULT: Schema = {}
_NO_INFO = obj({}, title="NoInfo")
EXAMPLE_PICTURE = "owl.jpg"
_EXAMPLE_CURSOR = "WyI2NmY0ZTM5YzBkMWE3YjJjIiwiaW1hZ2VzL293bC5qcGciXQ"


class Operation(NamedTuple):
    """What a route takes and returns.

    A named tuple, because Python defines it in a tenth of the time of a dataclass, at each cold start.

    Args:
        status: of the success.
        result: the schema of the envelope's ``result``.
        info: the schema of the envelope's ``info``.
        answer: what the names of the envelope's schema, and of its result's and info's, begin with; by default the name
            of ``result`` if that is a reference, else the operation's.
        errors: statuses that this operation may return beside those that all may.
        other_statuses: further statuses of success, with the same envelope.
        raw_response: the OpenAPI response of ``status`` if that has no envelope.
        identifiers: what the response identifies, by the names that path parameters have for it, and where: a JSON
            pointer. The document links the operation to those that take it.
        has_location: whether the success says where to look at what was made or begun.
        trailing_slash: whether the path is written with a slash at its end.
    """

    tag: str
    summary: str
    description: str
    status: int = 200
    result: Schema = _NO_RESULT
    info: Schema = _NO_INFO
    answer: str = ""
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    errors: tuple[int, ...] = ()
    other_statuses: tuple[int, ...] = ()
    raw_response: Schema | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    has_location: bool = False
    trailing_slash: bool = True

    def query_names(self) -> tuple[str, ...]:
        """The names of the query parameters."""
        return tuple(parameter["name"] for parameter in self.parameters if parameter["in"] == "query")


class DocumentedRoute(NamedTuple):
    """A route and its entry.

    Args:
        path: as it is routed, without a slash at its end.
        rate_limited: whether a token's rate is limited there.
        takes_links: whether a signed link stands for a token.
        view: the name of the view, a verb and its object; the operation has it in camel case.
        takes_key: whether it may be sent again with an idempotency key.
    """

    method: str
    path: str
    operation: Operation
    rate_limited: bool = False
    takes_links: bool = False
    view: str = "call"
    takes_key: bool = False

    @property
    def operation_id(self) -> str:
        return re.sub("_(.)", lambda match: match[1].upper(), self.view)


def query_parameter(name: str, schema: Schema, description: str, example: object, *, required: bool = False) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": schema,
        "description": description,
        "example": example,
    }


def path_parameter(
    name: str, description: str, example: str, schema: Schema | None = None, *, identifies: str
) -> Schema:
    """``identifies``: what is identified, by the name that ``Operation.identifiers`` has for it."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema or {"type": "string", "format": "uuid"},
        "description": description,
        "example": example,
        "x-identifies": identifies,
    }


def json_body(schema: Schema, *, example: object = None, required: bool = True) -> Schema:
    """``example``: by default composed of the examples in the schema."""
    content = {"schema": schema, "example": example} if example else {"schema": schema}
    return {"required": required, "content": {"application/json": content}}


def picture_form(*fields: Schema) -> Schema:
    """A body that is a form with a picture, and optional fields. The example names the file: a document has no bytes.

    What stands in the query may stand in the form, too. Those fields are not documented twice: a client that is
    generated from the document would send both.

    Args:
        fields: each with name, schema, description and example, as a parameter has them.
    """
    file = {
        "type": "string",
        "format": "binary",  # and no length: generators apply it to their type of a file
        "description": "The picture: JPEG, PNG, GIF, WebP, BMP, TIFF, HEIC, AVIF or JPEG 2000; not empty",
    }
    optional = {field["name"]: {**field["schema"], "description": field["description"]} for field in fields}
    form = {"type": "object", "required": ["file"], "properties": {"file": file, **optional}}
    example = {"file": EXAMPLE_PICTURE, **{field["name"]: field["example"] for field in fields}}
    content = {"multipart/form-data": {"schema": form, "example": example}}
    return {"required": True, "content": content}


COLLECTION_PARAMETER = path_parameter("uuid", "The UUID of the collection", COLLECTION_ID, identifies="collection")
FILE_PARAMETER = path_parameter("uuid", "The UUID of the file", FILE_ID, identifies="file")
LIMIT_PARAMETER = query_parameter(
    "limit",
    {"type": "integer", "format": "int64", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    "How many results to return at most",
    LIMIT_DEFAULT,
)
CURSOR_PARAMETER = query_parameter(
    "cursor",
    {"type": "string", "maxLength": CURSOR_LENGTH_LIMIT},
    "`next_cursor` of the page before; all other parameters must be the same",
    _EXAMPLE_CURSOR,
)
PATH_PARAMETER = query_parameter(
    "path",
    {"type": "string", "minLength": 1},
    "Only the file with exactly this path within the collection, such as `2024/owl.jpg`",
    "2024/owl.jpg",
)
INCLUDE_PARAMETER = query_parameter(
    "include",
    {"type": "array", "items": {"type": "string", "enum": list(INCLUDED)}, "maxItems": len(INCLUDED)},
    "Fields to show beside the usual ones; repeat the parameter, or put commas between",
    ["collection", "width"],
)
FILES_COUNT = integer("Number of files in this response; further pages are not counted", 16)
NEXT_CURSOR = nullable(text("Where the next page begins; null on the last page", _EXAMPLE_CURSOR))
MESSAGE = ref("Confirmation")
