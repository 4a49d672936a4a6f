"""What can be asked of the API, call by call, as OpenAPI operations."""

from dataclasses import dataclass, field

from chalicelib.api.openapi.schemas import (
    COLLECTION_ID,
    FILE_ID,
    TOKEN_ID,
    UPLOAD_ID,
    Schema,
    many,
    nullable,
    obj,
    ref,
    text,
)
from chalicelib.api.requests import DISTANCE_MAX, LIMIT_DEFAULT, LIMIT_MAX
from chalicelib.services.search import QUERY_LIMIT


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. ``result`` and ``info`` are what the envelope of its success holds, ``refusals`` its own error statuses.

    ``raw`` is the answer of a call that has no envelope.
    """

    method: str
    path: str
    tag: str
    summary: str
    status: int = 200
    result: Schema = field(default_factory=dict)
    info: Schema = field(default_factory=lambda: obj({}))
    description: str = ""
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    refusals: tuple[int, ...] = ()
    also: tuple[tuple[int, Schema], ...] = ()
    raw: Schema | None = None
    token: bool = True


def query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def path(name: str, description: str, example: str) -> Schema:
    schema = {"type": "string", "format": "uuid"}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": description,
        "example": example,
    }


def json_body(schema: Schema, *, required: bool = True) -> Schema:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def form_body(**others: Schema) -> Schema:
    file = {
        "type": "string",
        "format": "binary",
        "description": "The picture: JPEG, PNG, GIF, WebP, BMP, TIFF, HEIC or AVIF",
    }
    schema = {"type": "object", "required": ["file"], "properties": {"file": file, **others}}
    return {"multipart/form-data": {"schema": schema}}


COLLECTION = path("uuid", "The UUID of the collection", COLLECTION_ID)
FILE = path("uuid", "The UUID of the file", FILE_ID)
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
_CURSOR = query("cursor", {"type": "string"}, "`next_cursor` of the page before; everything else as it was")
LIMIT = query("limit", _LIMIT, "How many at most")
_DISTANCE: Schema = {"type": "number", "minimum": 0, "maximum": DISTANCE_MAX}
_COLLECTIONS: Schema = many({"type": "string", "format": "uuid"}) | {"maxItems": 20}
NARROWING = (
    LIMIT,
    query("collection", _COLLECTIONS, "Only these collections; repeat it for more than one"),
    query("max_distance", _DISTANCE, "Only what is at most this far away"),
    _CURSOR,
)
_NEXT = nullable(text("Where the next page begins; null behind the last"))
_COUNT: Schema = {"type": "integer", "description": "Total number of files returned", "examples": [16]}
SEARCH_INFO = obj(
    {
        "files_count": _COUNT,
        "search_type": text("Type of search performed", enum=["text", "image", "file"]),
        "query": nullable(text("The original search query", "dog")),
        "next_cursor": {
            **_NEXT,
            "description": "Only when `limit`, `collection`, `max_distance` or `cursor` was given",
        },
    },
    optional=("next_cursor",),
)
LIST_INFO = obj({"files_count": _COUNT, "next_cursor": _NEXT})
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "enum": ["*"]},
    "description": "`*`: refuse (409) where there is a file of that name, in place of making a new version of it",
}
FOUND, FILES = obj({"files": many(ref("FoundFile"))}), obj({"files": many(ref("File"))})
ONE_COLLECTION, MESSAGE = obj({"collection": ref("Collection")}), ref("Message")
SEARCH, COLLECTIONS, SYNC, UPLOAD, FILE_TAG, ACCOUNT = (
    "Search",
    "Collections",
    "Synchronization",
    "Uploads",
    "Files",
    "Account",
)
UPLOADS_BODY = {"required": True, "content": form_body() | {"application/json": {"schema": ref("NewUpload")}}}

OPERATIONS = (
    Operation(
        "GET",
        "/api/search/",
        SEARCH,
        "Search by text",
        result=FOUND,
        info=SEARCH_INFO,
        refusals=(400, 404),
        description="The pictures nearest to a text, nearest first, among all collections of the account.",
        parameters=(
            query(
                "query",
                {"type": "string", "minLength": 1, "maxLength": QUERY_LIMIT},
                "The text query to search for",
                required=True,
            ),
            *NARROWING,
        ),
    ),
    Operation(
        "POST",
        "/api/search/",
        SEARCH,
        "Search by picture",
        result=FOUND,
        info=SEARCH_INFO,
        refusals=(400, 404, 413),
        description="The pictures nearest to one that is sent along, 4,500,000 bytes at most. What narrows the search may stand in the query or in the form.",
        parameters=NARROWING,
        body={"required": True, "content": form_body()},
    ),
    Operation(
        "GET",
        "/api/files/{uuid}/similar/",
        SEARCH,
        "Search by a file",
        result=FOUND,
        info=SEARCH_INFO,
        refusals=(400, 404),
        description="The pictures nearest to one that is indexed already, without it.",
        parameters=(FILE, *NARROWING),
    ),
    Operation(
        "GET",
        "/api/collections/",
        COLLECTIONS,
        "List collections",
        result=obj({"collections": many(ref("Collection"))}),
        description="All collections of the account, oldest first.",
    ),
    Operation(
        "POST",
        "/api/collections/",
        COLLECTIONS,
        "Create a collection",
        201,
        ONE_COLLECTION,
        obj({"external_id": text("Of the role's trust policy")}, optional=("external_id",)),
        description="A managed one, or one on a bucket of yours, which is tried out first: `POST /api/collections/check/` says what it takes.",
        body=json_body(ref("NewCollection")),
        refusals=(400, 409),
    ),
    Operation(
        "POST",
        "/api/collections/check/",
        COLLECTIONS,
        "Try a bucket out",
        result=ref("Examination"),
        refusals=(400,),
        description="What the role that reads the bucket must be like, and, once it is named, what is still missing. Nothing is made.",
        body=json_body(ref("Source")),
    ),
    Operation(
        "GET",
        "/api/collections/{uuid}/",
        COLLECTIONS,
        "Show a collection",
        result=ONE_COLLECTION,
        parameters=(COLLECTION,),
        refusals=(404,),
    ),
    Operation(
        "PATCH",
        "/api/collections/{uuid}/",
        COLLECTIONS,
        "Change a collection",
        result=ONE_COLLECTION,
        parameters=(COLLECTION,),
        refusals=(400, 404),
        description="Its name; of one on your bucket, the interval and the role as well, which is tried out first.",
        body=json_body(ref("CollectionChange")),
    ),
    Operation(
        "DELETE",
        "/api/collections/{uuid}/",
        COLLECTIONS,
        "Delete a collection",
        202,
        MESSAGE,
        parameters=(COLLECTION,),
        refusals=(404,),
        description="It is gone at once; all that belongs to it follows: index, catalogue, thumbnails, and the files of a managed one. Your own bucket stays as it is.",
    ),
    Operation(
        "POST",
        "/api/collections/{uuid}/sync/",
        SYNC,
        "Trigger a sync",
        202,
        MESSAGE,
        parameters=(COLLECTION,),
        refusals=(400, 404, 409),
        description="Brings the collection in line with its bucket. With `dry_run` it answers 200 and only says what it would do.",
        body=json_body(ref("SyncOptions"), required=False),
        also=((200, obj({"preview": ref("Preview")})),),
    ),
    Operation(
        "DELETE",
        "/api/collections/{uuid}/sync/",
        SYNC,
        "Cancel a sync",
        result=MESSAGE,
        parameters=(COLLECTION,),
        refusals=(404, 409),
    ),
    Operation(
        "GET",
        "/api/collections/{uuid}/sync-status/",
        SYNC,
        "Check the sync status",
        result=ref("SyncState"),
        parameters=(COLLECTION,),
        refusals=(404,),
    ),
    Operation(
        "GET",
        "/api/collections/{uuid}/explain/",
        SYNC,
        "Explain an object",
        result=ref("Explanation"),
        refusals=(400, 404),
        description="Why an object of the bucket is, or is not, found.",
        parameters=(COLLECTION, query("key", {"type": "string", "minLength": 1}, "The object's key", required=True)),
    ),
    Operation(
        "POST",
        "/api/collections/{uuid}/upload/",
        UPLOAD,
        "Upload a picture",
        201,
        {"oneOf": [ref("Uploaded"), ref("PreparedUpload")]},
        description=(
            "Into a managed collection. A picture of up to 4,500,000 bytes is sent along as a form, and can be found when "
            "this answers. For one of up to 20 MiB, ask with JSON: the answer says where to send it."
        ),
        parameters=(COLLECTION, IF_NONE_MATCH),
        body=UPLOADS_BODY,
        refusals=(400, 404, 409, 413, 415),
    ),
    Operation(
        "POST",
        "/api/collections/{uuid}/upload/{id}/complete/",
        UPLOAD,
        "Complete an upload",
        201,
        ref("Uploaded"),
        refusals=(400, 404, 409),
        description="For one that was asked for with JSON, once the file was sent. It can be found when this answers; without this call it will be a moment later.",
        parameters=(COLLECTION, path("id", "The id of the upload", UPLOAD_ID)),
    ),
    Operation(
        "GET",
        "/api/collections/{uuid}/files/",
        FILE_TAG,
        "List files",
        result=FILES,
        info=LIST_INFO,
        refusals=(400, 404),
        description="In the order of their keys. A page may be short and still have one after it: go on until `next_cursor` is null.",
        parameters=(
            COLLECTION,
            query("state", {"type": "string", "enum": ["indexed", "failed", "pending"]}, "Only files in this state"),
            LIMIT,
            _CURSOR,
        ),
    ),
    Operation(
        "GET",
        "/api/files/{uuid}/",
        FILE_TAG,
        "Show a file",
        result=obj({"file": ref("File")}),
        parameters=(FILE,),
        refusals=(404,),
    ),
    Operation(
        "DELETE",
        "/api/files/{uuid}/",
        FILE_TAG,
        "Delete a file",
        result=MESSAGE,
        parameters=(FILE,),
        refusals=(400, 404),
        description="Of a managed collection, for good.",
    ),
    Operation(
        "POST",
        "/api/files/{uuid}/retry/",
        FILE_TAG,
        "Try a file again",
        202,
        MESSAGE,
        parameters=(FILE,),
        refusals=(404, 409),
        description="One that has failed.",
    ),
    Operation(
        "GET",
        "/collections/download/{uuid}/",
        FILE_TAG,
        "Download a file",
        302,
        parameters=(FILE,),
        refusals=(404,),
        description="Redirects to a URL that serves the original for five minutes.",
        raw={
            "description": "Where the original is",
            "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
        },
    ),
    Operation(
        "GET",
        "/media/{collection}/{file}",
        FILE_TAG,
        "Show a thumbnail",
        refusals=(404,),
        parameters=(
            path("collection", "The UUID of the collection", COLLECTION_ID),
            {
                "name": "file",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f-]{36}\\.jpg$"},
                "description": "The UUID of the file, and `.jpg`",
                "example": f"{FILE_ID}.jpg",
            },
        ),
        raw={"description": "A JPEG", "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
    ),
    Operation(
        "GET",
        "/api/account/",
        ACCOUNT,
        "Show the account",
        result=obj({"account": ref("Account")}),
        description="The plan, what it allows, and what is used of it.",
    ),
    Operation(
        "GET",
        "/api/tokens/",
        ACCOUNT,
        "List tokens",
        result=obj({"tokens": many(ref("Token"))}),
        description="Without the tokens themselves, which are not stored.",
    ),
    Operation(
        "POST",
        "/api/tokens/",
        ACCOUNT,
        "Create a token",
        201,
        obj({"token": ref("Token"), "secret": text("The token itself, shown this once", "smx_" + "…")}),
        obj({"message": text("A reminder")}),
        body=json_body(ref("NewToken")),
        refusals=(400, 409),
    ),
    Operation(
        "DELETE",
        "/api/tokens/{id}/",
        ACCOUNT,
        "Revoke a token",
        result=MESSAGE,
        parameters=(path("id", "The id of the token", TOKEN_ID),),
        refusals=(404, 409),
        description="It works for five more seconds at most.",
    ),
)
