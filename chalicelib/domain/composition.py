"""Composed queries: several texts and pictures, wanted or unwanted, as one vector.

The score of a picture ``x`` is the weighted sum of its similarities to the terms, each centred and scaled by what
chance gives to that term (``domain.calibration``):

    score(x) = sum_i w_i (q_i·x - q_i·m) / s_i      with s_i = sqrt(q_i' C q_i)
             = (sum_i w_i/s_i q_i)·x - constant

So the order by score is the order by cosine to ``sum_i w_i/s_i q_i``, and one search for that direction finds it.
Without statistics of the model every ``s_i`` is 1.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.calibration import Calibration, TermKind
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.vectors import unit_vector

TERMS_MAX = 16
QUERY_LIMIT = 1_000  # characters; every text model of the registry reads fewer
WEIGHT_MAX = 1_000.0  # of a weight, either way
# Of what is unwanted, beside 1 for what is wanted, as relevance feedback has it: Manning, Raghavan and Schütze 2008,
# Introduction to Information Retrieval, section 9.1.1, https://nlp.stanford.edu/IR-book/
UNWANTED_WEIGHT = -0.5
# Terms that cancel each other leave rounding errors: of a sum of float32 vectors, what is shorter has no direction.
_MIN_LENGTH = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a query; ``field`` names it in errors, such as ``query[2].text``."""

    weight: float = 1.0
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTerm(Term):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTerm(Term):
    """``file`` is the uuid of an indexed file."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTerm(Term):
    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTerm(Term):
    """``upload`` is the id of a picture that was uploaded to search by, ``url`` a presigned one of its bytes."""

    upload: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class WeightedVector:
    """The vector of a term, little-endian float32 of length one."""

    vector: bytes
    kind: TermKind
    weight: float


def check_query_text(text: str | None, field: str) -> str:
    """The text itself.

    Raises:
        InvalidRequest: it is blank or longer than 1,000 characters, or has the character in place of which something
            stood that was not UTF-8, as API Gateway decodes ``caf%E9``.
    """
    if text is None or not text.strip():
        raise InvalidRequest(f"Give the text to search for in '{field}'.", field=field)
    if len(text) > QUERY_LIMIT:
        raise InvalidRequest(f"A query has at most {QUERY_LIMIT:,} characters.", field=field)
    if "\ufffd" in text:
        raise InvalidRequest(f"'{field}' has a character that was not UTF-8. Encode the text in UTF-8.", field=field)
    return text


def check_weight(weight: float, field: str) -> float:
    """Raises InvalidRequest unless the weight is a number from -1,000 to 1,000."""
    if not math.isfinite(weight) or abs(weight) > WEIGHT_MAX:
        raise InvalidRequest(f"A weight is a number from -{WEIGHT_MAX:,.0f} to {WEIGHT_MAX:,.0f}.", field=field)
    return weight


def check_terms(terms: Sequence[Term]) -> None:
    """Raises InvalidRequest unless there are 1 to 16 terms, of which at least one has a weight above 0."""
    if not terms:
        raise InvalidRequest("A query has at least one term.", field="query")
    if len(terms) > TERMS_MAX:
        raise InvalidRequest(f"A query has at most {TERMS_MAX} terms.", field="query")
    if not any(term.weight > 0 for term in terms):
        raise InvalidRequest("At least one term of a query has a weight above 0.", field="query")


def scales(terms: Sequence[WeightedVector], calibration: Calibration | None) -> tuple[float, ...]:
    """The ``s_i`` of each term, to six decimals, as a cursor keeps them; 1 without statistics."""
    if calibration is None:
        return (1.0,) * len(terms)
    return tuple(max(round(calibration.spread(unit_vector(term.vector)), 6), 1e-6) for term in terms)


def compose(terms: Sequence[WeightedVector], term_scales: Sequence[float]) -> bytes:
    """The direction of the weighted sum, little-endian float32 of length one; of one term its vector, as it is.

    Raises:
        InvalidRequest: the terms cancel each other.
    """
    if len(terms) == 1:
        return terms[0].vector
    factors = [term.weight / scale for term, scale in zip(terms, term_scales, strict=True)]
    largest = max(map(abs, factors))
    total = [0.0] * (len(terms[0].vector) // 4)
    for term, factor in zip(terms, factors, strict=True):
        part = factor / largest
        total = [number + part * other for number, other in zip(total, unit_vector(term.vector), strict=True)]
    length = math.hypot(*total)
    if length < _MIN_LENGTH:
        raise InvalidRequest("The terms of the query cancel each other: change a weight.", field="query")
    return struct.pack(f"<{len(total)}f", *(number / length for number in total))
