"""``/api/collections``: tried out, made, listed, shown, changed, deleted."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import json_object
from chalicelib.domain.collections import Collection


def blueprint(edge: Dispatcher) -> Blueprint:
    collections = Blueprint(__name__)
    route = edge.routes(collections)

    @route("GET", "/api/collections")
    def list_collections(call: RequestContext) -> Result:
        service = call.services.collections
        shown = [serializers.collection(each, call.services.now()) for each in service.all(call.account)]
        return Result({"collections": shown})

    @route("POST", "/api/collections")
    def create_collection(call: RequestContext) -> Result:
        service = call.services.collections
        created = service.create(call.caller, json_object(call.request))
        # What the role's trust policy must ask for; shown to its owner alone, and no secret to them.
        info = {"external_id": created.external_id} if created.external_id else {}
        return Result({"collection": serializers.collection(created, call.services.now())}, status=201, info=info)

    @route("POST", "/api/collections/check")
    def check_bucket(call: RequestContext) -> Result:
        examined = call.services.collections.check(call.account, json_object(call.request))
        return Result(serializers.examination(examined, call.services.config.events_queue_arn))

    @route("GET", "/api/collections/{uuid}")
    def show_collection(call: RequestContext) -> Result:
        return Result({"collection": serializers.collection(_collection(call), call.services.now())})

    @route("PATCH", "/api/collections/{uuid}")
    def change_collection(call: RequestContext) -> Result:
        service = call.services.collections
        changed = service.change(call.caller, _collection(call), json_object(call.request))
        return Result({"collection": serializers.collection(changed, call.services.now())})

    @route("DELETE", "/api/collections/{uuid}")
    def delete_collection(call: RequestContext) -> Result:
        collection = _collection(call)
        call.services.deletion.begin(collection)
        return Result(
            {"message": f"Collection {collection.uuid} is deleted; what it held is being removed."}, status=202
        )

    return collections


def _collection(call: RequestContext) -> Collection:
    return call.services.collections.get(call.account, call.path["uuid"])
