"""``/api/collections/{uuid}/sync``: starts, previews, cancels and shows syncs; and explains the state of an object."""

import time
from collections.abc import Callable

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import obj, ref, text
from chalicelib.api.openapi.operation import COLLECTION_PARAMETER, MESSAGE, Operation, json_body, query_parameter
from chalicelib.api.requests.bodies import parse_sync_options
from chalicelib.api.requests.queries import parameter, parse_path_filter
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Trigger

PREVIEW_SECONDS = 20  # of the 29 that API Gateway waits

START_SYNC = Operation(
    tag="Synchronization",
    summary="Trigger a sync",
    description=(
        "Brings the collection in line with its bucket. With `dry_run` it returns 200 and only says what a sync would "
        "do, in `preview`."
    ),
    parameters=(COLLECTION_PARAMETER,),
    body=json_body(ref("SyncOptions"), example={"dry_run": True}, required=False),
    status=202,
    has_location=True,
    answer="Sync",
    result=obj({"message": text("A confirmation"), "preview": ref("SyncPreview")}, optional=("preview",)),
    other_statuses=(200,),
    errors=(404, 409),
)
CANCEL_SYNC = Operation(
    tag="Synchronization",
    summary="Cancel a sync",
    description="Files that it has indexed stay; those that it would have removed stay, too.",
    parameters=(COLLECTION_PARAMETER,),
    result=MESSAGE,
    errors=(404, 409),
)
SHOW_SYNC_STATUS = Operation(
    tag="Synchronization",
    summary="Check the sync status",
    description=(
        "The state of the latest sync. `last_sync` here is that of the last manual one; in a collection it is that of "
        "the last successful one."
    ),
    parameters=(COLLECTION_PARAMETER,),
    result=ref("SyncState"),
    errors=(404,),
)
EXPLAIN_OBJECT = Operation(
    tag="Synchronization",
    summary="Explain an object",
    description="Why searches find, or do not find, an object of the bucket, or an uploaded file.",
    parameters=(
        COLLECTION_PARAMETER,
        query_parameter(
            "key",
            {"type": "string", "minLength": 1},
            "The object's key in S3, without a leading slash; in a managed collection the file's name is enough",
            "images/owl.jpg",
        ),
        query_parameter(
            "path",
            {"type": "string", "minLength": 1},
            "In place of `key`: the path of the file within the collection, such as `2024/owl.jpg`",
            "2024/owl.jpg",
        ),
    ),
    result=ref("ObjectExplanation"),
    errors=(404,),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    syncs = Blueprint(__name__)
    route = dispatcher.routes(syncs)

    @route("POST", "/api/collections/{uuid}/sync", scope=Scope.WRITE, operation=START_SYNC)
    def start_sync(context: RequestContext) -> Result:
        collection, options = context.collection(), parse_sync_options(context.request)
        if options.dry_run:
            preview = context.services.syncs.preview(collection, _countdown(PREVIEW_SECONDS))
            message = "Nothing was changed: this is what a sync would do."
            return Result({"message": message, "preview": serializers.preview(preview)})
        context.services.syncs.start(
            collection,
            Trigger.MANUAL,
            confirm_removals=options.confirm_removals,
            retry_failed=options.retry_failed,
        )
        message = f"Sync triggered successfully for collection {collection.uuid}."
        return Result({"message": message}, status=202, location=f"/api/collections/{collection.uuid}/sync-status/")

    @route("DELETE", "/api/collections/{uuid}/sync", scope=Scope.WRITE, operation=CANCEL_SYNC)
    def cancel_sync(context: RequestContext) -> Result:
        collection = context.collection()
        context.services.syncs.cancel(collection)
        return Result({"message": f"Sync cancelled for collection {collection.uuid}."})

    @route("GET", "/api/collections/{uuid}/sync-status", scope=Scope.READ, operation=SHOW_SYNC_STATUS)
    def show_sync_status(context: RequestContext) -> Result:
        services = context.services
        spread = services.config.schedule_spread
        return Result(serializers.sync_status(context.collection(), services.now(), spread))

    @route("GET", "/api/collections/{uuid}/explain", scope=Scope.READ, operation=EXPLAIN_OBJECT)
    def explain_object(context: RequestContext) -> Result:
        collection, key = context.collection(), parameter(context.request, "key")
        path = parse_path_filter(parameter(context.request, "path"))
        return Result(serializers.explanation(context.services.explanations.explain(collection, key, path)))

    return syncs


def _countdown(seconds: float) -> Callable[[], float]:
    """Returns the seconds left, from now on."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
