"""Style sheet, icons, scripts and small pictures: ``/assets/{digest}/{name}``, which a browser keeps for ever."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalice.app import Response

from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import PageRequest
from chalicelib.dashboard.static_files import TYPES, assets, digest
from chalicelib.domain.errors import NotFound

_CACHE = "public, max-age=31536000, immutable"


class BinaryResponse(Response):
    """A response whose body is sent as it is, whatever the request's ``Accept`` says.

    Chalice would refuse a browser that does not name the type: https://aws.github.io/chalice/topics/views.html.
    """

    def to_dict(self, binary_types: Sequence[str] | None = None) -> dict[str, Any]:  # noqa: ARG002  # the application's
        written: dict[str, Any] = super().to_dict([str(self.headers["Content-Type"])])
        return written


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/assets/{digest}/{name}", public=True, reads_session=False)
    def show_asset(request: PageRequest) -> Response:
        name = request.path["name"]
        if request.path["digest"] != digest() or name not in assets():
            raise NotFound("There is no such file. Load the page anew.")
        headers: dict[str, Any] = {
            "Content-Type": TYPES[Path(name).suffix],
            "Cache-Control": _CACHE,
            "Vary": "Accept-Encoding",
        }
        content = assets()[name]
        if headers["Content-Type"].startswith("image/webp"):
            return BinaryResponse(content, headers)
        return Response(content.decode(), headers)
