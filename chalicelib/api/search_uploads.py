"""``/api/search/uploads``: pictures of up to 20 MiB to search by, which go to S3 and not through this API."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import SEARCH_UPLOAD_ID, obj, ref
from chalicelib.api.openapi.operation import MESSAGE, Operation, json_body, path_parameter
from chalicelib.api.requests.bodies import json_object, parse_new_search_upload
from chalicelib.domain.accounts import Scope
from chalicelib.domain.rates import Rate

_ID_PARAMETER = path_parameter("id", "The id of the upload", SEARCH_UPLOAD_ID, identifies="search upload")
PREPARE_SEARCH_UPLOAD = Operation(
    tag="Search",
    summary="Prepare a picture to search by",
    description=(
        "For a picture of up to 20 MiB. Send the fields of `form`, then the file, to its `url` as multipart/form-data "
        "within ten minutes; then search with the upload's `id`. It is kept for an hour, in no collection."
    ),
    body=json_body(ref("SearchUploadDefinition")),
    status=201,
    has_location=True,
    result=ref("PreparedSearchUpload"),
    identifiers=(("search upload", "/result/upload/id"),),
    errors=(413, 415),
)
SHOW_SEARCH_UPLOAD = Operation(
    tag="Search",
    summary="Show a picture to search by",
    description="Whether it has arrived, and until when it is a query.",
    answer="SearchUpload",
    parameters=(_ID_PARAMETER,),
    result=obj({"upload": ref("SearchUpload")}),
    errors=(404,),
)
DELETE_SEARCH_UPLOAD = Operation(
    tag="Search",
    summary="Delete a picture to search by",
    description="Before its hour is over.",
    parameters=(_ID_PARAMETER,),
    result=MESSAGE,
    errors=(404,),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    search_uploads = Blueprint(__name__)
    route = dispatcher.routes(search_uploads)

    @route("POST", "/api/search/uploads", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=PREPARE_SEARCH_UPLOAD)
    def prepare_search_upload(context: RequestContext) -> Result:
        new = parse_new_search_upload(json_object(context.request))
        upload, form = context.services.search_uploads.prepare(context.caller, new)
        result = serializers.prepared_search_upload(upload, form)
        return Result(result, status=201, location=f"/api/search/uploads/{upload.id}/")

    @route("GET", "/api/search/uploads/{id}", scope=Scope.SEARCH, operation=SHOW_SEARCH_UPLOAD)
    def show_search_upload(context: RequestContext) -> Result:
        uploads = context.services.search_uploads
        upload = uploads.get(context.caller, context.path["id"])
        arrived = uploads.has_arrived(upload)
        return Result({"upload": serializers.search_upload(upload, arrived=arrived)})

    @route("DELETE", "/api/search/uploads/{id}", scope=Scope.SEARCH, operation=DELETE_SEARCH_UPLOAD)
    def delete_search_upload(context: RequestContext) -> Result:
        context.services.search_uploads.delete(context.caller, context.path["id"])
        return Result({"message": "The picture was deleted."})

    return search_uploads
