"""``/api/collections``: made, listed, shown, uploaded into."""

from chalice.app import Blueprint

from chalicelib.api import present
from chalicelib.api.edge import Answer, Call, Edge
from chalicelib.api.requests import form, json_object
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
        created = service.create(call.account, json_object(call.request))
        # What the role's trust policy must ask for; shown to its owner alone, and no secret to them.
        info = {"external_id": created.external_id} if created.external_id else {}
        return Answer({"collection": present.collection(created, service.now())}, status=201, info=info)

    @route("GET", "/api/collections/{uuid}")
    def show_collection(call: Call) -> Answer:
        return Answer({"collection": present.collection(_collection(call), call.services.collections.now())})

    @route("POST", "/api/collections/{uuid}/upload")
    def upload_file(call: Call) -> Answer:
        collection, sent = _collection(call), form(call.request)
        stored = call.services.uploads.upload(collection, sent.file_name, sent.body)
        result = {
            "message": "Image uploaded successfully",
            "collection": collection.uuid,
            "file": stored.file_name,
            "mime_type": stored.mime_type,
        }
        return Answer(result, status=201)

    return collections


def _collection(call: Call) -> Collection:
    return call.services.collections.get(call.account, call.path["uuid"])
