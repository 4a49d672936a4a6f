"""Uploads into managed collections: the page whose module sends many files to storage, and the form for one file."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from chalice.app import Response

from chalicelib.api.response_headers import retry_headers
from chalicelib.dashboard.collections import collection_of
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.texts import TEXTS
from chalicelib.domain.collections import Collection, CollectionType, check_takes_uploads
from chalicelib.domain.errors import FileExists, InvalidRequest, QuotaExceeded, RateLimited, SimilarixError
from chalicelib.domain.file_paths import parse_path
from chalicelib.domain.image_files import EXTENSIONS, INLINE_LIMIT, MIME_TYPES, parse_file_name
from chalicelib.domain.rates import Rate
from chalicelib.domain.thumbnails import ThumbnailSize
from chalicelib.domain.uploads import UPLOAD_LIMIT, NewUpload, parse_mime_type, parse_upload_size

# The type that is announced for a file, by its extension: browsers know no type of several of them.
TYPES = {extension: MIME_TYPES[name] for name, extensions in EXTENSIONS.items() for extension in extensions}


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/upload")
    def choose_collection(request: PageRequest) -> Redirect:
        chosen = request.query.text("collection")
        managed = _managed(request)
        collection = next((each for each in managed if each.uuid == chosen), managed[0] if managed else None)
        if collection is None or chosen == "new":
            return Redirect("/collections/new")
        return Redirect(f"/collections/{collection.uuid}/upload")

    @page("/collections/{uuid}/upload", methods=("GET", "POST"))
    def upload(request: PageRequest) -> Page | Redirect:
        collection = collection_of(request)
        check_takes_uploads(collection)
        if request.method != "POST":
            return _page(request, collection)
        file = request.form.files.get("file")
        try:
            if file is None:
                raise InvalidRequest(TEXTS["uploads"]["no_file"])
            _admit(request)
            name = parse_file_name(file.name)
            request.services.uploads.upload(request.caller, collection, name, file.body)
        except SimilarixError as error:
            if error.status >= 500:
                raise
            return _page(request, collection, error.message, error.status)
        return Redirect(f"/collections/{collection.uuid}/upload", toast="uploads.one_done")

    @page("/collections/{uuid}/uploads", methods=("POST",))
    @_as_json
    def prepare(request: PageRequest) -> dict[str, Any]:
        collection, form = collection_of(request), request.form
        check_takes_uploads(collection)
        _admit(request)
        size = form.text("size")
        new = NewUpload(
            path=parse_path(form.get("path")),
            size=parse_upload_size(int(size) if size.isdecimal() else None),
            mime_type=parse_mime_type(form.text("mime_type")),
        )
        prepared = request.services.uploads.prepare(request.caller, collection, new)
        return {"id": prepared.upload.id, "url": prepared.form.url, "fields": dict(prepared.form.fields)}

    @page("/collections/{uuid}/uploads/{id}", methods=("POST",))
    @_as_json
    def end(request: PageRequest) -> dict[str, Any]:
        collection, uploads = collection_of(request), request.services.uploads
        if request.form.text("do") == "cancel":
            uploads.cancel(collection, request.path["id"])
            return {}
        completed = uploads.complete(collection, request.path["id"])
        ended = uploads.get(collection, request.path["id"])
        record = request.services.files.get(request.account.uuid, completed.uuid)
        thumbnail = None
        if record.embedding is not None:
            md5 = record.embedding.md5
            thumbnail = request.links.thumbnail(collection.uuid, record.uuid, md5, ThumbnailSize.SMALL)
        address = request.url(f"/pictures/{completed.uuid}")
        return {"address": address, "thumbnail": thumbnail, "duplicate": ended.is_duplicate, "path": completed.path}


def _page(request: PageRequest, collection: Collection, wrong: str | None = None, status: int = 200) -> Page:
    services, plan = request.services, request.plan
    used = services.accounts.usage(request.account.uuid)
    room = min(plan.uploads_a_month - used["uploads_a_month"], plan.files - used["files"])
    parts = urlsplit(services.uploads.destination(collection))
    here = f"/collections/{collection.uuid}"
    data = {
        "collection": collection,
        "managed": _managed(request),
        "room": max(0, room),
        "takes_any": plan.uploads_a_month > 0,
        "plan": plan,
        "wrong": wrong,
        "inline_limit": INLINE_LIMIT,
        "settings": {
            "uploads": request.url(f"{here}/uploads"),
            "limit": UPLOAD_LIMIT,
            "types": TYPES,
            "words": {name.removeprefix("js_"): words for name, words in TEXTS["uploads"].items() if name[:3] == "js_"},
        },
    }
    origins = {"connect-src": (f"{parts.scheme}://{parts.netloc}",)}
    return Page("upload.html", data, status, origins=origins)


def _managed(request: PageRequest) -> list[Collection]:
    owned = request.services.collections.all(request.account.uuid)
    return [collection for collection in owned if collection.type is CollectionType.MANAGED]


def _admit(request: PageRequest) -> None:
    """Counts an upload of the user; raises RateLimited beyond the plan's rate, as for a token."""
    limit = request.plan.rate_limit(Rate.UPLOAD)
    status = request.services.rate_limiter.admit(request.account.uuid, request.user.id, limit)
    if not status.admitted:
        raise RateLimited(f"You may upload {limit.quota:,} pictures a minute. Go on in a moment.", status.seconds)


def _as_json(view: Callable[[PageRequest], dict[str, Any]]) -> Callable[[PageRequest], Response]:
    """A view for the page's module: its result and its errors are JSON."""

    @wraps(view)
    def answered(request: PageRequest) -> Response:
        headers: dict[str, Any] = {"Content-Type": "application/json"}
        try:
            return Response(json.dumps(view(request)), headers)
        except SimilarixError as error:
            body = {"error": error.code, "message": error.message, "ends": isinstance(error, QuotaExceeded)}
            if isinstance(error, FileExists):
                body["address"] = request.url(f"/pictures/{error.uuid}")
            return Response(json.dumps(body), {**headers, **retry_headers(error)}, error.status)

    return answered
