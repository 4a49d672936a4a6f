"""``/api/collections``: creates, lists, shows, changes and deletes collections, and checks the access to a bucket."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import array, obj, ref, text
from chalicelib.api.openapi.operation import COLLECTION_PARAMETER, MESSAGE, Operation, json_body
from chalicelib.api.openapi.request_schemas import BUCKET_ON_AWS
from chalicelib.api.requests.bodies import (
    json_object,
    parse_bucket_description,
    parse_collection_change,
    parse_new_collection,
)
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection, NewS3Collection
from chalicelib.domain.rates import Rate

_ONE_COLLECTION = obj({"collection": ref("PictureCollection")})
LIST_COLLECTIONS = Operation(
    tag="Collections",
    summary="List collections",
    description="All collections of the account, oldest first.",
    answer="CollectionList",
    result=obj({"collections": array(ref("PictureCollection"))}),
    identifiers=(("collection", "/result/collections/0/uuid"),),
)
CREATE_COLLECTION = Operation(
    tag="Collections",
    summary="Create a collection",
    description=(
        "A managed collection, or one on a bucket of yours, whose access is checked first: "
        "`POST /api/collections/check/` says what it requires. A bucket on AWS has a `role_arn`; one on another server "
        "that speaks S3 has an `endpoint` and an access key, whose secret no response shows."
    ),
    body=json_body(ref("CollectionDefinition")),
    status=201,
    has_location=True,
    answer="CreatedCollection",
    result=_ONE_COLLECTION,
    identifiers=(("collection", "/result/collection/uuid"),),
    info=obj(
        {
            "external_id": text("For the role's trust policy", "smx-5b0f6c1e3c554f3b8f0a0d8a4f5b7c9e"),
            "warnings": array(ref("AccessWarning")),
        },
        optional=("external_id", "warnings"),
    ),
    errors=(409,),
)
CHECK_BUCKET = Operation(
    tag="Collections",
    summary="Check the access to a bucket",
    description=(
        "Returns the policies of the role that reads the bucket and, once the role is named, what is still missing. "
        "For a bucket at an `endpoint` it needs the access key instead. Creates nothing."
    ),
    body=json_body(ref("BucketDescription"), example=BUCKET_ON_AWS),
    result=ref("BucketAccessReport"),
)
SHOW_COLLECTION = Operation(
    tag="Collections",
    summary="Show a collection",
    description="Its settings, the state of its latest sync, and how many files it has.",
    parameters=(COLLECTION_PARAMETER,),
    answer="Collection",
    result=_ONE_COLLECTION,
    errors=(404,),
)
CHANGE_COLLECTION = Operation(
    tag="Collections",
    summary="Change a collection",
    description=(
        "Changes its name; for a collection on your bucket also the interval, its hour (`null` stands for the usual "
        "one), the patterns, and the role or the access key, whose access is checked first."
    ),
    parameters=(COLLECTION_PARAMETER,),
    body=json_body(ref("CollectionChange"), example={"name": "Photographs"}),
    answer="ChangedCollection",
    result=_ONE_COLLECTION,
    info=obj({"warnings": array(ref("AccessWarning"))}, optional=("warnings",)),
    errors=(404,),
)
DELETE_COLLECTION = Operation(
    tag="Collections",
    summary="Delete a collection",
    description=(
        "The collection disappears at once. Its index, catalogue, thumbnails and, if it is managed, files are deleted "
        "afterwards. Your own bucket stays unchanged."
    ),
    parameters=(COLLECTION_PARAMETER,),
    status=202,
    result=MESSAGE,
    errors=(404,),
)


def _serialized(collection: Collection, context: RequestContext) -> dict[str, Any]:
    services = context.services
    return serializers.collection(collection, services.now(), services.config.schedule_spread)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    collections = Blueprint(__name__)
    route = dispatcher.routes(collections)

    @route("GET", "/api/collections", scope=Scope.READ, any_plan=True, operation=LIST_COLLECTIONS)
    def list_collections(context: RequestContext) -> Result:
        owned = context.services.collections.all(context.account)
        return Result({"collections": [_serialized(collection, context) for collection in owned]})

    @route(
        "POST",
        "/api/collections",
        scope=Scope.WRITE,
        rate=Rate.UPLOAD,
        counted_by_view=True,
        operation=CREATE_COLLECTION,
    )
    def create_collection(context: RequestContext) -> Result:
        is_local = context.services.config.local_servers
        new = parse_new_collection(json_object(context.request), is_local=is_local)
        if isinstance(new, NewS3Collection) and new.source.server is not None:
            context.count(Rate.UPLOAD)
        collection, warnings = context.services.collections.create(context.caller, new)
        # For the role's trust policy; only its owner sees it, and to them it is no secret.
        info: dict[str, Any] = {"external_id": collection.external_id} if collection.external_id else {}
        if warnings:
            info["warnings"] = serializers.access_warnings(warnings)
        path = f"/api/collections/{collection.uuid}/"
        return Result({"collection": _serialized(collection, context)}, status=201, info=info, location=path)

    @route(
        "POST",
        "/api/collections/check",
        scope=Scope.WRITE,
        rate=Rate.UPLOAD,
        counted_by_view=True,
        safe=True,
        operation=CHECK_BUCKET,
    )
    def check_bucket(context: RequestContext) -> Result:
        is_local = context.services.config.local_servers
        source = parse_bucket_description(json_object(context.request), is_local=is_local)
        if source.server is not None and source.server.access_key is not None:
            context.count(Rate.UPLOAD)
        report = context.services.collections.check(context.account, source)
        return Result(serializers.access_report(report, context.services.config.events_queue_arn))

    @route("GET", "/api/collections/{uuid}", scope=Scope.READ, any_plan=True, operation=SHOW_COLLECTION)
    def show_collection(context: RequestContext) -> Result:
        return Result({"collection": _serialized(context.collection(), context)})

    @route(
        "PATCH",
        "/api/collections/{uuid}",
        scope=Scope.WRITE,
        rate=Rate.UPLOAD,
        counted_by_view=True,
        operation=CHANGE_COLLECTION,
    )
    def change_collection(context: RequestContext) -> Result:
        collection = context.collection()
        change = parse_collection_change(json_object(context.request), collection)
        if change.access_key is not None:
            context.count(Rate.UPLOAD)
        changed, warnings = context.services.collections.change(context.caller, collection, change)
        info = {"warnings": serializers.access_warnings(warnings)} if warnings else {}
        return Result({"collection": _serialized(changed, context)}, info=info)

    @route("DELETE", "/api/collections/{uuid}", scope=Scope.WRITE, any_plan=True, operation=DELETE_COLLECTION)
    def delete_collection(context: RequestContext) -> Result:
        collection = context.collection()
        context.services.collections.delete(context.caller, collection)
        message = f"Collection {collection.uuid} is deleted; its contents are being removed."
        return Result({"message": message}, status=202)

    return collections
