"""Reciprocal rank fusion: what both rankings have comes first, and no ranking is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.fusion import RANK_CONSTANT, fuse

RANKINGS = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), min_size=1, max_size=3)


def test_an_item_in_the_middle_of_both_rankings_is_before_the_first_of_one() -> None:
    assert fuse([["a", "x", "b"], ["c", "x", "d"]])[0] == "x"


def test_equal_ranks_are_in_the_order_of_their_names() -> None:
    assert fuse([["b", "c"], ["a", "d"]]) == ["a", "b", "c", "d"]


@given(RANKINGS)
def test_every_item_is_there_once_by_the_sum_of_its_reciprocal_ranks(rankings: list[list[str]]) -> None:
    fused = fuse(rankings)
    assert sorted(fused) == sorted(set().union(*rankings))
    sums = [sum(1 / (RANK_CONSTANT + 1 + r.index(item)) for r in rankings if item in r) for item in fused]
    assert all(one >= other - 1e-12 for one, other in pairwise(sums))


@given(st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_one_ranking_stays_as_it_is(ranking: list[str]) -> None:
    assert fuse([ranking]) == ranking
