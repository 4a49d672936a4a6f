"""``PATCH /api/files/{uuid}``: changes a file."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import obj, ref
from chalicelib.api.openapi.operation import FILE_PARAMETER, Operation, json_body
from chalicelib.api.requests.bodies import json_object, reject_unknown_fields
from chalicelib.domain.accounts import Scope
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_changes import FileChange

_FIELDS = ("metadata",)

CHANGE_FILE = Operation(
    tag="Files",
    summary="Change a file",
    description=(
        "Changes the metadata of a file in a managed collection, as a merge patch (RFC 7396): a name with null is "
        "removed, other names are set, the rest stays. Nothing is embedded anew. Lists have the change at once, "
        "searches a moment later."
    ),
    parameters=(FILE_PARAMETER,),
    body=json_body(ref("FileChange")),
    result=obj({"file": ref("File")}),
    errors=(404,),
)


def parse_file_change(body: dict[str, object]) -> FileChange:
    """The change in a JSON body; raises InvalidRequest if it is empty, or has an unknown field."""
    reject_unknown_fields(body, _FIELDS)
    if not body:
        raise InvalidRequest("Say what to change: metadata.")
    return FileChange(has_metadata="metadata" in body, metadata=body.get("metadata"))


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    changes = Blueprint(__name__)
    route = dispatcher.routes(changes)

    @route("PATCH", "/api/files/{uuid}", scope=Scope.WRITE, operation=CHANGE_FILE)
    def change_file(context: RequestContext) -> Result:
        change = parse_file_change(json_object(context.request))
        record = context.services.file_changes.change(context.account, context.path["uuid"], change)
        collection = context.services.collections.get(context.account, record.collection)
        return Result({"file": serializers.file(record, collection, context.links)})

    return changes
