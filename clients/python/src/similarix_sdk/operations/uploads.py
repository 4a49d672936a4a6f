"""Uploads into managed storage: one picture, a URL, or a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from similarix_sdk.decoding import decode, decode_all
from similarix_sdk.folders import FolderOutcome, FolderUpload
from similarix_sdk.models import Page, PreparedUpload, Upload, UploadedPicture
from similarix_sdk.operations.forms import send_form
from similarix_sdk.pictures import REQUEST_LIMIT, Picture, PictureSource, Progress, is_url, picture_of
from similarix_sdk.requests import FilePart, Request, parameters, path, present
from similarix_sdk.steps import Batch, Paging, Resource, Sender, Steps, batch, listing, operation

UPLOADS = "/api/collections/{uuid}/uploads/"
UPLOAD = "/api/collections/{uuid}/uploads/{id}/"
# What the parts of a form have beside the picture's bytes.
FORM_OVERHEAD = 16_384


@dataclass(frozen=True)
class Wish:
    """How a picture is to be stored."""

    path: str | None
    replace: bool = False
    only_new: bool = False
    metadata: Mapping[str, Any] | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.replace and self.only_new:
            raise ValueError("An upload may replace a file, or want none to be there, not both.")

    @property
    def headers(self) -> dict[str, str]:
        return {"If-None-Match": "*"} if self.only_new else {}

    def json(self, **values: Any) -> dict[str, Any]:
        return present(**values, replace=True if self.replace else None, metadata=self.metadata)


class UploadOperations(Resource):
    """A collection of managed storage is named by its uuid."""

    @operation
    def send(
        self,
        collection: str,
        picture: PictureSource,
        *,
        path: str | None = None,
        replace: bool = False,
        only_new: bool = False,
        metadata: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[UploadedPicture]:
        """Store a picture of up to 20 MiB; searches find it from then on.

        Up to 4,500,000 bytes go to the API, more go to S3 first. The server fetches what a URL names.

        Args:
            path: where it is stored in the collection; its own name unless given.
            replace: put it in the place of another picture of this path, instead of beside it.
            only_new: raise FileExists where any file has this path.
            progress: is called with the bytes that have been sent, and with how many there are.
        """
        wish = Wish(path, replace, only_new, metadata, idempotency_key)
        if is_url(picture):
            return fetch(self._api, collection, str(picture), wish)
        return send(self._api, collection, picture_of(picture), wish, progress)

    @batch
    def folder(
        self,
        collection: str,
        folder: str | PathLike[str],
        *,
        prefix: str = "",
        replace: bool = True,
        skip_stored: bool = True,
        only: Sequence[Path] | None = None,
        width: int = 4,
    ) -> Batch[FolderOutcome]:
        """Upload the pictures below a folder under their own paths; returns what became of each, as it ends.

        Pictures are known by their suffix; hidden files and folders are left out. A picture that cannot be stored has
        its error in the outcome, and the others go on.

        Args:
            prefix: a folder of the collection to put them into.
            replace: put a picture in the place of another one of its path, instead of beside it.
            skip_stored: do not send what the collection has already, by path and MD5.
            only: these files of the folder alone.
            width: how many are sent at once.
        """
        upload = FolderUpload(folder, prefix, skip_stored, only)

        def store(picture: Picture, target: str) -> Steps[UploadedPicture]:
            return send(self._api, collection, picture, Wish(target, replace), None)

        def stored(target: str) -> Steps[Any]:
            request = Request("GET", _files(collection), parameters(path=target, limit=1))
            files = (yield from self._api.call(request)).result.get("files")
            return files[0] if files else None

        return Batch(upload.operations(store, stored), width)

    @operation
    def prepare(
        self,
        collection: str,
        path: str,
        *,
        size: int,
        mime_type: str,
        replace: bool = False,
        only_new: bool = False,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[PreparedUpload]:
        """A form of S3's for a file of exactly this size in bytes, and of this type; ``complete`` ends the upload."""
        wish = Wish(path, replace, only_new, metadata, idempotency_key)
        return prepare(self._api, collection, wish, size, mime_type)

    @operation
    def complete(self, collection: str, id: str, *, idempotency_key: str | None = None) -> Steps[UploadedPicture]:
        """Store the file that was sent by the form. It may be repeated."""
        return complete(self._api, collection, id, idempotency_key)

    @operation
    def fetch(
        self,
        collection: str,
        url: str,
        *,
        path: str | None = None,
        replace: bool = False,
        only_new: bool = False,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[UploadedPicture]:
        """Have the server fetch a picture on the Web and store it."""
        return fetch(self._api, collection, url, Wish(path, replace, only_new, metadata, idempotency_key))

    @listing
    def list(self, collection: str, *, limit: int = 100) -> Paging[Upload]:
        """The uploads under way, ``limit`` a request."""
        return partial(_page, self._api, collection, limit)

    @operation
    def get(self, collection: str, id: str) -> Steps[Upload]:
        """One upload, also for a day after it has ended."""
        envelope = yield from self._api.call(Request("GET", path(UPLOAD, uuid=collection, id=id)))
        return decode(Upload, envelope.result.get("upload"))

    @operation
    def cancel(self, collection: str, id: str) -> Steps[None]:
        """Cancel an upload: what was sent is deleted."""
        yield from self._api.call(Request("DELETE", path(UPLOAD, uuid=collection, id=id)))


def send(
    api: Sender, collection: str, picture: Picture, wish: Wish, progress: Progress | None
) -> Steps[UploadedPicture]:
    """Store a picture, in one step where a request can hold it."""
    if picture.size > REQUEST_LIMIT - FORM_OVERHEAD:
        prepared = yield from prepare(api, collection, wish, picture.size, picture.mime_type, picture.name)
        yield from send_form(api, prepared.form, picture, progress)
        return (yield from complete(api, collection, prepared.upload.id, None))
    form = {"path": wish.path or picture.name}
    if wish.replace:
        form["replace"] = "true"
    if wish.metadata is not None:
        form["metadata"] = json.dumps(dict(wish.metadata))
    target = path("/api/collections/{uuid}/upload/", uuid=collection)
    request = Request("POST", target, form=form, file=FilePart(picture, progress), headers=wish.headers)
    return decode(UploadedPicture, (yield from api.call(request.keyed(wish.key))).result)


def prepare(
    api: Sender, collection: str, wish: Wish, size: int, mime_type: str, name: str | None = None
) -> Steps[PreparedUpload]:
    body = wish.json(path=wish.path or name, size=size, mime_type=mime_type)
    request = Request("POST", path(UPLOADS, uuid=collection), json=body, headers=wish.headers)
    return decode(PreparedUpload, (yield from api.call(request.keyed(wish.key))).result)


def complete(api: Sender, collection: str, id: str, key: str | None) -> Steps[UploadedPicture]:
    request = Request("POST", path(UPLOAD + "complete/", uuid=collection, id=id))
    return decode(UploadedPicture, (yield from api.call(request.keyed(key))).result)


def fetch(api: Sender, collection: str, url: str, wish: Wish) -> Steps[UploadedPicture]:
    body = wish.json(url=url, path=wish.path)
    request = Request("POST", path(UPLOADS + "fetch/", uuid=collection), json=body, headers=wish.headers)
    return decode(UploadedPicture, (yield from api.call(request.keyed(wish.key))).result)


def _page(api: Sender, collection: str, limit: int, cursor: str | None) -> Steps[Page[Upload]]:
    request = Request("GET", path(UPLOADS, uuid=collection), parameters(limit=limit, cursor=cursor))
    envelope = yield from api.call(request)
    uploads = decode_all(Upload, envelope.result.get("uploads"))
    return Page(uploads, envelope.info.get("next_cursor"), envelope.info)


def _files(collection: str) -> str:
    return path("/api/collections/{uuid}/files/", uuid=collection)
