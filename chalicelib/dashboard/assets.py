"""Style sheet, icons and scripts: ``/assets/{digest}/{name}``, which a browser keeps for ever.

The digest is of all files together: scripts import one another by their names.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.dashboard.pages import PageDispatcher, PageRequest
from chalicelib.domain.errors import NotFound

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
_CACHE = "public, max-age=31536000, immutable"


@cache
def assets() -> dict[str, str]:
    """The text of each file by its name."""
    return {path.name: path.read_text("utf-8") for path in sorted(STATIC.iterdir()) if path.suffix in TYPES}


@cache
def digest() -> str:
    whole = hashlib.sha256()
    for name, text in assets().items():
        whole.update(f"{name}\0{text}\0".encode())
    return whole.hexdigest()[:16]


def asset_path(name: str) -> str:
    """The path of a file, without the stage or base path; raises KeyError if there is none."""
    if name not in assets():
        raise KeyError(name)
    return f"/assets/{digest()}/{name}"


def blueprint(dispatcher: PageDispatcher) -> Blueprint:
    files = Blueprint(__name__)
    page = dispatcher.pages(files)

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
        return Response(assets()[name], headers)

    return files
