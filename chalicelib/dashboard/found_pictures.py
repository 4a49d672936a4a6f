"""The pictures that a search's address finds, page by page."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.bootstrap import Services
from chalicelib.dashboard.search_address import SearchAddress
from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, is_uuid, parse_uuid
from chalicelib.domain.composition import TERMS_MAX, FileTerm, Term, UploadTerm
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.file_queries import FilePosition, FoundFile
from chalicelib.domain.files import FileRecord
from chalicelib.domain.relevance import CUT_WINDOW, count_before_chance
from chalicelib.domain.vectors import COLLECTIONS_MAX, MAX_DISTANCE, Hit, Position, SearchOptions
from chalicelib.services.search import FIRST_PAGE, Continuation, RelevanceOptions, SearchPage

# As many as a search looks at to find where chance begins: a page then ends where its cut was decided.
PAGE_SIZE = CUT_WINDOW
_CURSOR = re.compile(
    r"(?P<after>-?[0-9]{1,15}(?:\.[0-9]{1,9})?|none)_(?P<uuid>[0-9a-f-]{36})_(?P<rank>[0-9]{1,9})_(?P<shown>[0-9]{1,9})"
    r"_(?P<past>[01])"
    rf"(?P<scales>(?:_[0-9]{{1,7}}(?:\.[0-9]{{1,6}})?){{0,{TERMS_MAX}}})",
    re.ASCII,
)

GONE_PICTURE = "A picture of this search is no longer there. Take it out of the search."
GONE_UPLOAD = "The picture that you searched by was kept for an hour. Drop or choose it again."


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where a page begins.

    Args:
        after: the distance and uuid of the last hit before it; of a list without a query, its time and uuid.
        rank: how many files are before it, those that are folded included; ``shown`` is how many pictures.
        past: chance has begun before it.
        scales: of the terms of a composed query.
    """

    after: FilePosition | Position | tuple[float | None, str] | None = None
    rank: int = 0
    shown: int = 0
    past: bool = False
    scales: tuple[float, ...] = ()

    @property
    def cursor(self) -> str:
        """The position as an address has it."""
        assert self.after is not None
        value, uuid = self.after
        scales = "".join(f"_{scale:.6f}" for scale in self.scales)
        shown = "none" if value is None else f"{value:.9f}".rstrip("0").rstrip(".") if value else "0"
        return f"{shown}_{uuid}_{self.rank}_{self.shown}_{int(self.past)}{scales}"


BEGINNING = PagePosition()


def read_cursor(text: str | None) -> PagePosition:
    """The position that ``cursor`` wrote, the beginning without one; raises InvalidRequest for anything else."""
    if not text:
        return BEGINNING
    match = _CURSOR.fullmatch(text)
    if match is None or not is_uuid(match["uuid"]):
        raise InvalidRequest("This link is incomplete. Search again.", field="cursor")
    value = None if match["after"] == "none" else float(match["after"])
    scales = tuple(min(max(float(scale), 1e-6), 1e6) for scale in match["scales"].split("_")[1:])
    rank, shown = int(match["rank"]), int(match["shown"])
    return PagePosition((value, match["uuid"]), rank, shown, match["past"] == "1", scales)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of what a search has found.

    Args:
        files: what is shown, nearest first; of a list without a query, latest first.
        kept: how many of ``files`` come before chance begins.
        begin: where the page begins; ``next`` is where the next one does, None says there is none.
        past: where what is left out begins, if the search leaves out anything.
        searched: among how many pictures it was searched; None if that is not known.
        records: the files that the search names, by uuid.
        copies: the other files of the same picture, by the uuid of the one that is shown.
        milliseconds: that the search took.
    """

    files: Sequence[Hit | FoundFile] = ()
    kept: int = 0
    begin: PagePosition = BEGINNING
    next: PagePosition | None = None
    past: PagePosition | None = None
    searched: int | None = None
    records: Mapping[str, FileRecord] = field(default_factory=dict)
    copies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    milliseconds: int = 0

    @property
    def shown(self) -> int:
        """How many pictures are shown up to the end of this page."""
        return self.begin.shown + len(self.files)


@dataclass(frozen=True, slots=True)
class PictureSearch:
    """Runs searches of one account.

    Args:
        collections: all of the account.
    """

    services: Services
    caller: Caller
    collections: Sequence[Collection]

    def find(self, address: SearchAddress, begin: PagePosition = BEGINNING, limit: int = PAGE_SIZE) -> FoundPage:
        """A page of the pictures that an address finds; without a term, those that its filters admit.

        Raises:
            InvalidRequest: a text, a filter or the query as a whole is not allowed.
            NotFound: a collection, picture or upload that it names is not there.
            Conflict, Unavailable: as ``SearchService.by_terms``.
        """
        started = time.perf_counter()
        page = self._list(address, begin, limit) if not address.terms else self._search(address, begin, limit)
        return replace(page, milliseconds=max(1, round((time.perf_counter() - started) * 1000)))

    def composed_terms(self, address: SearchAddress) -> tuple[list[Term], dict[str, FileRecord]]:
        """The terms that can be searched with, and the files that they name; raises as ``find``."""
        terms: list[Term] = []
        records: dict[str, FileRecord] = {}
        for term in address.composed_terms():
            if isinstance(term, FileTerm):
                record = self._record(term)
                records[record.uuid] = record
                terms.append(replace(term, file=record.uuid))
            else:
                terms.append(self._located(term) if isinstance(term, UploadTerm) else term)
        return terms, records

    def _search(self, address: SearchAddress, begin: PagePosition, limit: int) -> FoundPage:
        terms, records = self.composed_terms(address)
        after = begin.after if begin.after is None or begin.after[0] is not None else None
        options = SearchOptions(
            limit=limit,
            collections=self._collections(address),
            filter=address.filter(),
            after=None if after is None else (min(float(after[0] or 0), MAX_DISTANCE), after[1]),
        )
        continuation = Continuation(begin.scales, begin.rank) if begin.after else FIRST_PAGE
        # Past chance nothing is cut: somebody has asked for it.
        relevance = RelevanceOptions(cutoff=address.cutoff and not begin.past, shown=True)
        page = self.services.search.by_terms(
            self.caller.account, terms, records, options, continuation, relevance, fold_duplicates=address.fold
        )
        return self._page(page, address, begin, records)

    def _page(
        self, page: SearchPage, address: SearchAddress, begin: PagePosition, records: Mapping[str, FileRecord]
    ) -> FoundPage:
        kept = len(page.hits)
        if begin.past:
            kept = 0
        elif page.expected_by_chance is not None and not address.cutoff:
            kept = count_before_chance(page.expected_by_chance, begin.rank)
        end = PagePosition(
            page.end or begin.after,
            page.continuation.rank,
            begin.shown + len(page.hits),
            begin.past or kept < len(page.hits),
            page.continuation.scales,
        )
        is_cut = address.cutoff and not begin.past and not page.has_more and end.after is not None
        left_out = is_cut and page.searched is not None and end.rank + len(records) < page.searched
        return FoundPage(
            files=page.hits,
            kept=kept,
            begin=begin,
            next=end if page.has_more else None,
            past=replace(end, past=True) if left_out else None,
            searched=page.searched,
            records=records,
            copies={hit.uuid: copies for hit, copies in zip(page.hits, page.duplicates or (), strict=False) if copies},
        )

    def _list(self, address: SearchAddress, begin: PagePosition, limit: int) -> FoundPage:
        after = begin.after
        found = self.services.file_finder.newest(
            self.caller.account,
            limit + 1,
            collections=self._collections(address),
            wanted=address.filter(),
            after=None if after is None else (None if after[0] is None else int(after[0]), after[1]),
        )
        files = found[:limit]
        shown = begin.shown + len(files)
        end = PagePosition(files[-1].position, shown, shown) if len(found) > limit else None
        return FoundPage(files=files, kept=len(files), begin=begin, next=end)

    def _collections(self, address: SearchAddress) -> tuple[str, ...] | None:
        known = {collection.uuid for collection in self.collections}
        if len(address.collections) > COLLECTIONS_MAX:
            raise InvalidRequest(f"A search names at most {COLLECTIONS_MAX} collections.", field="collection")
        if not known.issuperset(address.collections):
            raise NotFound("There is no such collection.", field="collection")
        return address.collections or None

    def _record(self, term: FileTerm) -> FileRecord:
        try:
            return self.services.files.get_indexed(self.caller.account, term.file)
        except NotFound:
            raise NotFound(GONE_PICTURE, field=term.field) from None

    def _located(self, term: UploadTerm) -> UploadTerm:
        uploads = self.services.search_uploads
        try:
            upload = uploads.get(self.caller, parse_uuid(term.upload))
        except NotFound:
            raise NotFound(GONE_UPLOAD, field=term.field) from None
        return replace(term, upload=upload.id, url=uploads.picture_url(upload))
