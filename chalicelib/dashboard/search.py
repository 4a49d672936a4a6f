"""The search, which is the first page: every search is an address, and parts of its page are what htmx swaps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api.dispatch import logger
from chalicelib.api.requests.bodies import parse_new_search_upload
from chalicelib.dashboard.chips import chips, search_title
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.filter_panel import Narrowing, filter_panel
from chalicelib.dashboard.first_run import first_run_page, sample_names
from chalicelib.dashboard.found_pictures import FoundPage, PictureSearch, read_cursor
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.search_address import WORDS, SearchAddress, Subject, is_canonical, read_address
from chalicelib.dashboard.suggestions import sample_texts, suggested_texts
from chalicelib.dashboard.tiles import Tile, tiles
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import InvalidRequest, NotFound, SimilarixError
from chalicelib.domain.rates import Rate

LAST_ADDED = 10
NEAREST = 12  # of a search that finds nothing closer than chance
DROPS = 4  # filters of a search without results that are tried without: each is a search
PAST = "past"  # the part of a page that shows what was left out


@dataclass(frozen=True, slots=True)
class Drop:
    """A search with one filter less, and how many pictures it would find: ``count``, or more if ``has_more``."""

    narrowing: Narrowing
    count: int
    has_more: bool


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/", rate=Rate.SEARCH)
    def show_search(request: PageRequest) -> Page | Redirect:
        values = query_values(request)
        address = read_address(values)
        # Words alone are answered at once: a redirect would cost a first search a tenth of a second. The page's script
        # writes the address of the search in their place.
        if not is_canonical(values) and not request.is_fragment and set(values) != {WORDS}:
            return Redirect(f"/{address.query()}")
        collections = request.services.collections.all(request.account.uuid)
        if not address.terms and not address.narrows:
            return _first_page(request, collections)
        searching = PictureSearch(request.services, request.caller, collections)
        if request.query.get("cursor") and request.is_fragment:
            return _further_page(request, searching, address)
        return _results_page(request, searching, address)

    @page("/search-pictures", methods=("POST",), rate=Rate.SEARCH)
    def prepare_search_picture(request: PageRequest) -> Response:
        """The form with which a script sends a picture to search by; sizes and types are checked as the API's."""
        size = request.form.text("size")
        if not size.isdecimal() or len(size) > 12:
            raise InvalidRequest("size is the picture's number of bytes.", field="size")
        new = parse_new_search_upload({"size": int(size), "mime_type": request.form.text("mime_type")})
        upload, form = request.services.search_uploads.prepare(request.caller, new)
        answer = {"id": upload.id, "url": form.url, "fields": dict(form.fields)}
        return Response(json.dumps(answer), {"Content-Type": "application/json"}, 201)


def query_values(request: PageRequest) -> dict[str, list[str]]:
    """The values of each parameter of the request's address."""
    return {name: request.query.all(name) for name, _ in request.query.pairs}


def _first_page(request: PageRequest, collections: Sequence[Collection]) -> Page | Redirect:
    """The page without a search: what may be tried, and what was added last."""
    pictures = sum(collection.total_files for collection in collections)
    if not pictures:
        page: Page | Redirect = first_run_page(collections)
    else:
        newest = request.services.file_finder.newest(request.account.uuid, LAST_ADDED)
        data = {
            "suggestions": _suggestions([file.file.key for file in newest]),
            "newest": tiles(newest, request.links),
            "pictures": pictures,
            "collections": sum(1 for collection in collections if collection.total_files),
        }
        page = Page("search_empty.html", data, origins=_origins(request))
    if request.request.headers.get("hx-target") == "results":  # the last term was taken away: all of the page changes
        return Redirect("/")
    return page


def _suggestions(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Texts to try, each with the query of its search, for an account whose latest files have these keys."""
    if all(key.rpartition("/")[2] in sample_names() for key in keys):
        return [(text, f"?{urlencode({'query': text})}") for text in sample_texts()]
    # Without the cut: with few pictures and a small model it can empty what a first look should find.
    return [(text, f"?{urlencode({'query': text, 'cutoff': 'off'})}") for text in suggested_texts(keys)]


def _results_page(request: PageRequest, searching: PictureSearch, address: SearchAddress) -> Page:
    failure, found = None, FoundPage()
    try:
        found = searching.find(address, read_cursor(request.query.get("cursor")))
    except SimilarixError as error:
        # A page of its own would lose the terms and filters, which may be what is to be changed.
        if error.status >= 500:
            logger.exception("unavailable")
        failure = error
    data = _results(request, searching, address, found)
    is_empty = failure is None and not found.shown
    data |= {
        "failure": failure,
        "drops": _drops(searching, address) if is_empty else [],
        "nearest": _nearest(request, searching, address) if is_empty and found.searched else [],
    }
    headers = {"HX-Push-Url": request.url(f"/{address.query()}")} if request.is_fragment else {}
    origins = _origins(request)
    return Page("search.html", data, failure.status if failure else 200, headers, fragment="results", origins=origins)


def _further_page(request: PageRequest, searching: PictureSearch, address: SearchAddress) -> Page:
    """What follows on the page that is shown: its next pictures, or what it has left out."""
    found = searching.find(address, read_cursor(request.query.get("cursor")))
    data = _results(request, searching, address, found)
    data |= {"failure": None, "drops": [], "nearest": [], "begins_past": request.query.get("part") == PAST}
    return Page("search.html", data, fragment="further")


def _results(
    request: PageRequest, searching: PictureSearch, address: SearchAddress, found: FoundPage
) -> dict[str, Any]:
    shown = chips(address, found.records, request.links, _uploads(searching, address))
    panel = filter_panel(address, searching.collections, found.files)
    every = tiles(found.files, request.links, address, found.begin.shown + 1, found.copies)
    anyway = replace(address, cutoff=False)
    return {
        "address": address,
        "title": search_title(shown, panel.narrowing),
        "chips": shown,
        "panel": panel,
        "found": found,
        "near": every[: found.kept],
        "far": every[found.kept :],
        "managed": any(collection.type is CollectionType.MANAGED for collection in searching.collections),
        "next_query": address.query(cursor=found.next.cursor) if found.next else None,
        "past_query": anyway.query(cursor=found.past.cursor, part=PAST) if found.past else None,
        "anyway": anyway,
        "again": replace(address, cutoff=True),
        "unfiltered": replace(address, collections=(), filters={}),
        "begins_past": False,
    }


def _nearest(request: PageRequest, searching: PictureSearch, address: SearchAddress) -> list[Tile]:
    """What comes next to a search that finds nothing before chance: it may be what was meant all the same."""
    anyway = replace(address, cutoff=False)
    return tiles(searching.find(anyway, limit=NEAREST).files, request.links, anyway)


def _drops(searching: PictureSearch, address: SearchAddress) -> list[Drop]:
    """What a search without results would find with each filter dropped, those that find most first."""
    drops = []
    for narrowing in filter_panel(address, searching.collections, ()).narrowing[:DROPS]:
        if not narrowing.without.terms and not narrowing.without.narrows:
            continue
        found = searching.find(narrowing.without)
        if found.files:
            drops.append(Drop(narrowing, len(found.files), found.next is not None))
    return sorted(drops, key=lambda drop: (drop.has_more, drop.count), reverse=True)


def _uploads(searching: PictureSearch, address: SearchAddress) -> dict[str, str]:
    """The URLs of the pictures that were uploaded for the search, as far as they are there, by their ids."""
    uploads, found = searching.services.search_uploads, {}
    for term in address.terms:
        if term.subject is Subject.UPLOAD:
            try:
                found[term.value] = uploads.picture_url(uploads.get(searching.caller, term.value))
            except NotFound:
                continue
    return found


def _origins(request: PageRequest) -> dict[str, list[str]]:
    """Where the page sends pictures to search by, and has them shown from."""
    origins = sorted(request.services.search_uploads.origins(request.account.uuid))
    return {"connect-src": origins, "img-src": origins}
