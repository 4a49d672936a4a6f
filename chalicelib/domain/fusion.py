"""Merges ranked lists into one: reciprocal rank fusion."""

from collections import defaultdict
from collections.abc import Sequence

# Of Cormack, Clarke and Büttcher 2009, Reciprocal rank fusion outperforms Condorcet and individual rank learning
# methods, https://doi.org/10.1145/1571941.1572114: how little the first ranks count for more than those behind them.
RANK_CONSTANT = 60


def fuse(rankings: Sequence[Sequence[str]]) -> list[str]:
    """Returns every item of the rankings, the best first; each has the sum of ``1 / (60 + rank)`` over the rankings.

    Ranks begin at 1. Items with equal sums are in the order of their names.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1 / (RANK_CONSTANT + rank)
    return sorted(scores, key=lambda item: (-scores[item], item))
