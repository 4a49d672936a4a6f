"""The list of a collection's files: of one state or reason, found by a name or a folder, in one of four orders."""

from collections.abc import Sequence
from typing import Any

from chalicelib.api.cursors import decode_cursor, encode_cursor, is_key
from chalicelib.dashboard.collection_views import FileView, file_view
from chalicelib.dashboard.pages import PageRequest
from chalicelib.dashboard.texts import text
from chalicelib.dashboard.texts.states import FILE_STATES
from chalicelib.domain.collections import Collection, is_uuid
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import FilePosition, Order
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.filters import WILDCARD, Filter, PathMatches, PathPattern
from chalicelib.domain.thumbnails import ThumbnailSize

PAGE_SIZE = 50
# The orders of the list: by what, and whether the largest or latest comes first.
SORTS = {
    "path": (Order.PATH, False),
    "taken": (Order.TAKEN, True),
    "changed": (Order.MODIFIED, True),
    "size": (Order.SIZE, True),
}


def file_list(request: PageRequest, collection: Collection) -> dict[str, Any]:
    """The page of files that the query asks for; what it does not know is left out, as old links may have it."""
    query = request.query
    state = next((each for each in FileState if each.value == query.text("state")), None)
    reason = query.text("reason") or None if state is FileState.FAILED else None
    sort = query.text("sort") if query.text("sort") in SORTS else "path"
    path = query.get("path") or ""
    finds = bool(path) or sort != "path"
    # Only the vector store sorts, and finds a part of a name; it has searchable files alone.
    if finds and state in (None, FileState.INDEXED):
        records, cursor = _found(request, collection, path, sort)
    elif path:
        records, cursor = request.services.files.page_of_path(collection, path, state, reason=reason).records, None
    else:
        records, cursor = _listed(request, collection, state, reason)
    fields = [("state", state.value if state else ""), ("reason", reason or ""), ("path", path), ("sort", sort)]
    return {
        "files": [_view(request, collection, record) for record in records],
        "file_states": [("", text("collections.all")), *((name, words[0]) for name, words in FILE_STATES.items())],
        "state": state.value if state else "",
        "path": path,
        "sort": sort,
        "finds": finds,
        "cursor": cursor,
        "fields": [(name, value) for name, value in fields if value],
    }


def _view(request: PageRequest, collection: Collection, record: FileRecord) -> FileView:
    link = None
    if record.state is FileState.INDEXED and record.embedding is not None:
        link = request.links.thumbnail(record.collection, record.uuid, record.embedding.md5, ThumbnailSize.SMALL)
    return file_view(record, collection, link)


def _listed(
    request: PageRequest, collection: Collection, state: FileState | None, reason: str | None
) -> tuple[Sequence[FileRecord], str | None]:
    """A page of the catalogue, in the order of keys."""
    scope = (collection.uuid, "page", state, reason)
    after = _cursor(request, scope)
    if after is not None and not is_key(after, collection):
        after = None
    page = request.services.files.page(collection, state, after=after, limit=PAGE_SIZE, reason=reason)
    return page.records, encode_cursor(scope, page.after)


def _found(
    request: PageRequest, collection: Collection, path: str, sort: str
) -> tuple[Sequence[FileRecord], str | None]:
    """A page of searchable files whose path has the text, or that lie in the folder that ends in a slash."""
    order, descending = SORTS[sort]
    wanted = Filter((PathMatches((_pattern(path),)),)) if path else Filter()
    scope = (collection.uuid, "found", path, sort)
    after = _position(_cursor(request, scope), order)
    page = request.services.file_finder.page(
        collection, order, wanted, descending=descending, after=after, limit=PAGE_SIZE
    )
    return page.records, encode_cursor(scope, list(page.after) if page.after else None)


def _pattern(path: str) -> PathPattern:
    if WILDCARD in path or path.endswith("/"):
        return PathPattern.of(path)
    return PathPattern.of(f"{WILDCARD}{path}{WILDCARD}")


def _cursor(request: PageRequest, scope: object) -> Any:
    """Where the page begins; the first page for a cursor of another list."""
    try:
        return decode_cursor(request.query.get("cursor"), scope)
    except InvalidRequest:
        return None


def _position(decoded: Any, order: Order) -> FilePosition | None:
    match decoded:
        case [value, str() as uuid] if is_uuid(uuid) and not isinstance(value, bool):
            fits = isinstance(value, str) if order is Order.PATH else isinstance(value, int | None)
            return (value, uuid) if fits else None
    return None
