"""``/api/collections/{uuid}/upload``: takes a picture with the request, or prepares an upload to S3."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import UPLOAD_ID, Schema, ref
from chalicelib.api.openapi.operation import COLLECTION_PARAMETER, Operation, form_content, path_parameter
from chalicelib.api.requests.bodies import json_object, parse_new_upload
from chalicelib.api.requests.forms import parse_form
from chalicelib.api.requests.headers import has_json_body, only_new
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection
from chalicelib.domain.rates import Rate
from chalicelib.domain.uploads import CompletedUpload

_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "enum": ["*"]},
    "description": "`*`: refuse the upload (409) if a file of its name exists, instead of replacing that file",
}
UPLOAD_FILE = Operation(
    tag="Uploads",
    summary="Upload a picture",
    description=(
        "Into a managed collection. Send a picture of up to 4,500,000 bytes as a form: searches find it when this "
        "returns. For a picture of up to 20 MiB, send JSON: the response says where to send the file."
    ),
    parameters=(COLLECTION_PARAMETER, _IF_NONE_MATCH),
    body={
        "required": True,
        "content": {**form_content(), "application/json": {"schema": ref("NewUpload")}},
    },
    status=201,
    has_location=True,
    result={"oneOf": [ref("Uploaded"), ref("PreparedUpload")]},
    errors=(404, 409, 413, 415),
)
COMPLETE_UPLOAD = Operation(
    tag="Uploads",
    summary="Complete an upload",
    description=(
        "Completes an upload that was prepared with JSON, after its file was sent. Searches find the file when this "
        "returns; without this request they find it a moment later."
    ),
    parameters=(COLLECTION_PARAMETER, path_parameter("id", "The id of the upload", UPLOAD_ID)),
    status=201,
    has_location=True,
    result=ref("Uploaded"),
    errors=(404, 409),
)


def _completed(collection: Collection, upload: CompletedUpload) -> Result:
    location = f"/api/files/{upload.uuid}/"
    return Result(serializers.completed_upload(collection, upload), status=201, location=location)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    uploads = Blueprint(__name__)
    route = dispatcher.routes(uploads)

    @route("POST", "/api/collections/{uuid}/upload", scope=Scope.WRITE, rate=Rate.UPLOAD, operation=UPLOAD_FILE)
    def upload_file(context: RequestContext) -> Result:
        collection, new_file_only = context.collection(), only_new(context.request)
        service = context.services.uploads
        if has_json_body(context.request):
            new = parse_new_upload(json_object(context.request), collection)
            prepared = service.prepare(context.caller, collection, new, only_new=new_file_only)
            return Result(serializers.prepared_upload(prepared), status=201)
        form = parse_form(context.request)
        upload = service.upload(context.caller, collection, form.file_name, form.body, only_new=new_file_only)
        return _completed(collection, upload)

    @route("POST", "/api/collections/{uuid}/upload/{id}/complete", scope=Scope.WRITE, operation=COMPLETE_UPLOAD)
    def complete_upload(context: RequestContext) -> Result:
        collection = context.collection()
        upload = context.services.uploads.complete(collection, context.path["id"])
        return _completed(collection, upload)

    return uploads
