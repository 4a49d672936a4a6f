"""``/api/collections/{uuid}/upload``: a picture sent along, or prepared here and sent to S3."""

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import form, json_object, only_new, wants_json
from chalicelib.domain.collections import Collection

if TYPE_CHECKING:
    from chalicelib.domain.uploads import CompletedUpload


def blueprint(edge: Dispatcher) -> Blueprint:
    uploads = Blueprint(__name__)
    route = edge.routes(uploads)

    @route("POST", "/api/collections/{uuid}/upload")
    def upload_file(call: RequestContext) -> Result:
        collection, fresh = _collection(call), only_new(call.request)
        if wants_json(call.request):
            wish = json_object(call.request)
            prepared = call.services.uploads.prepare(call.caller, collection, wish, only_new=fresh)
            return Result(serializers.prepared_upload(prepared), status=201)
        sent = form(call.request)
        stored = call.services.uploads.upload(call.caller, collection, sent.file_name, sent.body, only_new=fresh)
        return Result(_stored(collection, stored), status=201)

    @route("POST", "/api/collections/{uuid}/upload/{id}/complete")
    def complete_upload(call: RequestContext) -> Result:
        collection = _collection(call)
        stored = call.services.uploads.complete(collection, call.path["id"])
        return Result(_stored(collection, stored), status=201)

    return uploads


def _stored(collection: Collection, stored: "CompletedUpload") -> dict[str, Any]:
    return {
        "message": "Image uploaded successfully",
        "collection": collection.uuid,
        "file": stored.file_name,
        "mime_type": stored.mime_type,
    }


def _collection(call: RequestContext) -> Collection:
    return call.services.collections.get(call.account, call.path["uuid"])
