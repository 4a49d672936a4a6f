"""The OpenAPI entry of one route, which stands beside the route; and the parts that several of them share."""

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.api.openapi.builders import COLLECTION_ID, FILE_ID, Schema, integer, nullable, obj, ref, text
from chalicelib.api.requests.queries import INCLUDED, LIMIT_DEFAULT, LIMIT_MAX

_NO_RESULT: Schema = {}
_NO_INFO = obj({})


class Operation(NamedTuple):
    """What a route takes and returns.

    A named tuple, because Python defines it in a tenth of the time of a dataclass, at each cold start.

    Args:
        status: of the success.
        result: the schema of the envelope's ``result``.
        info: the schema of the envelope's ``info``.
        errors: statuses that this operation may return beside those that all may.
        other_results: further statuses of success, each with its ``result``.
        raw_response: the OpenAPI response of an operation that returns no envelope.
        has_location: whether the success says where to look at what was made or begun.
        trailing_slash: whether the path is written with a slash at its end.
    """

    tag: str
    summary: str
    status: int = 200
    result: Schema = _NO_RESULT
    info: Schema = _NO_INFO
    description: str = ""
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    errors: tuple[int, ...] = ()
    other_results: tuple[tuple[int, Schema], ...] = ()
    raw_response: Schema | None = None
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
    """

    method: str
    path: str
    operation: Operation
    rate_limited: bool = False
    takes_links: bool = False


def query_parameter(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def path_parameter(name: str, description: str, example: str, schema: Schema | None = None) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema or {"type": "string", "format": "uuid"},
        "description": description,
        "example": example,
    }


def json_body(schema: Schema, *, required: bool = True) -> Schema:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def form_content(options: Sequence[Schema] = ()) -> Schema:
    """The content of a body that is a form with one file, and with query parameters that the form takes too."""
    file = {
        "type": "string",
        "format": "binary",
        "description": "The picture: JPEG, PNG, GIF, WebP, BMP, TIFF, HEIC, AVIF or JPEG 2000",
    }
    fields = {option["name"]: {**option["schema"], "description": option["description"]} for option in options}
    form = {"type": "object", "required": ["file"], "properties": {"file": file, **fields}}
    return {"multipart/form-data": {"schema": form}}


COLLECTION_PARAMETER = path_parameter("uuid", "The UUID of the collection", COLLECTION_ID)
FILE_PARAMETER = path_parameter("uuid", "The UUID of the file", FILE_ID)
LIMIT_PARAMETER = query_parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    "How many results to return at most",
)
CURSOR_PARAMETER = query_parameter(
    "cursor", {"type": "string"}, "`next_cursor` of the page before; all other parameters must be the same"
)
PATH_PARAMETER = query_parameter(
    "path",
    {"type": "string", "minLength": 1},
    "Only the file with exactly this path within the collection, such as `2024/owl.jpg`",
)
INCLUDE_PARAMETER = query_parameter(
    "include",
    {"type": "array", "items": {"type": "string", "enum": list(INCLUDED)}, "maxItems": len(INCLUDED)},
    "Fields to show beside the usual ones; repeat the parameter, or put commas between",
)
FILES_COUNT = integer("Total number of files returned", 16)
NEXT_CURSOR = nullable(text("Where the next page begins; null on the last page"))
MESSAGE = ref("Message")
