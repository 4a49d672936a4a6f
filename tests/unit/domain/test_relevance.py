"""Where chance begins: an expectation rises with the distance, and the cut keeps what chance does not explain."""

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.calibration import TermKind, dot
from chalicelib.domain.composition import WeightedVector, compose, scales
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.relevance import (
    MAX_CHANCE_FRACTION,
    Expectation,
    count_before_chance,
    expectation,
    rounded_expectation,
)
from chalicelib.domain.vectors import unit_vector
from tests.factories import a_calibration

DIMENSION = 8
VECTORS = (
    st.lists(st.floats(-1, 1, width=16), min_size=DIMENSION, max_size=DIMENSION)
    .filter(lambda numbers: math.hypot(*numbers) > 0.1)
    .map(lambda numbers: struct.pack(f"<{DIMENSION}f", *(number / math.hypot(*numbers) for number in numbers)))
)
TERMS = st.lists(
    st.builds(WeightedVector, VECTORS, st.sampled_from(TermKind), st.floats(0.1, 2)), min_size=1, max_size=4
)
UNBOUNDED = replace(
    a_calibration(),
    text=replace(a_calibration().text, location=2.0, spread=2.0),
    picture=replace(a_calibration().picture, location=2.0, spread=2.0),
)


def expected(terms: list[WeightedVector], pictures: int = 1000) -> Expectation:
    term_scales = scales(terms, UNBOUNDED)
    return expectation(terms, term_scales, compose(terms, term_scales), UNBOUNDED, pictures)


@given(TERMS, st.floats(0, 2), st.floats(0, 2), st.integers(0, 10**7))
def test_more_is_expected_at_a_larger_distance_and_at_most_every_picture(
    terms: list[WeightedVector], one: float, other: float, pictures: int
) -> None:
    chance = expected(terms, pictures)
    near, far = (chance.expected_by_chance(distance) for distance in sorted((one, other)))
    assert 0 <= near <= far + 1e-9 <= pictures + 1e-6


@given(TERMS)
def test_the_location_and_spread_are_those_of_the_composed_vector(terms: list[WeightedVector]) -> None:
    try:
        chance = expected(terms)
    except InvalidRequest:
        assume(False)
    vector = unit_vector(compose(terms, scales(terms, UNBOUNDED)))
    assume(sum(dot(vector, unit_vector(term.vector)) for term in terms) > 0.1)
    assert chance.location == pytest.approx(UNBOUNDED.location(vector), abs=1e-3)
    assert chance.spread == pytest.approx(UNBOUNDED.spread(vector), abs=1e-3)


def test_a_query_for_the_one_subject_of_a_collection_still_finds_it() -> None:
    subject = struct.pack(f"<{DIMENSION}f", *(0.0,) * 7, 1.0)
    term, pictures = WeightedVector(subject, TermKind.TEXT, 1), 1000
    of_one_subject = replace(a_calibration(), mean=(*(0.0,) * 7, 0.9), residual=0.0025)
    expectations = []
    for calibration in (of_one_subject, replace(of_one_subject, text=UNBOUNDED.text)):
        chance = expectation([term], (1.0,), subject, calibration, pictures)
        expectations.append(chance.expected_by_chance(distance=0.1))
    bounded, unbounded = expectations
    assert unbounded > pictures / 3, "half of the pictures are as near"
    assert bounded < 1, "no unrelated query is as near to all of them"


@given(st.lists(st.floats(0, 100), max_size=100), st.integers(0, 10_000))
def test_the_cut_keeps_up_to_the_last_hit_of_which_chance_explains_three_in_ten(
    numbers: list[float], rank: int
) -> None:
    numbers = sorted(numbers)
    kept = count_before_chance(numbers, rank)
    for place, number in enumerate(numbers, start=1):
        if place == kept:
            assert number <= MAX_CHANCE_FRACTION * (rank + place)
        elif place > kept:
            assert number > MAX_CHANCE_FRACTION * (rank + place)


def test_nothing_is_kept_where_chance_explains_the_nearest_and_many_equals_keep_each_other() -> None:
    assert count_before_chance([0.8, 0.9, 1.0], 0) == 0
    assert count_before_chance([0.8, 0.9, 1.0, 1.0], 0) == 4


def test_an_expectation_is_shown_with_three_digits() -> None:
    assert [rounded_expectation(number) for number in (0.0, 1e-120, 0.000123456, 12.3456, 99999.0)] == [
        0.0,
        0.0,
        0.000123,
        12.3,
        100000.0,
    ]
