"""One picture, large, with its facts, why it was found, and its neighbours in the results."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.api.dispatch import logger
from chalicelib.dashboard.chips import Chip, chips
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.found_pictures import PAGE_SIZE, PictureSearch
from chalicelib.dashboard.pages import Page, PageRequest, Redirect, check_rate
from chalicelib.dashboard.search import query_values
from chalicelib.dashboard.search_address import SearchAddress, SearchTerm, Subject, read_address
from chalicelib.dashboard.texts import text
from chalicelib.dashboard.tiles import PICKED_MAX, Tile, copies_path, tiles
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import NotFound, SimilarixError
from chalicelib.domain.files import FileRecord
from chalicelib.domain.rates import Rate
from chalicelib.domain.thumbnails import ThumbnailSize
from chalicelib.domain.vectors import SearchOptions

SIMILAR = 12
COPIES_MAX = PICKED_MAX - 1  # the page of a selection lists them with the picture itself
PLACE_MAX = 300  # a picture further back in the results has no neighbours on its page: all before it are searched for
# Of all pictures, the fraction that is as near to an unrelated search: below each, what people call it.
CLOSENESS = ((1e-3, "very_close"), (0.02, "close"), (0.2, "near"), (math.inf, "far"))
FULL_METER = 4  # decimal places of that fraction: one in 10,000 fills the meter


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where a picture stands in the results, from 1 on; ``count`` is None where they go on."""

    place: int
    count: int | None
    previous: Tile | None
    next: Tile | None


@dataclass(frozen=True, slots=True)
class Reason:
    """How near the picture is to one term: in a word, which is empty without statistics, and from 0 to 1."""

    label: str
    closeness: str
    amount: float


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/pictures/{uuid}")
    def show_picture(request: PageRequest) -> Page:
        record, collection = _picture(request)
        address = read_address(query_values(request))
        neighbours = reasons = chance = None
        if address.terms or address.narrows:
            try:
                check_rate(request, Rate.SEARCH)  # only with a search: a picture alone may be looked at without end
                searching = PictureSearch(
                    request.services, request.caller, request.services.collections.all(request.account.uuid)
                )
                neighbours = _neighbours(request, searching, address, record)
                reasons, chance = _reasons(request, searching, address, record)
            except SimilarixError as error:
                # The picture is shown all the same: only what the search would say of it is missing.
                if error.status >= 500:
                    logger.exception("unavailable")
        data = _facts(request, record, collection) | {
            "address": address,
            "searched": bool(address.terms or address.narrows),
            "neighbours": neighbours,
            "reasons": reasons or [],
            "chance": chance,
            "more": address.with_term(SearchTerm(Subject.FILE, record.uuid)),
            "less": address.with_term(SearchTerm(Subject.FILE, record.uuid, wanted=False)) if address.terms else None,
        }
        return Page("picture.html", data)

    @page("/pictures/{uuid}/similar", rate=Rate.SEARCH)
    def show_similar(request: PageRequest) -> Page | Redirect:
        record, collection = _picture(request)
        if not request.is_fragment:
            like = SearchAddress((SearchTerm(Subject.FILE, record.uuid),), cutoff=False)
            return Redirect(f"/{like.query()}")
        search = request.services.search
        found = search.by_file(record, SearchOptions(limit=COPIES_MAX)).hits
        copies = {hit.uuid for hit in search.copies(record, collection, found)}
        others = [hit for hit in found if hit.uuid not in copies][:SIMILAR]
        data = {
            "similar": tiles(others, request.links),
            "copies": len(copies),
            "copies_path": copies_path([record.uuid, *(hit.uuid for hit in found if hit.uuid in copies)]),
        }
        return Page("similar.html", data)

    @page("/pictures/{uuid}/delete", methods=("POST",))
    def delete_picture(request: PageRequest) -> Redirect:
        request.services.files.delete(request.account.uuid, request.path["uuid"])
        back = read_address({name: request.form.all(name) for name, _ in request.form.pairs})
        return Redirect(f"/{back.query()}", toast="pictures.deleted")


def _picture(request: PageRequest) -> tuple[FileRecord, Collection]:
    """The indexed file that the path names; raises NotFound unless it is the account's."""
    try:
        record = request.services.files.get_indexed(request.account.uuid, request.path["uuid"])
    except NotFound:
        raise NotFound(f"{text('pictures.gone')}.") from None
    return record, request.services.collections.get(request.account.uuid, record.collection)


def _neighbours(
    request: PageRequest, searching: PictureSearch, address: SearchAddress, record: FileRecord
) -> Neighbours | None:
    stated = request.query.text("at")
    at = int(stated) if stated.isdecimal() and len(stated) < 5 else 1
    if at > PLACE_MAX:
        return None
    found = searching.find(address, limit=max(PAGE_SIZE, at + 1))
    place = next((place for place, file in enumerate(found.files) if file.uuid == record.uuid), None)
    if place is None:
        return None
    first = max(0, place - 1)
    near = tiles(found.files[first : place + 2], request.links, address, first + 1)
    return Neighbours(
        place=place + 1,
        count=None if found.next else len(found.files),
        previous=near[0] if place else None,
        next=near[-1] if place + 1 < len(found.files) else None,
    )


def _reasons(
    request: PageRequest, searching: PictureSearch, address: SearchAddress, record: FileRecord
) -> tuple[list[Reason], str | None]:
    """What each term has to do with the picture, and how seldom chance gives such a picture, in words."""
    if not address.terms:
        return [], None
    terms, records = searching.composed_terms(address)
    match = request.services.matches.explain(request.account.uuid, terms, records, record)
    shown = chips(address, records, request.links, {})
    reasons = [_reason(chip, each.similarity, each.chance) for chip, each in zip(shown, match.terms, strict=True)]
    return reasons, None if match.chance is None else _chance(match.chance)


def _reason(chip: Chip, similarity: float, chance: float | None) -> Reason:
    label = chip.label if chip.term.subject is Subject.TEXT else text("pictures.like", name=chip.label)
    if not chip.term.wanted:
        label = text("pictures.not", name=chip.label)
    if chance is None:
        return Reason(label, "", min(max(similarity, 0.0), 1.0))
    word = next(word for limit, word in CLOSENESS if chance < limit)
    amount = -math.log10(max(chance, 1e-9)) / FULL_METER
    return Reason(label, text(f"pictures.{word}"), min(max(amount, 0.0), 1.0))


def _chance(fraction: float) -> str:
    """How seldom chance gives such a picture, in a sentence."""
    if fraction < CLOSENESS[0][0]:
        digits = min(6, math.floor(-math.log10(max(fraction, 1e-9))))
        return text("pictures.chance_rare", count=f"{10**digits:,}")
    if fraction < CLOSENESS[2][0]:
        return text("pictures.chance_some", count=f"{round(1 / fraction):,}")
    return text("pictures.chance_usual")


def _facts(request: PageRequest, record: FileRecord, collection: Collection) -> dict[str, Any]:
    assert record.embedding is not None
    embedding, links = record.embedding, request.links
    path = collection.path_of(record.key)
    return {
        "record": record,
        "embedding": embedding,
        "collection": collection,
        "name": record.key.rpartition("/")[2],
        "folders": _folders(collection, path),
        "s3_uri": f"s3://{collection.bucket}/{record.key}",
        "thumbnail": links.thumbnail(collection.uuid, record.uuid, embedding.md5, ThumbnailSize.LARGE),
        "download": links.download(record.uuid, embedding.md5),
        "is_managed": collection.type is CollectionType.MANAGED,
    }


def _folders(collection: Collection, path: str) -> Sequence[tuple[str, str]]:
    """Each folder of the path, and the query that lists it."""
    parts = path.split("/")[:-1]
    found = []
    for depth, part in enumerate(parts, 1):
        pattern = f"{'/'.join(parts[:depth])}/*"
        listed = replace(SearchAddress(), collections=(collection.uuid,), filters={"path": (pattern,)})
        found.append((part, listed.query()))
    return [each for each in found if each[0]]
