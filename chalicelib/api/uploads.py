"""Uploads into managed collections: ``…/upload`` takes a picture, ``…/uploads`` are uploads that go to S3."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import UPLOAD_ID, Schema, array, integer, obj, ref
from chalicelib.api.openapi.operation import (
    COLLECTION_PARAMETER,
    CURSOR_PARAMETER,
    LIMIT_PARAMETER,
    MESSAGE,
    NEXT_CURSOR,
    Operation,
    json_body,
    path_parameter,
    picture_form,
)
from chalicelib.api.requests.bodies import Body, json_object, parse_new_upload, parse_new_url_upload
from chalicelib.api.requests.forms import FIELD_LIMIT, Form, parse_form
from chalicelib.api.requests.headers import has_json_body, only_new
from chalicelib.api.requests.names import single_value
from chalicelib.api.requests.queries import parameter, parse_boolean, parse_limit
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection, check_takes_uploads, parse_uuid
from chalicelib.domain.errors import NotFound, UnsupportedMediaType
from chalicelib.domain.file_paths import PATH_LIMIT, parse_path
from chalicelib.domain.image_files import parse_file_name
from chalicelib.domain.metadata import parse_metadata_text
from chalicelib.domain.rates import Rate
from chalicelib.domain.uploads import CompletedUpload, parse_name_rule

_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "enum": ["*"]},
    "description": "`*`: refuse the upload (409) if a file has its path; the response has that file's `uuid` and `md5`",
    "example": "*",
}
_PATH: Schema = {
    "name": "path",
    "schema": {"type": "string", "minLength": 1, "maxLength": PATH_LIMIT},
    "description": "Where to store the file, with folders, as `2024/summer/a.jpg`; by default under its name",
    "example": "2024/summer/owl.jpg",
}
_REPLACE: Schema = {
    "name": "replace",
    "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    "description": "Whether to replace another picture of this path, instead of storing this one beside it",
    "example": "false",
}
_METADATA: Schema = {
    "name": "metadata",
    "schema": {"type": "string", "contentMediaType": "application/json", "maxLength": FIELD_LIMIT},
    "description": "A JSON object with names and values of your own; without it, a file that is there keeps its own",
    "example": '{"product_id": "A1"}',
}
_UPLOAD_PARAMETERS = (
    COLLECTION_PARAMETER,
    path_parameter("id", "The id of the upload", UPLOAD_ID, identifies="upload"),
)
UPLOAD_PICTURE = Operation(
    tag="Uploads",
    summary="Upload a picture",
    description=(
        "Into a managed collection. Send a picture of up to 4,500,000 bytes as a form: searches find it when this "
        "returns. A picture of up to 20 MiB is uploaded in two steps: prepare an upload. The same picture under the "
        "same path is the same file, so a request may be repeated; another picture is stored beside it as `a (1).jpg`."
    ),
    parameters=(COLLECTION_PARAMETER, _IF_NONE_MATCH),
    body=picture_form(_PATH, _REPLACE, _METADATA),
    status=201,
    has_location=True,
    result=ref("UploadedPicture"),
    identifiers=(("file", "/result/uuid"),),
    errors=(404, 409, 413, 415),
)
PREPARE_UPLOAD = Operation(
    tag="Uploads",
    summary="Prepare an upload",
    description=(
        "Of a picture of up to 20 MiB into a managed collection. The response has the form with which the picture is "
        "sent to S3 within ten minutes; complete the upload then."
    ),
    parameters=(COLLECTION_PARAMETER, _IF_NONE_MATCH),
    body=json_body(ref("UploadDefinition")),
    status=201,
    has_location=True,
    result=ref("PreparedUpload"),
    identifiers=(("upload", "/result/upload/id"), ("collection", "/result/upload/collection")),
    errors=(404, 409, 413, 415),
)
FETCH_PICTURE = Operation(
    tag="Uploads",
    summary="Upload a picture by its URL",
    description=(
        "Fetches a picture of up to 20 MiB into a managed collection, by HTTPS from a public address, within eight "
        "seconds and after three redirects at most. Searches find it when this returns."
    ),
    parameters=(COLLECTION_PARAMETER, _IF_NONE_MATCH),
    body=json_body(ref("FetchDefinition")),
    status=201,
    has_location=True,
    result=ref("UploadedPicture"),
    identifiers=(("file", "/result/uuid"),),
    errors=(404, 409, 413, 415),
)
LIST_UPLOADS = Operation(
    tag="Uploads",
    summary="List uploads under way",
    description=(
        "Uploads that were prepared and have not ended, in the order of their ids. A page may be short although "
        "another one follows: continue until `next_cursor` is null."
    ),
    parameters=(COLLECTION_PARAMETER, LIMIT_PARAMETER, CURSOR_PARAMETER),
    answer="UploadList",
    identifiers=(("upload", "/result/uploads/0/id"), ("collection", "/result/uploads/0/collection")),
    result=obj({"uploads": array(ref("Upload"))}),
    info=obj({"uploads_count": integer("Number of uploads returned", 1), "next_cursor": NEXT_CURSOR}),
    errors=(404,),
)
SHOW_UPLOAD = Operation(
    tag="Uploads",
    summary="Show an upload",
    description="An upload that was prepared: while it is under way, and for a day after it has ended.",
    parameters=_UPLOAD_PARAMETERS,
    answer="Upload",
    result=obj({"upload": ref("Upload")}),
    errors=(404,),
)
CANCEL_UPLOAD = Operation(
    tag="Uploads",
    summary="Cancel an upload",
    description=(
        "Ends an upload that was prepared, refunds its quota and deletes what was sent. Of one that has failed, "
        "nothing is left to do. 409 if it is complete: delete its file instead."
    ),
    parameters=_UPLOAD_PARAMETERS,
    result=MESSAGE,
    errors=(404, 409),
)
COMPLETE_UPLOAD = Operation(
    tag="Uploads",
    summary="Complete an upload",
    description=(
        "Completes an upload that was prepared, after its file was sent. Searches find the file when this returns; "
        "without this request they find it a moment later. May be repeated for a day, with the same result."
    ),
    parameters=_UPLOAD_PARAMETERS,
    status=201,
    has_location=True,
    result=ref("UploadedPicture"),
    identifiers=(("file", "/result/uuid"),),
    errors=(404, 409),
)


def _completed(collection: Collection, upload: CompletedUpload) -> Result:
    location = f"/api/files/{upload.uuid}/"
    return Result(serializers.completed_upload(collection, upload), status=201, location=location)


def _path(form: Form) -> str:
    """Where to store the file of a form: at the path, or else under its name."""
    path = single_value(form.values("path"), "path")
    return parse_file_name(form.file_name) if path is None else parse_path(path)


def _upload_id(position: object) -> str | None:
    """The id in a cursor; raises InvalidRequest where no upload can have it."""
    if position is None:
        return None
    try:
        return parse_uuid(str(position))
    except NotFound:
        raise invalid_cursor() from None


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    uploads = Blueprint(__name__)
    route = dispatcher.routes(uploads)

    @route("POST", "/api/collections/{uuid}/upload", scope=Scope.WRITE, rate=Rate.UPLOAD, operation=UPLOAD_PICTURE)
    def upload_picture(context: RequestContext) -> Result:
        collection = context.collection()
        if has_json_body(context.request):
            raise UnsupportedMediaType(
                "Send the picture as multipart/form-data. To send it to S3 instead, prepare an upload: "
                f"POST /api/collections/{collection.uuid}/uploads/."
            )
        form = parse_form(context.request, ("path", "replace", "metadata"))
        check_takes_uploads(collection)
        replaces = parse_boolean(single_value(form.values("replace"), "replace"), "replace")
        rule, service = parse_name_rule(only_new=only_new(context.request), replaces=replaces), context.services.uploads
        written = single_value(form.values("metadata"), "metadata")
        metadata = None if written is None else parse_metadata_text(written)
        upload = service.upload(context.caller, collection, _path(form), form.body, rule, metadata)
        return _completed(collection, upload)

    @route("POST", "/api/collections/{uuid}/uploads", scope=Scope.WRITE, rate=Rate.UPLOAD, operation=PREPARE_UPLOAD)
    def prepare_upload(context: RequestContext) -> Result:
        collection, body = context.collection(), json_object(context.request)
        if "url" in body:
            return fetch(context, collection, body)
        new = parse_new_upload(body, collection, only_new=only_new(context.request))
        prepared = context.services.uploads.prepare(context.caller, collection, new)
        location = f"/api/collections/{collection.uuid}/uploads/{prepared.upload.id}/"
        return Result(serializers.prepared_upload(prepared), status=201, location=location)

    @route(
        "POST", "/api/collections/{uuid}/uploads/fetch", scope=Scope.WRITE, rate=Rate.UPLOAD, operation=FETCH_PICTURE
    )
    def fetch_picture(context: RequestContext) -> Result:
        return fetch(context, context.collection(), json_object(context.request))

    def fetch(context: RequestContext, collection: Collection, body: Body) -> Result:
        new = parse_new_url_upload(body, collection, only_new=only_new(context.request))
        upload = context.services.url_uploads.upload(context.caller, collection, new)
        return _completed(collection, upload)

    @route("GET", "/api/collections/{uuid}/uploads", scope=Scope.READ, any_plan=True, operation=LIST_UPLOADS)
    def list_uploads(context: RequestContext) -> Result:
        collection, request = context.collection(), context.request
        limit, scope = parse_limit(parameter(request, "limit")), (collection.uuid, "uploads")
        after = _upload_id(decode_cursor(parameter(request, "cursor"), scope))
        page = context.services.uploads.page(collection, after=after, limit=limit)
        serialized = [serializers.upload(upload) for upload in page.uploads]
        info = {"uploads_count": len(serialized), "next_cursor": encode_cursor(scope, page.after)}
        return Result({"uploads": serialized}, info=info)

    @route("GET", "/api/collections/{uuid}/uploads/{id}", scope=Scope.READ, any_plan=True, operation=SHOW_UPLOAD)
    def show_upload(context: RequestContext) -> Result:
        upload = context.services.uploads.get(context.collection(), context.path["id"])
        return Result({"upload": serializers.upload(upload)})

    @route("DELETE", "/api/collections/{uuid}/uploads/{id}", scope=Scope.WRITE, any_plan=True, operation=CANCEL_UPLOAD)
    def cancel_upload(context: RequestContext) -> Result:
        context.services.uploads.cancel(context.collection(), context.path["id"])
        return Result({"message": f"Upload {context.path['id']} is cancelled."})

    @route("POST", "/api/collections/{uuid}/uploads/{id}/complete", scope=Scope.WRITE, operation=COMPLETE_UPLOAD)
    def complete_upload(context: RequestContext) -> Result:
        collection = context.collection()
        upload = context.services.uploads.complete(collection, context.path["id"])
        return _completed(collection, upload)

    return uploads
