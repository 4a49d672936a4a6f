"""Single files, under the URLs that search results carry."""

import base64
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api.edge import Call, Edge
from chalicelib.domain.errors import NotFound

# A thumbnail changes only with its picture; a private cache, because it is its account's alone.
_CACHE = "private, max-age=300"


class Jpeg(Response):
    """A picture for API Gateway to send as bytes, whatever the caller's Accept header names.

    Chalice refuses a binary answer to callers that do not ask for its type by name, as browsers in part do.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body, {"Content-Type": "image/jpeg", "Cache-Control": _CACHE}, 200)

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:  # noqa: ARG002  # Chalice's signature
        answer: dict[str, Any] = super().to_dict([])
        return {**answer, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


def blueprint(edge: Edge) -> Blueprint:
    files = Blueprint(__name__)
    route = edge.routes(files)

    @route("GET", "/media/{collection}/{file}")
    def show_thumbnail(call: Call) -> Response:
        name, dot, ending = call.path["file"].rpartition(".")
        if not dot or ending != "jpg":
            raise NotFound("There is no such thumbnail.")
        return Jpeg(call.services.files.thumbnail(call.account, call.path["collection"], name))

    @route("GET", "/collections/download/{uuid}")
    def download_file(call: Call) -> Response:
        url = call.services.files.download_url(call.account, call.path["uuid"])
        return Response("", {"Location": url, "Content-Type": "text/plain", "Cache-Control": "no-store"}, 302)

    return files
