"""Composed queries: one vector has the order of the weighted sum of centred and scaled similarities."""

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.calibration import TermKind, dot
from chalicelib.domain.composition import (
    TERMS_MAX,
    TextTerm,
    WeightedVector,
    check_terms,
    check_weight,
    compose,
    scales,
)
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.vectors import unit_vector
from tests.factories import a_calibration

DIMENSION = 8


def packed(numbers: list[float]) -> bytes:
    length = math.hypot(*numbers)
    return struct.pack(f"<{DIMENSION}f", *(number / length for number in numbers))


COORDINATES = st.lists(st.floats(-1, 1, width=16), min_size=DIMENSION, max_size=DIMENSION)
VECTORS = COORDINATES.filter(lambda numbers: math.hypot(*numbers) > 0.1).map(packed)
WEIGHTS = st.floats(-2, 2, width=16).filter(lambda weight: abs(weight) > 0.01)
TERMS = st.lists(st.builds(WeightedVector, VECTORS, st.sampled_from(TermKind), WEIGHTS), min_size=2, max_size=TERMS_MAX)


def score(terms: list[WeightedVector], picture: bytes) -> float:
    """The documented formula, term by term."""
    calibration, x = a_calibration(), unit_vector(picture)
    total = 0.0
    for term in terms:
        q = unit_vector(term.vector)
        total += term.weight * (dot(q, x) - calibration.location(q)) / calibration.spread(q)
    return total


@given(TERMS, VECTORS, VECTORS)
def test_pictures_are_ordered_by_the_weighted_sum_of_their_scaled_similarities(
    terms: list[WeightedVector], one: bytes, other: bytes
) -> None:
    assume(abs(score(terms, one) - score(terms, other)) > 1e-2)
    try:
        composed = unit_vector(compose(terms, scales(terms, a_calibration())))
    except InvalidRequest:
        assume(False)
    nearer = dot(composed, unit_vector(one)) > dot(composed, unit_vector(other))
    assert nearer == (score(terms, one) > score(terms, other))


@given(VECTORS, st.floats(0.001, 1000))
def test_one_term_is_searched_by_its_own_vector_to_the_last_bit(vector: bytes, weight: float) -> None:
    terms = [WeightedVector(vector, TermKind.TEXT, weight)]
    assert compose(terms, scales(terms, a_calibration())) == vector


@given(TERMS, st.floats(0.01, 100))
def test_weights_count_by_their_ratios(terms: list[WeightedVector], factor: float) -> None:
    multiplied = [WeightedVector(term.vector, term.kind, term.weight * factor) for term in terms]
    try:
        one, other = (unit_vector(compose(each, (1.0,) * len(terms))) for each in (terms, multiplied))
    except InvalidRequest:
        assume(False)
    assert one == pytest.approx(other, abs=1e-5)


def test_a_term_that_varies_more_between_pictures_weighs_no_more_than_another() -> None:
    wide, narrow = ([float(position == place) for position in range(DIMENSION)] for place in (0, 1))
    terms = [WeightedVector(packed(wide), TermKind.PICTURE, 1), WeightedVector(packed(narrow), TermKind.TEXT, 1)]
    composed = unit_vector(compose(terms, scales(terms, a_calibration())))
    assert composed[1] / composed[0] == pytest.approx(2), "the first varies twice as much"
    assert scales(terms, None) == (1.0, 1.0), "without statistics the terms are added as they are"


def test_terms_that_cancel_each_other_are_refused() -> None:
    vector = packed([1.0, *[0.0] * (DIMENSION - 1)])
    terms = [WeightedVector(vector, TermKind.TEXT, weight) for weight in (1, -1)]
    with pytest.raises(InvalidRequest, match="cancel each other"):
        compose(terms, (1.0, 1.0))


@pytest.mark.parametrize("weights", [[], [1] * (TERMS_MAX + 1), [0, 0], [-1, -0.5]])
def test_a_query_has_one_to_sixteen_terms_and_something_wanted(weights: list[float]) -> None:
    terms = [TextTerm(text="owl", weight=weight, field="query") for weight in weights]
    with pytest.raises(InvalidRequest) as refused:
        check_terms(terms)
    assert refused.value.field == "query"


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, 1000.5, -1001])
def test_weights_without_sense_are_refused_with_their_field(weight: float) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_weight(weight, "query[2].weight")
    assert refused.value.field == "query[2].weight"
