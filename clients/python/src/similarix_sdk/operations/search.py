"""Searches: by text, by picture, by file, and by terms with weights."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from similarix_sdk.decoding import decode_all
from similarix_sdk.models import FoundFile, Page
from similarix_sdk.operations.search_uploads import send_search_upload
from similarix_sdk.pictures import (
    REQUEST_LIMIT,
    UPLOAD_LIMIT,
    Picture,
    PictureSource,
    is_url,
    picture_of,
)
from similarix_sdk.queries import Filter, SearchOptions, Term
from similarix_sdk.requests import FilePart, Request, parameters, path
from similarix_sdk.steps import Envelope, Paging, Resource, Sender, Steps, listing, operation

SEARCH = "/api/search/"


@dataclass(frozen=True)
class _Query:
    """What is searched by, without its options."""

    text: str | None
    picture: PictureSource | None
    without: Sequence[str]
    like: Sequence[str]
    unlike: Sequence[str]
    upload: str | None
    terms: Sequence[Term]

    def __post_init__(self) -> None:
        others = (self.text, self.picture, self.without, self.like, self.unlike, self.upload)
        if self.terms and any(others):
            raise ValueError("A query has either terms or the other parts of a query, not both.")
        if self.picture is not None and self.upload is not None:
            raise ValueError("A query has either a picture or an upload, not both.")


class SearchOperations(Resource):
    """The searches of both clients."""

    @operation
    def search(
        self,
        text: str | None = None,
        *,
        picture: PictureSource | None = None,
        without: Sequence[str] = (),
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        upload: str | None = None,
        terms: Sequence[Term] = (),
        limit: int | None = None,
        collections: Sequence[str] = (),
        max_distance: float | None = None,
        cutoff: str | None = None,
        match: str | None = None,
        include: Sequence[str] = (),
        filter: Filter | None = None,
        fold_duplicates: bool = False,
        cursor: str | None = None,
    ) -> Steps[Page[FoundFile]]:
        """One page of pictures, nearest first.

        Args:
            text: what the pictures show.
            picture: a path, bytes, an open file, a URL, which is fetched from here, or a Pillow image, up to 20 MiB.
            without: texts of what is not wanted.
            like, unlike: uuids of files to be near to, and far from.
            upload: the id of a picture that was uploaded to search by.
            terms: texts and files with weights, instead of all of the above.
            limit: files a page, 1 to 100. Without it, or another option, the answer has no next page.
            include: names of further fields of the results.
            fold_duplicates: show each picture once, with the other files that show it.
        """
        query = _Query(text, picture, without, like, unlike, upload, terms)
        options = SearchOptions(limit, collections, max_distance, cutoff, match, include, filter, fold_duplicates)
        return _search(self._api, query, options, cursor)

    @listing
    def search_all(
        self,
        text: str | None = None,
        *,
        without: Sequence[str] = (),
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        upload: str | None = None,
        terms: Sequence[Term] = (),
        limit: int = 100,
        collections: Sequence[str] = (),
        max_distance: float | None = None,
        cutoff: str | None = None,
        match: str | None = None,
        include: Sequence[str] = (),
        filter: Filter | None = None,
        fold_duplicates: bool = False,
    ) -> Paging[FoundFile]:
        """All pictures, nearest first, ``limit`` a request. A picture is uploaded first: ``search_uploads.send``."""
        query = _Query(text, None, without, like, unlike, upload, terms)
        options = SearchOptions(limit, collections, max_distance, cutoff, match, include, filter, fold_duplicates)
        return partial(_search, self._api, query, options)

    @operation
    def similar(
        self,
        file: str,
        *,
        limit: int | None = None,
        collections: Sequence[str] = (),
        max_distance: float | None = None,
        cutoff: str | None = None,
        include: Sequence[str] = (),
        filter: Filter | None = None,
        fold_duplicates: bool = False,
        cursor: str | None = None,
    ) -> Steps[Page[FoundFile]]:
        """One page of the pictures nearest to a file, which is named by its uuid and is not among them."""
        options = SearchOptions(limit, collections, max_distance, cutoff, None, include, filter, fold_duplicates)
        return _similar(self._api, file, options, cursor)

    @listing
    def similar_all(
        self,
        file: str,
        *,
        limit: int = 100,
        collections: Sequence[str] = (),
        max_distance: float | None = None,
        cutoff: str | None = None,
        include: Sequence[str] = (),
        filter: Filter | None = None,
        fold_duplicates: bool = False,
    ) -> Paging[FoundFile]:
        """All pictures, the nearest to a file first, ``limit`` a request."""
        options = SearchOptions(limit, collections, max_distance, cutoff, None, include, filter, fold_duplicates)
        return partial(_similar, self._api, file, options)


def _similar(api: Sender, file: str, options: SearchOptions, cursor: str | None) -> Steps[Page[FoundFile]]:
    target = path("/api/files/{uuid}/similar/", uuid=file)
    return _page((yield from api.call(Request("GET", target, options.parameters(cursor)))))


def _search(api: Sender, query: _Query, options: SearchOptions, cursor: str | None) -> Steps[Page[FoundFile]]:
    if query.terms:
        body = {"query": [term.to_json() for term in query.terms], **options.to_json(cursor)}
        return _page((yield from api.call(Request("POST", f"{SEARCH}terms/", json=body))))
    if query.picture is None:
        return _page((yield from _by_parameters(api, query, query.upload, options, cursor)))
    picture = yield from _fetched(api, query.picture)
    if picture.size <= REQUEST_LIMIT:
        fields = _fields(query, None, options, cursor)
        # A search changes nothing, so it may be sent again.
        return _page((yield from api.call(Request("POST", SEARCH, fields, file=FilePart(picture)))))
    # The API deletes it after an hour. Its next page needs it, so it is not deleted here.
    upload = yield from send_search_upload(api, picture, None)
    return _page((yield from _by_parameters(api, query, upload.id, options, cursor)))


def _by_parameters(
    api: Sender, query: _Query, upload: str | None, options: SearchOptions, cursor: str | None
) -> Steps[Envelope]:
    return api.call(Request("GET", SEARCH, _fields(query, upload, options, cursor)))


def _fields(query: _Query, upload: str | None, options: SearchOptions, cursor: str | None) -> list[tuple[str, str]]:
    parts = parameters(query=query.text, without=query.without, like=query.like, unlike=query.unlike, upload=upload)
    return [*parts, *options.parameters(cursor)]


def _page(envelope: Envelope) -> Page[FoundFile]:
    files = decode_all(FoundFile, envelope.result.get("files"))
    return Page(files, envelope.info.get("next_cursor"), envelope.info)


class _Limited(io.BytesIO):
    """Keeps what a server on the Web sends, up to what a search takes."""

    def write(self, piece: object) -> int:
        written = super().write(piece)  # type: ignore[arg-type]
        if self.tell() > UPLOAD_LIMIT:
            raise ValueError(f"The picture has more than {UPLOAD_LIMIT} bytes.")
        return written


def _fetched(api: Sender, source: PictureSource) -> Steps[Picture]:
    """The picture; what a URL names is fetched without the token."""
    if not isinstance(source, str) or not is_url(source):
        return picture_of(source)
    sink = _Limited()
    response = yield from api.send(Request("GET", source, sink=sink, redirects=True))
    if not response.ok:
        raise ValueError(f"{source} answered with status {response.status}.")
    return picture_of(sink.getvalue())
