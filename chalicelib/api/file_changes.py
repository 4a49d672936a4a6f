"""``PATCH /api/files/{uuid}``: changes a file; ``POST /api/files/delete``: deletes many."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor, is_key
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import obj, ref
from chalicelib.api.openapi.operation import FILE_PARAMETER, NEXT_CURSOR, Operation, json_body
from chalicelib.api.requests.bodies import json_object, reject_unknown_fields
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection, canonical_uuid
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.file_deletions import DELETED_AT_ONCE_MAX, EXAMPLES, MATCHED_MAX
from chalicelib.domain.file_paths import parse_path
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter
from chalicelib.services.ports import Clock

_FIELDS = ("metadata", "path")
# Characters of a file's name in a request to delete it, which the answer repeats: more than any UUID has, and a
# thousand of them are within ``idempotency.ANSWER_LIMIT``.
NAME_LIMIT = 64
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
    body=json_body(ref("FileChange"), example={"metadata": {"product": "A1"}}),
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
        f"moment later. A filter deletes up to {MATCHED_MAX:,} files of a collection; `next_cursor`, sent as `cursor`, "
        "goes on behind them. `dry_run` only says what would be deleted."
    ),
    body=json_body(ref("FileDeletion")),
    result=ref("DeletionReport"),
    info=obj({"next_cursor": NEXT_CURSOR}),
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
        if not isinstance(item, str) or len(item) > NAME_LIMIT or not (item.isascii() and item.isprintable()):
            raise InvalidRequest("A file is named by its UUID.", field=f"files[{number}]")
    return list(dict.fromkeys(map(canonical_uuid, value)))


def _without_texts(report: dict[str, Any]) -> dict[str, Any]:
    """A deletion's report without what may be long: the paths, and why files were refused."""
    return {**report, "files": [{**file, "path": None, "message": None} for file in report["files"]]}


def parse_deletion_filter(value: object) -> Filter:
    """The filter of the files to delete; raises InvalidRequest for one that is malformed, or admits every file."""
    admitted = parse_filter(value)
    if not admitted:
        # An empty filter would delete everything: whoever wants that says so.
        raise InvalidRequest('Say which files to delete, or {"path": "*"} for all of the collection.', field="filter")
    return admitted


def _collection(context: RequestContext, value: object) -> Collection:
    if not isinstance(value, str):
        raise InvalidRequest("Name the collection whose files the filter is for, by its UUID.", field="collection")
    try:
        return context.services.collections.get(context.account, value)
    except NotFound as error:
        raise NotFound(error.message, field="collection") from error


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
        reject_unknown_fields(body, ("files", "collection", "filter", "cursor", "dry_run"))
        dry_run = body.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise InvalidRequest("dry_run is true or false.", field="dry_run")
        until = context.services.now() + REQUEST_TIME
        left = partial(_seconds_until, until, context.services.now)
        if "filter" not in body:
            for name in ("collection", "cursor"):
                if name in body:
                    raise InvalidRequest(f"{name} belongs to a filter.", field=name)
            report = service.delete_named(context.account, parse_named_files(body.get("files")), left, dry_run=dry_run)
            result = serializers.deletion_report(report)
            return Result(result, info={"next_cursor": None}, brief=_without_texts(result))
        if "files" in body:
            raise InvalidRequest("Send either 'files' or 'filter'.", field="files")
        admitted, collection = parse_deletion_filter(body["filter"]), _collection(context, body.get("collection"))
        scope = (collection.uuid, "deletion", repr(admitted))
        cursor = body.get("cursor")
        if cursor is not None and not isinstance(cursor, str):
            raise InvalidRequest("cursor is a string.", field="cursor")
        after = decode_cursor(cursor, scope)
        if after is not None and not is_key(after, collection):
            raise invalid_cursor()
        report = service.delete_matching(collection, admitted, after, left, dry_run=dry_run)
        return Result(serializers.deletion_report(report), info={"next_cursor": encode_cursor(scope, report.after)})

    return changes


def _seconds_until(moment: datetime, now: Clock) -> float:
    return (moment - now()).total_seconds()
