"""The terms of a search as chips: what each says, how it counts, and the search without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.api.links import FileLinks
from chalicelib.dashboard.filter_panel import Narrowing
from chalicelib.dashboard.search_address import SearchAddress, SearchTerm, Subject
from chalicelib.dashboard.texts import text
from chalicelib.domain.files import FileRecord
from chalicelib.domain.thumbnails import ThumbnailSize


@dataclass(frozen=True, slots=True)
class Chip:
    """Args:
    number: of the term in the address, from 1 on.
    picture: the URL of its thumbnail, None for a text and where it is not known.
    """

    number: int
    term: SearchTerm
    label: str
    picture: str | None
    without: SearchAddress

    @property
    def spoken(self) -> str:
        """As a title says it: ``not people``."""
        words = [] if self.term.wanted else [text("search.not")]
        if self.term.subject is not Subject.TEXT and self.term.wanted:
            words.append(text("search.like"))
        return " ".join([*words, self.label])


def chips(
    address: SearchAddress, records: Mapping[str, FileRecord], links: FileLinks, uploads: Mapping[str, str]
) -> list[Chip]:
    """Args:
    records: the files that the search names, by uuid, as far as they are known.
    uploads: the URLs of the pictures that it names, by the id of the upload.
    """
    made = []
    for number, term in enumerate(address.terms, 1):
        label, picture = term.value, None
        if term.subject is Subject.FILE:
            record = records.get(term.value)
            label = text("search.a_picture") if record is None else record.key.rpartition("/")[2]
            if record is not None and record.embedding is not None:
                picture = links.thumbnail(record.collection, record.uuid, record.embedding.md5, ThumbnailSize.SMALL)
        elif term.subject is Subject.UPLOAD:
            label, picture = text("search.your_picture"), uploads.get(term.value)
        made.append(Chip(number, term, label, picture, address.without_term(term)))
    return made


def search_title(shown: Sequence[Chip], narrowing: Sequence[Narrowing]) -> str:
    """The search in words, for the page's title: ``a beach at dusk, like giraffes.jpg, not people``."""
    words = [chip.spoken for chip in shown] or [each.label for each in narrowing]
    return ", ".join(words) or text("search.results_title")
