"""Lists, shows, retries and deletes files; and serves the thumbnails and downloads that search results link to."""

import base64
from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor, is_key
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.links import download_path, thumbnail_path
from chalicelib.api.openapi.builders import COLLECTION_ID, FILE_ID, array, obj, ref
from chalicelib.api.openapi.filters import FILTER_PARAMETERS
from chalicelib.api.openapi.operation import (
    COLLECTION_PARAMETER,
    CURSOR_PARAMETER,
    FILE_PARAMETER,
    FILES_COUNT,
    INCLUDE_PARAMETER,
    LIMIT_PARAMETER,
    MESSAGE,
    NEXT_CURSOR,
    PATH_PARAMETER,
    Operation,
    path_parameter,
    query_parameter,
)
from chalicelib.api.requests.headers import accepts_only_json, is_unchanged
from chalicelib.api.requests.queries import (
    LISTED_STATES,
    parameter,
    parameters,
    parse_failure_reason,
    parse_file_state,
    parse_flag,
    parse_include,
    parse_limit,
    parse_path_filter,
    parse_thumbnail_size,
    parse_whole_number,
)
from chalicelib.api.sorted_files import SORT_PARAMETER, is_sorted_or_filtered, list_sorted_files
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import canonical_uuid
from chalicelib.domain.errors import InvalidRequest, LinkExpired, NotFound
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.links import Link
from chalicelib.domain.thumbnails import ThumbnailSize

# A thumbnail changes only with its picture; the cache is private because the thumbnail belongs to one account.
_THUMBNAIL_CACHE = "private, max-age=300"
_SUBSTITUTE_CACHE = "private, max-age=60"  # of a thumbnail in another size than the one that was asked for
EXPIRES_MAX = 10**11  # seconds since 1970

_LINK_PARAMETERS = (
    query_parameter(
        "expires",
        {"type": "integer", "format": "int64", "minimum": 0, "maximum": EXPIRES_MAX},
        "Of a signed link, as a response has it",
        1772496000,
    ),
    query_parameter("signature", {"type": "string"}, "Of a signed link: it needs no token", "4Wr1zlWnwOqJQcWmpB2ZAw"),
)

LIST_FILES = Operation(
    tag="Files",
    summary="List files",
    description=(
        "In the order of their keys. With `sort` or a filter, which `path` is with `*` or a slash at its end, the "
        "indexed files that it admits. A page may be short although another one follows: continue until `next_cursor` "
        "is null."
    ),
    parameters=(
        COLLECTION_PARAMETER,
        query_parameter(
            "state",
            {"type": "string", "enum": [state.value for state in LISTED_STATES]},
            "Only files in this state",
            "failed",
        ),
        query_parameter(
            "reason",
            {"type": "string", "pattern": "^[a-z][a-z_]{0,39}$"},
            "Only files that failed for this reason, such as `access_denied`",
            "access_denied",
        ),
        SORT_PARAMETER,
        PATH_PARAMETER,
        *(each for each in FILTER_PARAMETERS if each["name"] != "path"),
        INCLUDE_PARAMETER,
        LIMIT_PARAMETER,
        CURSOR_PARAMETER,
    ),
    answer="FileList",
    result=obj({"files": array(ref("ListedFile"))}),
    identifiers=(("file", "/result/files/0/uuid"),),
    info=obj({"files_count": FILES_COUNT, "next_cursor": NEXT_CURSOR}),
    errors=(404,),
)
SHOW_FILE = Operation(
    tag="Files",
    summary="Show a file",
    description="A file of any state, with the reason if it failed.",
    parameters=(FILE_PARAMETER, INCLUDE_PARAMETER),
    answer="File",
    result=obj({"file": ref("ListedFile")}),
    identifiers=(("collection", "/result/file/collection"),),
    errors=(404,),
)
DELETE_FILE = Operation(
    tag="Files",
    summary="Delete a file",
    description=(
        "Deletes a file of a managed collection for good, with its thumbnail and its embedding. Its name stays for 30 "
        "days, so that late messages about it are recognised."
    ),
    parameters=(FILE_PARAMETER,),
    result=MESSAGE,
    errors=(404,),
)
RETRY_FILE = Operation(
    tag="Files",
    summary="Try a file again",
    description="Tries to index a failed file again.",
    parameters=(FILE_PARAMETER,),
    status=202,
    has_location=True,
    result=MESSAGE,
    errors=(404, 409),
)
DOWNLOAD_FILE = Operation(
    tag="Files",
    summary="Download a file",
    description=(
        "Redirects to a URL that serves the original for five minutes; with `Accept: application/json` alone, returns "
        "that URL. A `download_url` is signed and needs no token; without its signature, send one. 409 "
        "`not_downloadable` says why there is no URL: the object may not be read now, is in an archive, or has a key "
        "that no URL can name."
    ),
    parameters=(
        FILE_PARAMETER,
        *_LINK_PARAMETERS,
        query_parameter("inline", {"type": "string", "enum": ["1"]}, "Show the picture instead of saving it", "1"),
    ),
    status=302,
    answer="Download",
    result=obj({"download": ref("DownloadLink")}),
    other_statuses=(200,),
    raw_response={
        "description": "Redirects to the original",
        "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
    },
    errors=(404, 409),
)
SHOW_THUMBNAIL = Operation(
    tag="Files",
    summary="Show a thumbnail",
    description=(
        "The URL in `thumbnail` is signed: it needs no token, works for one to two days, and stays the same for a day. "
        "Without its signature, send a token. A further size is made when it is first asked for; where that fails, the "
        "response has 512 pixels for a minute. `Thumbnail-Size` says which size was sent."
    ),
    parameters=(
        *_LINK_PARAMETERS,
        query_parameter(
            "size",
            {
                "type": "string",
                "enum": [str(size.value) for size in ThumbnailSize],
                "default": str(ThumbnailSize.MEDIUM.value),
            },
            "Longest side in pixels; no picture is enlarged. May be added to a signed link",
            "256",
        ),
        path_parameter("collection", "The UUID of the collection", COLLECTION_ID, identifies="collection"),
        path_parameter(
            "file",
            "The UUID of the file, and `.jpg`",
            f"{FILE_ID}.jpg",
            {"type": "string", "pattern": "^[0-9a-f-]{36}\\.jpg$"},
            identifies="thumbnail",
        ),
    ),
    raw_response={
        "description": "A JPEG",
        "headers": {
            "Thumbnail-Size": {
                "schema": {"type": "integer", "format": "int64"},
                "description": "The size that was sent",
            }
        },
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    errors=(404,),
    trailing_slash=False,
)


class JpegResponse(Response):
    """A picture that API Gateway sends as bytes, whatever types the caller's Accept header names.

    Chalice refuses a binary response to callers that do not name its type there, as some browsers do not.
    """

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(body, {"Content-Type": "image/jpeg", **headers}, 200)

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:  # noqa: ARG002  # Chalice's signature
        response: dict[str, Any] = super().to_dict([])
        return {**response, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


def _opened_file(context: RequestContext, file_id: str, path: str) -> tuple[FileRecord, int | None]:
    """The indexed file that a token, or a signed link to ``path``, opens; and when the link expires.

    Raises:
        LinkExpired: the link is no longer valid.
        NotFound: there is no such file, it is another account's, or the link was not signed for it.
    """
    expires = parse_whole_number(parameter(context.request, "expires"), "expires", 0, EXPIRES_MAX)
    if context.authenticated is not None:
        return context.indexed_file(file_id), None
    if expires is None:
        raise InvalidRequest("The link has no 'expires'. Take it as the response has it.", field="expires")
    if expires <= context.services.now().timestamp():
        raise LinkExpired("This link has expired. Ask for the file again to get a new one.")
    record = context.services.files.get_of_any_account(file_id)
    assert record.embedding is not None
    link = Link(path, record.account, record.embedding.md5, expires)
    if not context.services.links.is_signed(link, parameter(context.request, "signature") or ""):
        raise NotFound("There is no such file.")
    context.known.linked_account = record.account
    return record, expires


def _thumbnail_cache(context: RequestContext, expires: int | None) -> dict[str, str]:
    """With a token only the caller may keep a thumbnail, and asks again; a link never leads to another picture."""
    if expires is None:
        return {"Cache-Control": _THUMBNAIL_CACHE, "Vary": "Authorization, Origin"}
    seconds = max(0, expires - int(context.services.now().timestamp()))
    return {"Cache-Control": f"public, max-age={seconds}, immutable"}


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    files = Blueprint(__name__)
    route = dispatcher.routes(files)

    @route("GET", "/api/collections/{uuid}/files", scope=Scope.READ, any_plan=True, operation=LIST_FILES)
    def list_files(context: RequestContext) -> Result:
        collection, request = context.collection(), context.request
        state, limit = parse_file_state(parameter(request, "state")), parse_limit(parameter(request, "limit"))
        reason = parse_failure_reason(parameter(request, "reason"), state)
        if reason is not None:
            state = FileState.FAILED
        parse_include(parameters(request, "include"))  # a listed file has all of these fields
        if is_sorted_or_filtered(context):
            return list_sorted_files(context, collection, state, limit)
        path = parse_path_filter(parameter(request, "path"))
        scope = (collection.uuid, "files", state, reason, path)
        after = decode_cursor(parameter(request, "cursor"), scope)
        if after is not None and not is_key(after, collection):
            raise invalid_cursor()
        files = context.services.files
        if path is not None:
            page = files.page_of_path(collection, path, state, reason=reason)
        else:
            page = files.page(collection, state, after=after, limit=limit, reason=reason)
        serialized = [serializers.file(record, collection, context.links) for record in page.records]
        next_cursor = encode_cursor(scope, page.after)
        return Result({"files": serialized}, info={"files_count": len(serialized), "next_cursor": next_cursor})

    @route("GET", "/api/files/{uuid}", scope=Scope.READ, any_plan=True, operation=SHOW_FILE)
    def show_file(context: RequestContext) -> Result:
        parse_include(parameters(context.request, "include"))
        record = context.services.files.get(context.account, context.path["uuid"])
        collection = context.services.collections.get(context.account, record.collection)
        return Result({"file": serializers.file(record, collection, context.links)})

    @route("DELETE", "/api/files/{uuid}", scope=Scope.WRITE, any_plan=True, operation=DELETE_FILE)
    def delete_file(context: RequestContext) -> Result:
        context.services.files.delete(context.account, context.path["uuid"])
        return Result({"message": f"File {context.path['uuid']} is deleted."})

    @route("POST", "/api/files/{uuid}/retry", scope=Scope.WRITE, operation=RETRY_FILE)
    def retry_file(context: RequestContext) -> Result:
        record = context.services.files.retry(context.account, context.path["uuid"])
        message = f"File {record.uuid} will be tried again."
        return Result({"message": message}, status=202, location=f"/api/files/{record.uuid}/")

    @route(
        "GET",
        "/collections/download/{uuid}",
        scope=Scope.SEARCH,
        any_plan=True,
        takes_links=True,
        operation=DOWNLOAD_FILE,
    )
    def download_file(context: RequestContext) -> Response | Result:
        file = canonical_uuid(context.path["uuid"])
        inline = parse_flag(parameter(context.request, "inline"), "inline")
        record, _ = _opened_file(context, file, download_path(file))
        download = context.services.files.download(record, inline=inline)
        if accepts_only_json(context.request):
            return Result({"download": serializers.download(download)})
        return Response("", {"Location": download.url, "Content-Type": "text/plain", "Cache-Control": "no-store"}, 302)

    @route("GET", "/media/{collection}/{file}", scope=Scope.SEARCH, takes_links=True, operation=SHOW_THUMBNAIL)
    def show_thumbnail(context: RequestContext) -> Response:
        file_id, dot, extension = context.path["file"].rpartition(".")
        if not dot or extension != "jpg":
            raise NotFound("There is no such thumbnail.")
        # A link is signed with the identifiers as a response writes them.
        collection, file_id = canonical_uuid(context.path["collection"]), canonical_uuid(file_id)
        size = parse_thumbnail_size(parameter(context.request, "size"))
        record, expires = _opened_file(context, file_id, thumbnail_path(collection, file_id))
        if record.collection != collection:
            raise NotFound("There is no such thumbnail.")
        thumbnails, cache = context.services.thumbnails, _thumbnail_cache(context, expires)
        etag = f'"{thumbnails.tag(record, size)}"'
        if is_unchanged(context.request, etag):
            return Response("", {"ETag": etag, **cache}, 304)
        thumbnail = thumbnails.get(record, size)
        if f'"{thumbnail.tag}"' != etag:
            cache["Cache-Control"] = _SUBSTITUTE_CACHE
        headers = {"ETag": f'"{thumbnail.tag}"', "Thumbnail-Size": str(thumbnail.size.value), **cache}
        return JpegResponse(thumbnail.jpeg, headers)

    return files
