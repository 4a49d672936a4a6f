"""Files of collections: lists, changes, deletions, originals and thumbnails."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from similarix_sdk.decoding import decode, decode_all
from similarix_sdk.models import DeletionReport, DownloadLink, FoundFile, ListedFile, Page
from similarix_sdk.queries import Filter
from similarix_sdk.requests import Request, filter_parameters, parameters, path, present
from similarix_sdk.sending import refusal
from similarix_sdk.steps import Paging, Resource, Sender, Steps, listing, operation
from similarix_sdk.unchanged import UNCHANGED, Unchanged

FILE = "/api/files/{uuid}/"
FILES = "/api/collections/{uuid}/files/"
DELETION = "/api/files/delete/"


class FileOperations(Resource):
    """Files are named by their uuids."""

    @listing
    def list(
        self,
        collection: str,
        *,
        state: str | None = None,
        reason: str | None = None,
        sort: str | None = None,
        filter: Filter | None = None,
        include: Sequence[str] = (),
        limit: int = 100,
    ) -> Paging[ListedFile]:
        """All files of a collection, ``limit`` a request.

        Args:
            state: ``indexed``, ``failed`` or ``pending``.
            reason: why files have failed.
            sort: ``path``, ``size``, ``modified`` or ``taken``, with ``-`` before it the other way round.
        """

        def page(cursor: str | None) -> Steps[Page[ListedFile]]:
            options = parameters(state=state, reason=reason, sort=sort, include=include, limit=limit, cursor=cursor)
            request = Request("GET", path(FILES, uuid=collection), [*options, *filter_parameters(filter)])
            envelope = yield from self._api.call(request)
            files = decode_all(ListedFile, envelope.result.get("files"))
            return Page(files, envelope.info.get("next_cursor"), envelope.info)

        return page

    @operation
    def find(self, collection: str, path: str) -> Steps[ListedFile | None]:
        """The file of exactly this path in the collection, or None."""
        request = Request("GET", _files(collection), parameters(path=path, limit=1))
        files = decode_all(ListedFile, (yield from self._api.call(request)).result.get("files"))
        return files[0] if files else None

    @operation
    def get(self, uuid: str, *, include: Sequence[str] = ()) -> Steps[ListedFile]:
        """One file. It has all fields that ``include`` may name."""
        envelope = yield from self._api.call(Request("GET", path(FILE, uuid=uuid), parameters(include=include)))
        return decode(ListedFile, envelope.result.get("file"))

    @operation
    def change(
        self, uuid: str, *, metadata: Mapping[str, Any] | Unchanged | None = UNCHANGED, path: str | None = None
    ) -> Steps[ListedFile]:
        """Merge metadata into a file's, where None removes a name, or all names; rename or move it.

        A moved file has another uuid, which the answer has.
        """
        body: dict[str, Any] = present(path=path)
        if not isinstance(metadata, Unchanged):
            body["metadata"] = metadata
        envelope = yield from self._api.call(Request("PATCH", _file(uuid), json=body))
        return decode(ListedFile, envelope.result.get("file"))

    @operation
    def delete(self, uuid: str) -> Steps[None]:
        """Delete a managed file for good."""
        yield from self._api.call(Request("DELETE", path(FILE, uuid=uuid)))

    @operation
    def delete_many(self, uuids: Sequence[str], *, idempotency_key: str | None = None) -> Steps[DeletionReport]:
        """Delete up to 1,000 managed files for good, each of which is answered."""
        request = Request("POST", DELETION, json={"files": [*uuids]})
        return _report((yield from self._api.call(request.keyed(idempotency_key))))

    @operation
    def delete_matching(
        self,
        collection: str,
        filter: Filter,
        *,
        dry_run: bool = False,
        cursor: str | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[DeletionReport]:
        """Delete what a filter admits of a managed collection; ``next_cursor`` goes on where there is more."""
        body = present(collection=collection, filter=filter, cursor=cursor) | ({"dry_run": True} if dry_run else {})
        return _report((yield from self._api.call(Request("POST", DELETION, json=body).keyed(idempotency_key))))

    @operation
    def retry(self, uuid: str, *, idempotency_key: str | None = None) -> Steps[None]:
        """Try a failed file again; raises NotRetriable for any other."""
        yield from self._api.call(Request("POST", path(FILE + "retry/", uuid=uuid)).keyed(idempotency_key))

    @operation
    def link(self, uuid: str, *, inline: bool = False) -> Steps[DownloadLink]:
        """A URL of the original for five minutes, which needs no token. ``inline`` shows it in a browser."""
        return _link(self._api, uuid, inline)

    @operation
    def download(self, uuid: str, to: BinaryIO) -> Steps[None]:
        """Write the original into a binary file, which can be sought, from its beginning."""
        link = yield from _link(self._api, uuid, False)
        yield from _fetch(self._api, Request("GET", link.url, sink=to, redirects=True))

    @operation
    def read(self, uuid: str) -> Steps[bytes]:
        """The bytes of the original."""
        link = yield from _link(self._api, uuid, False)
        body = io.BytesIO()
        yield from _fetch(self._api, Request("GET", link.url, sink=body, redirects=True))
        return body.getvalue()

    @operation
    def thumbnail(self, file: FoundFile | ListedFile, *, size: int | None = None) -> Steps[bytes]:
        """A thumbnail as JPEG; its longest side has 256, 512 (unless given) or 1,024 pixels.

        The file may be one or two days old: then its link has expired. Raises ValueError where there is no thumbnail.
        """
        if file.thumbnail is None:
            raise ValueError(f"{file.file_name} has no thumbnail.")
        # The link's signature is the right to it; a parameter that follows needs none.
        target = file.thumbnail if size is None else f"{file.thumbnail}&size={size}"
        body = io.BytesIO()
        yield from _fetch(self._api, Request("GET", target, sink=body))
        return body.getvalue()

    @operation
    def read_thumbnail(self, collection: str, uuid: str, *, size: int | None = None) -> Steps[bytes]:
        """The thumbnail of a file that is known by its identifiers alone, as ``thumbnail`` returns it."""
        target = path("/media/{collection}/{file}", collection=collection, file=f"{uuid}.jpg")
        body = io.BytesIO()
        yield from _fetch(self._api, Request("GET", target, parameters(size=size), sink=body))
        return body.getvalue()


def _file(uuid: str) -> str:
    return path(FILE, uuid=uuid)


def _files(collection: str) -> str:
    return path(FILES, uuid=collection)


def _link(api: Sender, uuid: str, inline: bool) -> Steps[DownloadLink]:
    request = Request("GET", path("/collections/download/{uuid}/", uuid=uuid), parameters(inline=1 if inline else None))
    return decode(DownloadLink, (yield from api.call(request)).result.get("download"))


def _fetch(api: Sender, request: Request) -> Steps[None]:
    response = yield from api.send(request)
    if not response.ok:
        raise refusal(response)


def _report(envelope: Any) -> DeletionReport:
    return decode(DeletionReport, {**envelope.result, "next_cursor": envelope.info.get("next_cursor")})
