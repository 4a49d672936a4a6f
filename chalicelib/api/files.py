"""Files: listed, shown, tried again, deleted; and under the URLs that search results carry."""

import base64
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import limit, parameter
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.files import FileState

# A thumbnail changes only with its picture; a private cache, because it is its account's alone.
_CACHE = "private, max-age=300"
_LISTED = (FileState.INDEXED, FileState.FAILED, FileState.PENDING)


class Jpeg(Response):
    """A picture for API Gateway to send as bytes, whatever the caller's Accept header names.

    Chalice refuses a binary answer to callers that do not ask for its type by name, as browsers in part do.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body, {"Content-Type": "image/jpeg", "Cache-Control": _CACHE}, 200)

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:  # noqa: ARG002  # Chalice's signature
        answer: dict[str, Any] = super().to_dict([])
        return {**answer, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


def blueprint(edge: Dispatcher) -> Blueprint:
    files = Blueprint(__name__)
    route = edge.routes(files)

    @route("GET", "/api/collections/{uuid}/files")
    def list_files(call: RequestContext) -> Result:
        collection = call.services.collections.get(call.account, call.path["uuid"])
        state, count = _state(parameter(call.request, "state")), limit(parameter(call.request, "limit"))
        question = (collection.uuid, "files", state)
        after = decode_cursor(parameter(call.request, "cursor"), question)
        if after is not None and not isinstance(after, str):
            raise InvalidRequest("The cursor is not one of this question's.", field="cursor")
        page = call.services.files.page(collection, state, after=after, limit=count)
        shown = [serializers.file(record, collection.bucket, call.base_url) for record in page.records]
        following = encode_cursor(question, page.after) if page.after is not None else None
        return Result({"files": shown}, info={"files_count": len(shown), "next_cursor": following})

    @route("GET", "/api/files/{uuid}")
    def show_file(call: RequestContext) -> Result:
        record = call.services.files.get(call.account, call.path["uuid"])
        collection = call.services.collections.get(call.account, record.collection)
        return Result({"file": serializers.file(record, collection.bucket, call.base_url)})

    @route("DELETE", "/api/files/{uuid}")
    def delete_file(call: RequestContext) -> Result:
        call.services.files.delete(call.account, call.path["uuid"])
        return Result({"message": f"File {call.path['uuid']} is deleted."})

    @route("POST", "/api/files/{uuid}/retry")
    def retry_file(call: RequestContext) -> Result:
        record = call.services.files.retry(call.account, call.path["uuid"])
        return Result({"message": f"File {record.uuid} will be looked at again."}, status=202)

    @route("GET", "/media/{collection}/{file}")
    def show_thumbnail(call: RequestContext) -> Response:
        name, dot, ending = call.path["file"].rpartition(".")
        if not dot or ending != "jpg":
            raise NotFound("There is no such thumbnail.")
        return Jpeg(call.services.files.thumbnail(call.account, call.path["collection"], name))

    @route("GET", "/collections/download/{uuid}")
    def download_file(call: RequestContext) -> Response:
        url = call.services.files.download_url(call.account, call.path["uuid"])
        return Response("", {"Location": url, "Content-Type": "text/plain", "Cache-Control": "no-store"}, 302)

    return files


def _state(text: str | None) -> FileState | None:
    if text is None:
        return None
    if text not in _LISTED:
        raise InvalidRequest(f"state is one of {', '.join(_LISTED)}.", field="state")
    return FileState(text)
