"""How well rankings fit what was expected: the measures of trec_eval, for files that are either expected or not.

Precision, recall and the reciprocal rank: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval,
chapter 8, https://nlp.stanford.edu/IR-book/; nDCG: Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a query found.

    Args:
        expected: uuids of the files that are right; empty for a query of what is not there.
        found: uuids of the files that it found, the nearest first.
        listed: those of them before the cut; None where the model has no statistics to cut by.
    """

    expected: frozenset[str]
    found: Sequence[str]
    listed: Sequence[str] | None

    @property
    def rank(self) -> int | None:
        """The place of the first expected file, from 1 on; None if none was found."""
        return next((place for place, uuid in enumerate(self.found, start=1) if uuid in self.expected), None)

    @property
    def reciprocal_rank(self) -> float:
        return 0.0 if self.rank is None else 1 / self.rank

    def precision(self, k: int) -> float:
        """Of the first ``k`` places, the fraction that has expected files; a place without a file counts as wrong."""
        return self._right(k) / k

    def recall(self, k: int) -> float:
        """Of the expected files, the fraction among the first ``k``."""
        return self._right(k) / len(self.expected)

    def ndcg(self, k: int) -> float:
        """The discounted cumulative gain of the first ``k``, as a fraction of the largest that is possible."""
        gain = sum(_discount(place) for place, uuid in enumerate(self.found[:k], start=1) if uuid in self.expected)
        return gain / sum(_discount(place) for place in range(1, min(k, len(self.expected)) + 1))

    def _right(self, k: int) -> int:
        return len(self.expected.intersection(self.found[:k]))


@dataclass(frozen=True, slots=True)
class CutQuality:
    """What ``cutoff=auto`` leaves of answers; None where no query says.

    Args:
        recall: of the expected files, the fraction that is listed.
        precision: of what the queries with expected files list, the fraction that is expected.
        found: of the queries with expected files, the fraction that lists one of them.
        absent_empty: of the queries of what is not there, the fraction that lists nothing.
        absent_listed: how many files these list on average.
    """

    recall: float | None
    precision: float | None
    found: float | None
    absent_empty: float | None
    absent_listed: float | None


def cut_quality(outcomes: Sequence[Outcome]) -> CutQuality | None:
    """How the cut does; None if some query was not cut, because the model has no statistics."""
    cuts = [(outcome.expected, outcome.listed) for outcome in outcomes if outcome.listed is not None]
    if len(cuts) < len(outcomes):
        return None
    wanted = [(len(expected & set(listed)), len(expected), len(listed)) for expected, listed in cuts if expected]
    absent = [len(listed) for expected, listed in cuts if not expected]
    return CutQuality(
        recall=_mean(right / expected for right, expected, _ in wanted),
        precision=_ratio(sum(right for right, _, _ in wanted), sum(listed for _, _, listed in wanted)),
        found=_mean(float(right > 0) for right, _, _ in wanted),
        absent_empty=_mean(float(listed == 0) for listed in absent),
        absent_listed=_mean(absent),
    )


def _discount(place: int) -> float:
    return 1 / math.log2(place + 1)


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return mean(numbers) if numbers else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
