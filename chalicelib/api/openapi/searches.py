"""The OpenAPI entries of the searches."""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    SEARCH_UPLOAD_ID,
    Schema,
    array,
    boolean,
    known_values,
    nullable,
    obj,
    ref,
    text,
)
from chalicelib.api.openapi.filters import FILTER_PARAMETERS
from chalicelib.api.openapi.operation import (
    CURSOR_PARAMETER,
    FILE_PARAMETER,
    FILES_COUNT,
    LIMIT_PARAMETER,
    NEXT_CURSOR,
    Operation,
    json_body,
    picture_form,
    query_parameter,
)
from chalicelib.api.requests.queries import DISTANCE_MAX, EXPECTED_BY_CHANCE, INCLUDED_BY_SEARCHES
from chalicelib.domain.composition import QUERY_LIMIT, TERMS_MAX
from chalicelib.domain.file_queries import MatchBy
from chalicelib.domain.vectors import COLLECTIONS_MAX

COLLECTIONS = array({"type": "string", "format": "uuid"}) | {"maxItems": COLLECTIONS_MAX}
DISTANCE: Schema = {"type": "number", "format": "double", "minimum": 0, "maximum": DISTANCE_MAX}
CUTOFF: Schema = {"type": "string", "enum": ["auto"]}
MATCH: Schema = {"type": "string", "enum": [each.value for each in MatchBy], "default": MatchBy.CONTENT.value}
FOLD_DUPLICATES: Schema = {"type": "boolean", "default": False}
INCLUDE: Schema = array({"type": "string", "enum": list(INCLUDED_BY_SEARCHES)}) | {
    "maxItems": len(INCLUDED_BY_SEARCHES)
}
QUERY_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": QUERY_LIMIT}
_OPTION_PARAMETERS = (
    LIMIT_PARAMETER,
    query_parameter(
        "collection",
        COLLECTIONS,
        "Search only these collections; repeat the parameter for more than one",
        [COLLECTION_ID],
    ),
    query_parameter("max_distance", DISTANCE, "Return only pictures with at most this distance", 0.9),
    query_parameter(
        "cutoff",
        CUTOFF,
        "End the answer where chance begins: of what is listed, chance explains three in ten at most",
        "auto",
    ),
    query_parameter(
        "match",
        MATCH,
        "What the text is compared with: what pictures show, the words of names and folders, or both",
        "both",
    ),
    query_parameter(
        "include",
        INCLUDE,
        "Fields to show beside the usual ones; repeat the parameter, or put commas between",
        ["collection", EXPECTED_BY_CHANCE],
    ),
    query_parameter(
        "fold_duplicates",
        FOLD_DUPLICATES,
        "Show each picture once: the other files of the same picture stand in the `duplicates` of the first one",
        True,
    ),
    CURSOR_PARAMETER,
)
OPTION_NAMES = tuple(option["name"] for option in _OPTION_PARAMETERS)
_FILES = array({"type": "string", "format": "uuid"}) | {"maxItems": TERMS_MAX}
_FURTHER_TERM_PARAMETERS = (
    query_parameter(
        "without", array(QUERY_TEXT) | {"maxItems": TERMS_MAX}, "Texts of what is not wanted; repeat it", ["people"]
    ),
    query_parameter("like", _FILES, "Files that pictures should be like; repeat it", [FILE_ID]),
    query_parameter("unlike", _FILES, "Files that pictures should not be like; repeat it", [FILE_ID]),
    query_parameter("upload", _FILES, "Pictures that were uploaded to search by; repeat it", [SEARCH_UPLOAD_ID]),
)
_FOUND = obj({"files": array(ref("FoundFile"))})
_INFO = obj(
    {
        "files_count": FILES_COUNT,
        "search_type": known_values("Type of search performed", ("text", "image", "file", "composed"), "text"),
        "query": nullable(text("The original search query", "dog")),
        "next_cursor": {
            **NEXT_CURSOR,
            "description": (
                f"Only if the request has one of {', '.join(f'`{name}`' for name in OPTION_NAMES)}, a filter, or several terms"
            ),
        },
        "calibrated": boolean(
            "Whether there are statistics of the pictures, by which `cutoff` and `expected_by_chance` go; only with these"
        ),
    },
    optional=("next_cursor", "calibrated"),
)
_IDENTIFIERS = (("file", "/result/files/0/uuid"),)
_COMPOSED = (
    " Several terms are brought to one scale and added; `distance` is then the cosine distance to their weighted sum, "
    "which compares within one query only."
)
SEARCH_BY_TEXT = Operation(
    tag="Search",
    summary="Search by text",
    description=(
        "The pictures nearest to a text, nearest first, in all collections of the account. `query` may be left out "
        "where there is `like` or `upload`." + _COMPOSED
    ),
    parameters=(
        query_parameter("query", QUERY_TEXT, "The text query to search for", "an owl"),
        *_FURTHER_TERM_PARAMETERS,
        *_OPTION_PARAMETERS,
        *FILTER_PARAMETERS,
    ),
    answer="Search",
    result=_FOUND,
    identifiers=_IDENTIFIERS,
    info=_INFO,
    errors=(404, 409),
)
SEARCH_BY_PICTURE = Operation(
    tag="Search",
    summary="Search by picture",
    description=(
        "The pictures nearest to a picture of at most 4,500,000 bytes, and to further terms. What stands beside the "
        "picture may stand in the query or in the form, which needs no picture where there is `upload`." + _COMPOSED
    ),
    parameters=(
        query_parameter("query", QUERY_TEXT, "A text beside the picture", "in the snow"),
        *_FURTHER_TERM_PARAMETERS,
        *_OPTION_PARAMETERS,
        *FILTER_PARAMETERS,
    ),
    body=picture_form(),
    answer="Search",
    result=_FOUND,
    identifiers=_IDENTIFIERS,
    info=_INFO,
    errors=(404, 409, 413),
)
SEARCH_BY_TERMS = Operation(
    tag="Search",
    summary="Search by several terms",
    description="The pictures nearest to texts, files and uploaded pictures, each with a weight." + _COMPOSED,
    body=json_body(
        ref("ComposedQuery"),
        example={"query": [{"text": "a beach"}, {"text": "people", "weight": -0.5}], "limit": 5},
    ),
    answer="Search",
    result=_FOUND,
    identifiers=_IDENTIFIERS,
    info=_INFO,
    errors=(404, 409),
)
SEARCH_BY_FILE = Operation(
    tag="Search",
    summary="Search by a file",
    description="The pictures nearest to an indexed file, without the file itself.",
    parameters=(
        FILE_PARAMETER,
        *(option for option in _OPTION_PARAMETERS if option["name"] != "match"),
        *FILTER_PARAMETERS,
    ),
    answer="Search",
    result=_FOUND,
    identifiers=_IDENTIFIERS,
    info=_INFO,
    errors=(404,),
)
