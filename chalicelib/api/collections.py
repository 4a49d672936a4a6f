"""``/api/collections``: tried out, made, listed, shown, changed, deleted."""

from chalice.app import Blueprint

from chalicelib.api import present
from chalicelib.api.edge import Answer, Call, Edge
from chalicelib.api.requests import json_object
from chalicelib.domain.collections import Collection


def blueprint(edge: Edge) -> Blueprint:
    collections = Blueprint(__name__)
    route = edge.routes(collections)

    @route("GET", "/api/collections")
    def list_collections(call: Call) -> Answer:
        service = call.services.collections
        shown = [present.collection(each, service.now()) for each in service.all(call.account)]
        return Answer({"collections": shown})

    @route("POST", "/api/collections")
    def create_collection(call: Call) -> Answer:
        service = call.services.collections
        created = service.create(call.caller, json_object(call.request))
        # What the role's trust policy must ask for; shown to its owner alone, and no secret to them.
        info = {"external_id": created.external_id} if created.external_id else {}
        return Answer({"collection": present.collection(created, service.now())}, status=201, info=info)

    @route("POST", "/api/collections/check")
    def check_bucket(call: Call) -> Answer:
        examined = call.services.collections.check(call.account, json_object(call.request))
        return Answer(present.examination(examined, call.services.config.events_queue_arn))

    @route("GET", "/api/collections/{uuid}")
    def show_collection(call: Call) -> Answer:
        return Answer({"collection": present.collection(_collection(call), call.services.collections.now())})

    @route("PATCH", "/api/collections/{uuid}")
    def change_collection(call: Call) -> Answer:
        service = call.services.collections
        changed = service.change(call.caller, _collection(call), json_object(call.request))
        return Answer({"collection": present.collection(changed, service.now())})

    @route("DELETE", "/api/collections/{uuid}")
    def delete_collection(call: Call) -> Answer:
        collection = _collection(call)
        call.services.deletion.begin(collection)
        return Answer(
            {"message": f"Collection {collection.uuid} is deleted; what it held is being removed."}, status=202
        )

    return collections


def _collection(call: Call) -> Collection:
    return call.services.collections.get(call.account, call.path["uuid"])
