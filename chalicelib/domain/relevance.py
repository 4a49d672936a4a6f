"""Where in an answer chance begins: how many pictures as near as a hit an unrelated query would find.

The number is an E-value, as sequence search has it (Karlin and Altschul 1990, https://doi.org/10.1073/pnas.87.6.2264):
of ``n`` pictures, ``n`` times the probability that one is as near by chance (``domain.calibration``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.calibration import Calibration, ChanceDistribution, TermKind, dot
from chalicelib.domain.composition import WeightedVector
from chalicelib.domain.vectors import unit_vector

# Of the hits up to the cut, the fraction that chance may be expected to have given; Benjamini and Hochberg 1995,
# https://doi.org/10.1111/j.2517-6161.1995.tb02031.x, choose the last rank likewise. docs/decisions/0090 has the choice.
MAX_CHANCE_FRACTION = 0.3
# Hits that are looked at from a page's beginning on: one that chance does not explain keeps all that are before it.
CUT_WINDOW = 50


@dataclass(frozen=True, slots=True)
class Expectation:
    """What chance gives to one query.

    Args:
        location: the mean similarity of pictures to the query's vector.
        spread: the standard deviation of these similarities.
        distributions: of the kinds of terms that the query has; the one that expects most counts.
        pictures: how many are searched.
    """

    location: float
    spread: float
    distributions: tuple[ChanceDistribution, ...]
    pictures: int

    def expected_by_chance(self, distance: float) -> float:
        """How many pictures of this cosine distance or less an unrelated query would find among as many pictures."""
        z = (1 - distance - self.location) / self.spread
        return self.pictures * max(distribution.survival(z) for distribution in self.distributions)


def expectation(
    terms: Sequence[WeightedVector],
    term_scales: Sequence[float],
    vector: bytes,
    calibration: Calibration,
    pictures: int,
) -> Expectation:
    """What chance gives to the query that ``domain.composition`` made of the terms.

    In a collection of one subject, a query for that subject is near to all pictures. What of its mean and its spread no
    unrelated query has is therefore not chance's: both are bounded by the calibration's ``location`` and ``spread``.
    """
    unit = unit_vector(vector)
    kinds = {term.kind for term in terms if term.weight > 0}
    distributions = tuple(calibration.of(kind) for kind in TermKind if kind in kinds)
    factors = [1.0] if len(terms) == 1 else [t.weight / s for t, s in zip(terms, term_scales, strict=True)]
    weighted = length = 0.0
    for term, factor in zip(terms, factors, strict=True):
        numbers = unit_vector(term.vector)
        location = calibration.location(numbers)
        weighted += factor * (min(location, calibration.of(term.kind).location) if factor > 0 else location)
        length += factor * dot(numbers, unit)
    spread = min(calibration.spread(unit), max(distribution.spread for distribution in distributions))
    return Expectation(weighted / max(length, 1e-9), max(spread, 1e-6), distributions, pictures)


def count_before_chance(expected: Sequence[float], rank: int) -> int:
    """How many hits of a page and its window come before chance begins, given what is expected of each by chance.

    It is the last hit of which chance explains no more than three in ten of all that are listed up to it.

    Args:
        rank: how many hits the pages before have shown.
    """
    kept = [place for place, number in enumerate(expected, start=1) if number <= MAX_CHANCE_FRACTION * (rank + place)]
    return kept[-1] if kept else 0


def rounded_expectation(expected: float) -> float:
    """Three digits, which is more than a calibration knows."""
    return 0.0 if expected < 1e-99 else float(f"{expected:.3g}") if math.isfinite(expected) else expected
