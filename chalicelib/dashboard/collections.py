"""The list of collections, and of one collection its files, failures, and what became of an object."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.dashboard.collection_files import file_list
from chalicelib.dashboard.collection_views import CollectionView, failures_by_reason, file_view, view
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.texts.states import reason_words
from chalicelib.dashboard.webhooks import stopped_webhooks
from chalicelib.domain.collections import Collection, CollectionType, NewManagedCollection, parse_name
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo
from chalicelib.domain.thumbnails import ThumbnailSize

COVERS_LIMIT = 12  # collections; of more, a list shows no picture: each is a query
EXAMPLES = 3  # keys that a reason of failures shows
POLL_SECONDS = 2
RETRY_SECONDS = 15  # of the 29 that API Gateway waits


def collection_of(request: PageRequest) -> Collection:
    """The collection that the path names; raises NotFound unless it is the account's."""
    return request.services.collections.get(request.account.uuid, request.path["uuid"])


def view_of(request: PageRequest, collection: Collection) -> CollectionView:
    return view(collection, request.services.now(), request.services.config.schedule_spread)


def thumbnail(request: PageRequest, record: FileRecord) -> str | None:
    """The URL of a small thumbnail of an indexed file."""
    if record.state is not FileState.INDEXED or record.embedding is None:
        return None
    return request.links.thumbnail(record.collection, record.uuid, record.embedding.md5, ThumbnailSize.SMALL)


def frame_data(request: PageRequest, collection: Collection, tab: str) -> dict[str, Any]:
    """What every page of one collection shows around its tab."""
    return {"view": view_of(request, collection), "tab": tab, "collection": collection, "said": None}


def countdown(seconds: float) -> Callable[[], float]:
    """Returns the seconds left, from now on."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/collections")
    def show_collections(request: PageRequest) -> Page:
        stopped = [] if request.is_fragment else stopped_webhooks(request)
        return Page("collections.html", {**_list_data(request), "stopped_webhooks": stopped}, fragment="list")

    @page("/collections/new", methods=("GET", "POST"))
    def make_collection(request: PageRequest) -> Page | Redirect:
        if request.method != "POST":
            return Page("collection_new.html", {"name": "", "wrong": None})
        try:
            new = NewManagedCollection(parse_name(request.form.get("name")))
        except InvalidRequest as error:
            data = {"name": request.form.text("name"), "wrong": error.message}
            return Page("collection_new.html", data, error.status)
        made, _ = request.services.collections.create(request.caller, new)
        return Redirect(f"/collections/{made.uuid}/upload", toast="collections.created")

    @page("/collections/{uuid}")
    def show_files(request: PageRequest) -> Page:
        collection = collection_of(request)
        data = frame_data(request, collection, "files") | file_list(request, collection)
        return Page("collection_files.html", data, fragment="tab")

    @page("/collections/{uuid}/failures", methods=("GET", "POST"))
    def show_failures(request: PageRequest) -> Page | Redirect:
        collection = collection_of(request)
        if request.method == "POST":
            if file := request.form.text("picked"):
                request.services.files.retry(request.account.uuid, file)
                return Redirect(f"/collections/{collection.uuid}/failures", toast="collections.will_look")
            reason = request.form.get("reason") or None
            request.services.file_retries.retry(collection, reason, countdown(RETRY_SECONDS))
            return Redirect(f"/collections/{collection.uuid}/failures", toast="collections.will_look")
        data = frame_data(request, collection, "failures") | {"groups": _failure_groups(request, collection)}
        return Page("collection_failures.html", data, fragment="tab")

    @page("/collections/{uuid}/explain")
    def explain_key(request: PageRequest) -> Page:
        collection = collection_of(request)
        key = request.query.get("key") or ""
        data = {**frame_data(request, collection, "explain"), "key": key, "wrong": None, "explanation": None}
        if key:
            try:
                data["explanation"] = _explanation(request, collection, key)
            except InvalidRequest as error:
                return Page("collection_explain.html", {**data, "wrong": error.message}, error.status, fragment="tab")
        return Page("collection_explain.html", data, fragment="tab")


def _list_data(request: PageRequest) -> dict[str, Any]:
    services, account = request.services, request.account.uuid
    owned = services.collections.all(account)
    covers: dict[str, str | None] = {}
    if len(owned) <= COVERS_LIMIT:
        for collection in owned:
            first = services.files.page(collection, FileState.INDEXED, after=None, limit=1).records
            covers[collection.uuid] = thumbnail(request, first[0]) if first else None
    views = [view_of(request, collection) for collection in owned]
    # What was syncing when the page asked for the last time, and is no longer: that is said aloud.
    watched = set(request.query.all("syncing"))
    ended = [each for each in views if each.uuid in watched and not each.is_syncing]
    return {
        "ended": ended,
        "watched": [("syncing", each.uuid) for each in views if each.is_syncing],
        "views": views,
        "covers": covers,
        "usage": services.accounts.usage(account),
        "plan": request.plan,
        "polls": any(each.is_syncing for each in views),
    }


def _failure_groups(request: PageRequest, collection: Collection) -> list[Mapping[str, Any]]:
    groups: list[Mapping[str, Any]] = []
    for reason, count in failures_by_reason(collection.unindexed):
        page = request.services.files.page(collection, FileState.FAILED, after=None, limit=EXAMPLES, reason=reason)
        title, advice = reason_words(reason, uploaded=collection.type is CollectionType.MANAGED)
        paths = [collection.path_of(record.key) for record in page.records]
        groups.append({"reason": reason, "count": count, "title": title, "advice": advice, "paths": paths})
    return groups


def _explanation(request: PageRequest, collection: Collection, key: str) -> Mapping[str, Any]:
    """What is known of an object, with the sentence and the tone that sum it up."""
    found = request.services.explanations.explain(collection, key)
    is_indexed = found.record is not None and found.record.state is FileState.INDEXED
    if found.in_index and is_indexed and found.current is not None:
        summary, tone, icon = "is_found", "good", "done"
    elif isinstance(found.current, ReadFailure):
        summary, tone, icon = "is_unreadable", "warn", "warning"
    elif found.current is None:
        summary, tone, icon = "is_missing", "", "info"
    else:
        summary, tone, icon = "is_not_found", "bad", "failed"
    record = found.record
    return {
        "found": found,
        "summary": summary,
        "tone": tone,
        "icon": icon,
        "object": found.current if isinstance(found.current, ObjectInfo) else None,
        "failure": found.current if isinstance(found.current, ReadFailure) else None,
        "file": file_view(record, collection, None) if record is not None else None,
    }
