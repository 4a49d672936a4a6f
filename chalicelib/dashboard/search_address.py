"""What the address of a search says: its terms, what narrows it, the cut and the folding.

Every search of the dashboard is a link. Its parameters are the API's (``query``, ``without``, ``like``, ``unlike``,
``upload``, ``collection`` and those of filters), but that several texts may be looked for, and that ``weight3=2`` says
how much the third term counts. A form sends other names besides, such as ``words``, in which ``-word`` leaves a word
out; ``read_address`` takes both, and ``SearchAddress.query`` writes only the first.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from urllib.parse import urlencode

from chalicelib.domain.composition import UNWANTED_WEIGHT, FileTerm, Term, TextTerm, UploadTerm, check_query_text
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.filter_syntax import is_filter_parameter, parse_filter_parameters
from chalicelib.domain.filters import Filter

Values = Mapping[str, Sequence[str]]

EMPHASES = (0.5, 1.0, 2.0)  # a little, normally, a lot
# A minus before a word, or before several in quotes, at the beginning or behind a space: "black-coral" is one word.
_UNWANTED_WORDS = re.compile(r'(?:(?<=\s)|^)-(?:"([^"]*)"|([^\s"-][^\s"]*))')
# What forms send instead of what an address says.
WORDS, MORE, LESS, PICKED, FORM = "words", "more", "less", "picked", "form"
DATE, FROM, UNTIL, METADATA_NAME, METADATA_VALUE = "date", "from", "until", "metadata_name", "metadata_value"
DATES = ("taken", "modified")
_FORM_NAMES = frozenset((WORDS, MORE, LESS, PICKED, FORM, DATE, FROM, UNTIL, METADATA_NAME, METADATA_VALUE))
_SIGN = re.compile(r"sign[0-9]{1,2}")
OFF = "off"


class Subject(StrEnum):
    """What a term is made of."""

    TEXT = "text"
    FILE = "file"
    UPLOAD = "upload"


# In the order in which terms stand in an address, and so in which they are counted.
_PARAMETERS = {
    "query": (Subject.TEXT, True),
    "like": (Subject.FILE, True),
    "upload": (Subject.UPLOAD, True),
    "without": (Subject.TEXT, False),
    "unlike": (Subject.FILE, False),
    "unlike_upload": (Subject.UPLOAD, False),
}
_NAMES = {kind: name for name, kind in _PARAMETERS.items()}


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """One chip: a text, the uuid of a file or the id of an upload; ``emphasis`` is one of ``EMPHASES``."""

    subject: Subject
    value: str
    wanted: bool = True
    emphasis: float = 1.0

    @property
    def parameter(self) -> str:
        return _NAMES[self.subject, self.wanted]


@dataclass(frozen=True, slots=True)
class SearchAddress:
    """A search as its address has it; nothing of it has been checked.

    Args:
        filters: parameters of ``domain.filter_syntax``, each with its values.
        cutoff: the answer ends where chance begins.
        fold: copies of one picture are shown as one.
    """

    terms: tuple[SearchTerm, ...] = ()
    collections: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cutoff: bool = True
    fold: bool = True

    @property
    def narrows(self) -> bool:
        return bool(self.collections or self.filters)

    def parameters(self) -> list[tuple[str, str]]:
        """Name and value of each parameter, in the order of the address."""
        terms = _in_order(self.terms)
        weights = [
            (f"weight{number}", f"{term.emphasis:g}") for number, term in enumerate(terms, 1) if term.emphasis != 1
        ]
        filters = [(name, value) for name, values in self.filters.items() for value in values]
        return [
            *((term.parameter, term.value) for term in terms),
            *weights,
            *(("collection", uuid) for uuid in self.collections),
            *filters,
            *([] if self.cutoff else [("cutoff", OFF)]),
            *([] if self.fold else [("fold", OFF)]),
        ]

    def query(self, **more: object) -> str:
        """The address behind its path, with a question mark if there is anything; ``more`` is appended."""
        pairs = [*self.parameters(), *((name, str(value)) for name, value in more.items() if value is not None)]
        return f"?{urlencode(pairs)}" if pairs else ""

    def with_terms(self, terms: Iterable[SearchTerm]) -> "SearchAddress":
        """With further terms; one of the same subject and value takes the sign and emphasis of the later."""
        every = {(term.subject, term.value): term for term in (*self.terms, *terms)}
        return replace(self, terms=_in_order(every.values()))

    def with_term(self, term: SearchTerm) -> "SearchAddress":
        return self.with_terms((term,))

    def without_term(self, term: SearchTerm) -> "SearchAddress":
        return replace(self, terms=tuple(each for each in self.terms if each != term))

    def without_filter(self, *names: str) -> "SearchAddress":
        return replace(self, filters={name: values for name, values in self.filters.items() if name not in names})

    def with_filter(self, name: str, values: Sequence[str]) -> "SearchAddress":
        return replace(self, filters={**self.filters, name: tuple(values)})

    def without_collections(self) -> "SearchAddress":
        return replace(self, collections=())

    def composed_terms(self) -> tuple[Term, ...]:
        """The terms with their weights, which are the API's: wanted ones of a kind share 1, unwanted pictures -0.5.

        Each unwanted text has -0.5. An emphasis multiplies.

        Raises:
            InvalidRequest: a text is too long, or nothing is wanted.
        """
        if self.terms and not any(term.wanted for term in self.terms):
            raise InvalidRequest("Say what to look for, too. What to leave out is not enough for a search.")
        counts = Counter((term.subject, term.wanted) for term in self.terms)
        return tuple(_composed(term, counts[term.subject, term.wanted]) for term in _in_order(self.terms))

    def filter(self) -> Filter:
        """Raises InvalidRequest if the parameters are no filter."""
        return parse_filter_parameters(self.filters)


def read_address(values: Values) -> SearchAddress:
    """The search that an address or a form states; what is malformed is left as it is, what is blank is left out."""
    terms = [
        SearchTerm(subject, value, wanted)
        for name, (subject, wanted) in _PARAMETERS.items()
        for value in _given(values, name)
    ]
    terms = [_as_chosen(term, values, number) for number, term in enumerate(terms, 1)]
    for text in _given(values, WORDS):
        terms += _terms_of_words(text)
    for name, wanted in ((MORE, True), (PICKED, True), (LESS, False)):
        terms += [SearchTerm(Subject.FILE, value, wanted) for value in _given(values, name)]
    sent = bool(_given(values, FORM))
    return SearchAddress(
        terms=SearchAddress().with_terms(terms).terms,
        collections=tuple(dict.fromkeys(_given(values, "collection"))),
        filters=_filters(values),
        cutoff=_is_on(values, "cutoff", sent=sent),
        fold=_is_on(values, "fold", sent=sent),
    )


def is_canonical(values: Values) -> bool:
    """Whether an address has only what ``SearchAddress.query`` writes; that of a form is to be written anew."""
    return all(name not in _FORM_NAMES and not _SIGN.fullmatch(name) for name in values) and all(
        value.strip() for given in values.values() for value in given
    )


def _in_order(terms: Iterable[SearchTerm]) -> tuple[SearchTerm, ...]:
    ranks = list(_PARAMETERS)
    return tuple(sorted(terms, key=lambda term: ranks.index(term.parameter)))


def _given(values: Values, name: str) -> list[str]:
    return [value.strip() for value in values.get(name, ()) if value.strip()]


def _as_chosen(term: SearchTerm, values: Values, number: int) -> SearchTerm:
    """The term with the sign and weight that its panel, or the address, gives it."""
    sign, weight = _given(values, f"sign{number}"), _given(values, f"weight{number}")
    wanted = {"in": True, "out": False}.get(sign[0] if sign else "", term.wanted)
    emphasis = {f"{each:g}": each for each in EMPHASES}.get(weight[0] if weight else "", 1.0)
    return replace(term, wanted=wanted, emphasis=emphasis)


def _terms_of_words(text: str) -> list[SearchTerm]:
    unwanted = [(quoted or word).strip() for quoted, word in _UNWANTED_WORDS.findall(text)]
    wanted = " ".join(_UNWANTED_WORDS.sub(" ", text).split())
    terms = [SearchTerm(Subject.TEXT, wanted)] if wanted else []
    return terms + [SearchTerm(Subject.TEXT, words, wanted=False) for words in unwanted if words]


def _filters(values: Values) -> dict[str, tuple[str, ...]]:
    filters = {name: tuple(_given(values, name)) for name in values if is_filter_parameter(name)}
    dates, start, end = _given(values, DATE), _given(values, FROM), _given(values, UNTIL)
    if dates and dates[0] in DATES:
        # The panel shows one date: what it sends replaces both.
        filters = {name: given for name, given in filters.items() if name.partition(".")[0] not in DATES}
        filters |= {f"{dates[0]}.gte": tuple(start), f"{dates[0]}.lte": tuple(end)}
    name, value = _given(values, METADATA_NAME), _given(values, METADATA_VALUE)
    if name and value:
        parameter = f"metadata.{name[0]}"
        filters[parameter] = tuple(dict.fromkeys((*filters.get(parameter, ()), value[0])))
    return {name: given for name, given in filters.items() if given}


def _is_on(values: Values, name: str, *, sent: bool) -> bool:
    """Whether a switch is on: a form that was sent leaves out one that is off, an address one that is on."""
    given = _given(values, name)
    return bool(given and given[0] != OFF) if sent else given[:1] != [OFF]


def _composed(term: SearchTerm, count: int) -> Term:
    shares = term.wanted or term.subject is not Subject.TEXT
    weight = (1.0 if term.wanted else UNWANTED_WEIGHT) * term.emphasis / (count if shares else 1)
    match term.subject:
        case Subject.TEXT:
            return TextTerm(text=check_query_text(term.value, WORDS), weight=weight, field=term.parameter)
        case Subject.FILE:
            return FileTerm(file=term.value, weight=weight, field=term.parameter)
        case Subject.UPLOAD:
            return UploadTerm(upload=term.value, weight=weight, field=term.parameter)


def is_date(value: str) -> bool:
    """Whether a field for a date can show the value."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
