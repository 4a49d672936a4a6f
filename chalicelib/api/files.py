"""Single files, under the URLs that search results carry."""

from chalice.app import Blueprint, Response

from chalicelib.api.edge import Call, Edge
from chalicelib.domain.errors import NotFound

# A thumbnail changes only with its picture; a private cache, because it is its account's alone.
_CACHE = "private, max-age=300"


def blueprint(edge: Edge) -> Blueprint:
    files = Blueprint(__name__)
    route = edge.routes(files)

    @route("GET", "/media/{collection}/{file}")
    def show_thumbnail(call: Call) -> Response:
        name, dot, ending = call.path["file"].rpartition(".")
        if not dot or ending != "jpg":
            raise NotFound("There is no such thumbnail.")
        picture = call.services.files.thumbnail(call.account, call.path["collection"], name)
        return Response(picture, {"Content-Type": "image/jpeg", "Cache-Control": _CACHE}, 200)

    @route("GET", "/collections/download/{uuid}")
    def download_file(call: Call) -> Response:
        url = call.services.files.download_url(call.account, call.path["uuid"])
        return Response("", {"Location": url, "Content-Type": "text/plain", "Cache-Control": "no-store"}, 302)

    return files
