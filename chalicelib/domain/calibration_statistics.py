"""Computes a calibration from the vectors of sampled pictures and of texts that have nothing to do with them.

It is plain Python, because no function's package has numpy: some seconds for 500 pictures of 512 dimensions under
Python 3.13, whose sums of products are native.
"""

import math
from collections.abc import Sequence

from chalicelib.domain.calibration import LEVELS, Calibration, ChanceDistribution, dot

Vector = Sequence[float]

# Directions of the covariance that are kept: of 213 photographs under `lite` they explain 60 % of the variance, and
# twice or three times as many changed no figure of `make bench SUITE=quality` by more than a picture.
AXES = 16
LOCATION_QUANTILE, SPREAD_QUANTILE = 0.975, 0.9
MIN_PICTURES = 10  # below it, a covariance says nothing
# Of two directions of nearly the same variance either serves: a search for the exact one would take long and gain none.
_MAX_ITERATIONS, _TOLERANCE = 40, 1e-4
_LEAST_VARIANCE = 1e-12  # of vectors of length one: less is rounding


def compute_calibration(model: str, pictures: Sequence[Vector], texts: Sequence[Vector]) -> Calibration:
    """The calibration of a model version from vectors of length one.

    Raises:
        ValueError: there are fewer than ten pictures.
    """
    if len(pictures) < MIN_PICTURES:
        raise ValueError(f"A calibration takes at least {MIN_PICTURES} pictures, not {len(pictures)}.")
    count, dimension = len(pictures), len(pictures[0])
    mean = tuple(math.fsum(column) / count for column in zip(*pictures, strict=True))
    centred = [tuple(number - middle for number, middle in zip(row, mean, strict=True)) for row in pictures]
    variance = math.fsum(dot(row, row) for row in centred) / count
    axes = principal_axes(centred, min(AXES, count - 1))
    residual = max(0.0, variance - math.fsum(dot(axis, axis) for axis in axes)) / max(1, dimension - len(axes))
    # Its methods know means and spreads; the distributions are what is still missing.
    unknown = ChanceDistribution(0.0, 0.0, (0.0,) * len(LEVELS))
    moments = Calibration(model, count, mean, axes, residual, unknown, unknown)
    return Calibration(
        model,
        count,
        mean,
        axes,
        residual,
        text=_chance(moments, texts, pictures, themselves=False),
        picture=_chance(moments, pictures, pictures, themselves=True),
    )


def principal_axes(centred: Sequence[Vector], kept: int) -> tuple[tuple[float, ...], ...]:
    """The directions of the largest variance of rows whose mean is 0, each as long as its standard deviation.

    Power iterations on the products of the rows with one another, each direction kept orthogonal to those before
    (Golub and Van Loan 2013, Matrix Computations, section 8.2). Directions without variance are left out.
    """
    count = len(centred)
    products = [[dot(row, other) / count for other in centred] for row in centred]
    least = max(_LEAST_VARIANCE, 1e-9 * math.fsum(products[i][i] for i in range(count)))
    axes: list[tuple[float, ...]] = []
    found: list[list[float]] = []
    for number in range(kept):
        # No row's own direction, nor orthogonal to all of them.
        weights = _without([math.cos((number + 1) * (i + 1)) for i in range(count)], found)
        size = 0.0
        for _ in range(_MAX_ITERATIONS):
            length = math.sqrt(dot(weights, weights)) or 1.0
            weights = [weight / length for weight in weights]
            image = _without([dot(row, weights) for row in products], found)
            size, previous = dot(weights, image), size
            if size <= least:
                return tuple(axes)
            weights = image
            if abs(size - previous) <= _TOLERANCE * size:
                break
        length = math.sqrt(dot(weights, weights))
        weights = [weight / length for weight in weights]
        found.append(weights)
        # Of a unit vector of weights the direction's length is its standard deviation times the root of the count.
        direction = [dot(weights, column) / math.sqrt(count) for column in zip(*centred, strict=True)]
        axes.append(tuple(direction))
    return tuple(axes)


def _without(vector: list[float], directions: Sequence[Vector]) -> list[float]:
    """The part of a vector that is orthogonal to directions of length one."""
    for direction in directions:
        along = dot(vector, direction)
        vector = [number - along * other for number, other in zip(vector, direction, strict=True)]
    return vector


def _chance(
    moments: Calibration, queries: Sequence[Vector], pictures: Sequence[Vector], *, themselves: bool
) -> ChanceDistribution:
    """What queries have that are unrelated to pictures; ``themselves``: the queries are the pictures."""
    locations = [moments.location(query) for query in queries]
    spreads = [moments.spread(query) for query in queries]
    location, spread = quantile(sorted(locations), LOCATION_QUANTILE), quantile(sorted(spreads), SPREAD_QUANTILE)
    scaled: list[float] = []
    for number, query in enumerate(queries):
        middle, width = min(locations[number], location), min(spreads[number], spread)
        scaled += [
            (dot(query, picture) - middle) / width
            for other, picture in enumerate(pictures)
            if not (themselves and number == other)
        ]
    scaled.sort()
    return ChanceDistribution(location, spread, tuple(quantile(scaled, 1 - level) for level in LEVELS))


def quantile(ascending: Sequence[float], fraction: float) -> float:
    """The value below which a fraction of the values lies, linear between neighbours."""
    place = fraction * (len(ascending) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (place - below) * (ascending[above] - ascending[below])
