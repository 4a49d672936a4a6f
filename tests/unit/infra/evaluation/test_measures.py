"""The measures of rankings, beside the values of trec_eval and their definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.evaluation.measures import Outcome, cut_quality

UUIDS = [f"file-{number}" for number in range(12)]
FILES = st.permutations(UUIDS).flatmap(lambda order: st.integers(0, len(UUIDS)).map(lambda count: order[:count]))
OUTCOMES = st.builds(
    lambda expected, found, cut: Outcome(frozenset(expected), found, found[:cut]),
    st.sets(st.sampled_from(UUIDS)),
    FILES,
    st.integers(0, len(UUIDS)),
)
JUDGED = OUTCOMES.filter(lambda outcome: outcome.expected)
# By pytrec-eval-terrier 0.5.11, which runs trec_eval: for each query what it expects, what it finds, its reciprocal
# rank, and by number of results its precision, recall and nDCG.
TREC_EVAL = [
    (
        "abc",
        "1a2b34c5",
        0.5,
        {1: (0.0, 0.0, 0.0), 2: (0.5, 1 / 3, 0.38685280723454163), 5: (0.4, 2 / 3, 0.49818925746641285)},
    ),
    ("x", "123", 0.0, {1: (0.0, 0.0, 0.0), 2: (0.0, 0.0, 0.0), 5: (0.0, 0.0, 0.0)}),
    (
        "yz",
        "y1z",
        1.0,
        {1: (1.0, 0.5, 1.0), 2: (0.5, 0.5, 0.6131471927654584), 5: (0.4, 1.0, 0.9197207891481876)},
    ),
]


@pytest.mark.parametrize(("expected", "found", "reciprocal_rank", "at"), TREC_EVAL)
def test_measures_have_the_values_of_trec_eval(
    expected: str, found: str, reciprocal_rank: float, at: dict[int, tuple[float, float, float]]
) -> None:
    outcome = Outcome(frozenset(expected), list(found), None)
    assert outcome.reciprocal_rank == reciprocal_rank
    for k, values in at.items():
        assert (outcome.precision(k), outcome.recall(k), outcome.ndcg(k)) == pytest.approx(values)


@given(JUDGED, st.integers(1, 20))
def test_measures_are_fractions_and_recall_grows_with_what_is_looked_at(outcome: Outcome, k: int) -> None:
    for measure in (Outcome.precision, Outcome.recall, Outcome.ndcg):
        assert 0 <= measure(outcome, k) <= 1 + 1e-9
    assert outcome.recall(k) <= outcome.recall(k + 1)
    assert outcome.precision(k) * k == pytest.approx(outcome.recall(k) * len(outcome.expected))


@given(st.sets(st.sampled_from(UUIDS), min_size=1), st.integers(1, 20))
def test_a_ranking_with_all_expected_files_first_is_perfect(expected: set[str], k: int) -> None:
    rest = [uuid for uuid in UUIDS if uuid not in expected]
    outcome = Outcome(frozenset(expected), [*sorted(expected), *rest], None)
    assert outcome.rank == 1
    assert math.isclose(outcome.ndcg(k), 1)
    assert outcome.recall(len(expected)) == 1


@given(JUDGED, st.integers(1, 12))
def test_an_expected_file_that_moves_up_lowers_no_measure(outcome: Outcome, k: int) -> None:
    for place, uuid in enumerate(outcome.found):
        if place and uuid in outcome.expected:
            better = [*outcome.found[: place - 1], uuid, outcome.found[place - 1], *outcome.found[place + 1 :]]
            moved = Outcome(outcome.expected, better, None)
            assert moved.ndcg(k) >= outcome.ndcg(k) - 1e-12
            assert moved.precision(k) >= outcome.precision(k)
            assert moved.reciprocal_rank >= outcome.reciprocal_rank


def test_the_cut_is_judged_by_what_it_lists_of_what_is_there_and_of_what_is_not() -> None:
    cut = cut_quality(
        [
            Outcome(frozenset("ab"), "axyb", "ax"),
            Outcome(frozenset("c"), "xc", ""),
            Outcome(frozenset("d"), "d", "d"),
            Outcome(frozenset(), "xyz", ""),
            Outcome(frozenset(), "xyz", "xyz"),
        ]
    )
    assert cut is not None
    assert cut.recall == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert cut.precision == pytest.approx(2 / 3)
    assert cut.found == pytest.approx(2 / 3)
    assert cut.absent_empty == pytest.approx(1 / 2)
    assert cut.absent_listed == pytest.approx(3 / 2)


def test_a_sheet_of_one_kind_of_queries_says_nothing_of_the_other() -> None:
    there = cut_quality([Outcome(frozenset("a"), "a", "")])
    absent = cut_quality([Outcome(frozenset(), "a", "")])
    assert there is not None
    assert absent is not None
    assert (there.recall, there.precision, there.absent_empty, there.absent_listed) == (0, None, None, None)
    assert (absent.recall, absent.precision, absent.found, absent.absent_empty) == (None, None, None, 1)


def test_queries_that_were_not_cut_say_nothing_of_the_cut() -> None:
    assert cut_quality([Outcome(frozenset("a"), "a", "a"), Outcome(frozenset("b"), "b", None)]) is None
