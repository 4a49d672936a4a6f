"""The first minutes of an account without pictures: samples by one click, an upload, or a bucket."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api.files import JpegResponse
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import PENDING

# In the package as in the repository: infra.package puts them beside app.py.
FOLDER = Path(__file__).resolve().parents[2] / "samples" / "photos"
SHOWN = (  # and their pixels
    ("red-panda.jpg", 640, 360),
    ("dutch-windmill.jpg", 320, 240),
    ("owl.jpg", 640, 427),
    ("drums.jpg", 640, 402),
    ("eiffel-tower.jpg", 180, 320),
    ("clownfish.jpg", 320, 240),
    ("great-wall-of-china.jpg", 320, 240),
    ("rocket-launch.jpg", 640, 427),
    ("koala.jpg", 480, 640),
    ("cup-of-coffee.jpg", 600, 400),
)
_CACHE = "public, max-age=86400"


@cache
def sample_names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in FOLDER.glob("*.jpg")))


def sample_pictures() -> Mapping[str, bytes]:
    return {name: (FOLDER / name).read_bytes() for name in sample_names()}


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/samples", methods=("POST",))
    def add_samples(request: PageRequest) -> Redirect:
        collection = request.services.samples.add(request.caller, text("first_run.collection"), sample_pictures())
        return Redirect(f"/samples/{collection.uuid}")

    @page("/samples/{uuid}")
    def show_progress(request: PageRequest) -> Page | Redirect:
        collection = request.services.collections.get(request.account.uuid, request.path["uuid"])
        if not collection.unindexed.get(PENDING):
            if collection.total_files:
                return Redirect(f"/?{urlencode({'query': text('first_run.first_query')})}")
            return Redirect(f"/collections/{collection.uuid}" if collection.files else "/", toast="first_run.not_added")
        data = {"collection": collection, "count": max(1, collection.files)}
        return Page("samples.html", data, fragment="progress")

    @page("/samples/photos/{name}", public=True, reads_session=False)
    def show_sample(request: PageRequest) -> Response:
        if request.path["name"] not in sample_names():
            raise NotFound("There is no such picture.")
        headers = {"Cache-Control": _CACHE, "Vary": "Accept-Encoding"}
        return JpegResponse((FOLDER / request.path["name"]).read_bytes(), headers)


def first_run_page(collections: Sequence[Collection]) -> Page:
    """What stands in place of the search while the account has no picture to find."""
    data = {
        "samples": SHOWN,
        "count": len(sample_names()),
        "waiting": sum(collection.files for collection in collections),
    }
    return Page("first_run.html", data)
