"""What filters mean, compared with plainer ways to say it."""

import re
from collections.abc import Callable
from operator import ge, gt, le, lt
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter, PathPattern, metadata_terms, number_range, text_range, value_term
from tests.filters import a_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}


@given(st.text("ab*/", min_size=1, max_size=9), st.text("ab/", max_size=9))
def test_a_star_stands_for_any_characters(text: str, path: str) -> None:
    pattern = PathPattern.of(text)
    if "*" in text:
        expected = bool(re.fullmatch(".*".join(map(re.escape, text.split("*"))), path, re.DOTALL))
    else:
        folder = text.rstrip("/")
        expected = path == folder or path.startswith(folder + "/")
    assert pattern.admits(path) is expected


def test_a_hostile_pattern_and_path_are_compared_at_once() -> None:
    assert not PathPattern.of("*" + "a*" * 8 + "b").admits("a" * 1024)


@given(NUMBERS, NUMBERS)
def test_terms_of_numbers_are_in_the_order_of_the_numbers(one: float, other: float) -> None:
    assert (value_term("n", one) < value_term("n", other)) is (float(one) < float(other))
    assert (value_term("n", one) == value_term("n", other)) is (float(one) == float(other))


@given(TEXTS, TEXTS)
def test_terms_of_texts_are_in_the_order_of_their_code_points(one: str, other: str) -> None:
    assert (value_term("n", one) < value_term("n", other)) is (one < other)


@given(st.sampled_from(sorted(OPERATORS)), NUMBERS | TEXTS, NUMBERS | TEXTS)
def test_a_bound_compares_values_of_its_own_kind(operator: str, bound: float | str, value: float | str) -> None:
    wanted = parse_filter({"metadata": {"n": {operator: bound}}})
    same_kind = isinstance(bound, str) is isinstance(value, str)
    facts = a_file(Random(0), "c", 1).facts
    facts = type(facts)(**{name: getattr(facts, name) for name in facts.__slots__} | {"metadata": {"n": value}})
    assert wanted.admits(facts) is (same_kind and OPERATORS[operator](value, bound))


def test_ranges_hold_every_value_of_their_kind_and_no_other() -> None:
    terms = {value: value_term("n", value) for value in ("", "\U0010ffff", -1e308, 1e308, True, False)}
    assert [value for value, term in terms.items() if text_range("n", None, None).contains(term)] == ["", "\U0010ffff"]
    assert [v for v, term in terms.items() if number_range("n", None, None).contains(term)] == [-1e308, 1e308]
    assert not text_range("n", None, None).contains(value_term("n2", "a"))


def test_zero_has_one_term_whatever_its_sign_and_true_is_no_number() -> None:
    assert value_term("n", -0.0) == value_term("n", 0) == value_term("n", 0.0)
    assert value_term("n", True) not in (value_term("n", 1), value_term("n", "true"))


def test_a_list_has_the_term_of_each_of_its_texts() -> None:
    assert set(metadata_terms({"tag": ("x", "y")})) > {value_term("tag", "x"), value_term("tag", "y")}
    assert metadata_terms({"tag": ()}) == metadata_terms({"tag": ("x",)})[:1]


def test_without_clauses_every_file_is_admitted() -> None:
    assert not Filter()
    assert Filter().admits(a_file(Random(0), "c", 1).facts)
