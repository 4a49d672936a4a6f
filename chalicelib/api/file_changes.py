"""``PATCH /api/files/{uuid}``: changes a file; ``POST /api/files/delete``: deletes many."""

from datetime import datetime, timedelta
from functools import partial

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import obj, ref
from chalicelib.api.openapi.operation import FILE_PARAMETER, Operation, json_body
from chalicelib.api.requests.bodies import json_object, reject_unknown_fields
from chalicelib.api.requests.names import check_name
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.file_deletions import DELETED_AT_ONCE_MAX, EXAMPLES, MATCHED_MAX
from chalicelib.domain.file_paths import parse_path
from chalicelib.services.ports import Clock

_FIELDS = ("metadata", "path")
REQUEST_TIME = timedelta(seconds=15)  # for deletions; API Gateway waits 29, and the last of them takes a while

CHANGE_FILE = Operation(
    tag="Files",
    summary="Change a file",
    description=(
        "Changes the metadata of a file in a managed collection, as a merge patch (RFC 7396): a name with null is "
        "removed, other names are set, the rest stays. `path` renames or moves the file within its collection; its "
        "UUID follows from its path, and changes. Nothing is embedded anew. Lists have the change at once, searches "
        "have changed metadata a moment later."
    ),
    parameters=(FILE_PARAMETER,),
    body=json_body(ref("FileChange")),
    answer="File",
    result=obj({"file": ref("ListedFile")}),
    identifiers=(("collection", "/result/file/collection"),),
    errors=(404, 409),
)
DELETE_FILES = Operation(
    tag="Files",
    summary="Delete files",
    description=(
        "Deletes files of managed collections for good: those that `files` names, or all that `filter` matches. In the "
        f"response, `files` has what became of each named file, or {EXAMPLES} that match. `pending` ones are deleted a "
        f"moment later. A filter deletes up to {MATCHED_MAX:,} files; if `complete` is false, the same request deletes "
        "the next ones. `dry_run` only says what would be deleted."
    ),
    body=json_body(ref("FileDeletion")),
    result=ref("DeletionReport"),
    errors=(404,),
)


def parse_file_change(body: dict[str, object]) -> FileChange:
    """The change in a JSON body; raises InvalidRequest if it is empty, or has an unknown field."""
    reject_unknown_fields(body, _FIELDS)
    if not body:
        raise InvalidRequest("Say what to change: metadata, path, or both.")
    path = parse_path(body["path"]) if "path" in body else None
    return FileChange(has_metadata="metadata" in body, metadata=body.get("metadata"), path=path)


def parse_named_files(value: object) -> list[str]:
    """The uuids of the files to delete, in their order, none twice; raises InvalidRequest for other values."""
    if not isinstance(value, list) or not 1 <= len(value) <= DELETED_AT_ONCE_MAX:
        raise InvalidRequest(f"files is a list of 1 to {DELETED_AT_ONCE_MAX:,} UUIDs.", field="files")
    for number, item in enumerate(value):
        if not isinstance(item, str):
            raise InvalidRequest("A file is named by its UUID.", field=f"files[{number}]")
    return list(dict.fromkeys(value))


def _is_folder_or_file(path: str) -> bool:
    """Whether a ``*`` at the end stands for a whole folder: ``2024/o*`` would be a pattern."""
    return not path.endswith("*") or path == "*" or path.endswith("/*")


def parse_folder_filter(context: RequestContext, value: object) -> tuple[Collection, str]:
    """The collection and the path of a filter.

    Raises:
        InvalidRequest: it has another form.
        NotFound: there is no such collection.
    """
    if not isinstance(value, dict):
        raise InvalidRequest("filter is an object with 'collection' and 'path'.", field="filter")
    for name in value:
        check_name(name, ("collection", "path"), "field in filter")
    collection, path = value.get("collection"), value.get("path")
    if not isinstance(collection, str):
        raise InvalidRequest("filter.collection is the UUID of a collection.", field="filter.collection")
    # An empty path would delete everything: whoever wants that says so by '*'.
    if not isinstance(path, str) or not path or "*" in path.removesuffix("*") or not _is_folder_or_file(path):
        raise InvalidRequest(
            "filter.path is a folder, such as '2024/', a file, such as '2024/owl.jpg', or '*' for all files.",
            field="filter.path",
        )
    try:
        return context.services.collections.get(context.account, collection), path.removesuffix("*")
    except NotFound as error:
        raise NotFound(error.message, field="filter.collection") from error


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    changes = Blueprint(__name__)
    route = dispatcher.routes(changes)

    @route("PATCH", "/api/files/{uuid}", scope=Scope.WRITE, operation=CHANGE_FILE)
    def change_file(context: RequestContext) -> Result:
        change = parse_file_change(json_object(context.request))
        record = context.services.file_changes.change(context.account, context.path["uuid"], change)
        collection = context.services.collections.get(context.account, record.collection)
        return Result({"file": serializers.file(record, collection, context.links)})

    @route("POST", "/api/files/delete", scope=Scope.WRITE, any_plan=True, operation=DELETE_FILES)
    def delete_files(context: RequestContext) -> Result:
        body, service = json_object(context.request), context.services.file_deletion
        reject_unknown_fields(body, ("files", "filter", "dry_run"))
        dry_run = body.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise InvalidRequest("dry_run is true or false.", field="dry_run")
        if ("files" in body) == ("filter" in body):
            raise InvalidRequest("Send either 'files' or 'filter'.", field="files")
        if "filter" in body:
            collection, path = parse_folder_filter(context, body["filter"])
            report = service.delete_matching(collection, path, dry_run=dry_run)
        else:
            files = parse_named_files(body["files"])
            until = context.services.now() + REQUEST_TIME
            left = partial(_seconds_until, until, context.services.now)
            report = service.delete_named(context.account, files, left, dry_run=dry_run)
        return Result(serializers.deletion_report(report))

    return changes


def _seconds_until(moment: datetime, now: Clock) -> float:
    return (moment - now()).total_seconds()
