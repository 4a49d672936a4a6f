"""What similarities chance gives under a model: the statistics that bring searches to one scale.

A similarity is a cosine. Of an unrelated query ``q``, its similarities to many pictures ``x`` have the mean ``q·m`` and
the variance ``q'Cq``, with the pictures' mean ``m`` and covariance ``C``. So ``z = (q·x - q·m) / sqrt(q'Cq)`` is on one
scale for every query, be it a text, a picture or a sum of several. Projections of many dimensions are nearly alike in
shape (Diaconis and Freedman 1984, https://doi.org/10.1214/aos/1176346703), which lets one distribution of ``z`` serve
all queries of a kind.
"""

import json
import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import mul
from typing import Any, Self

# Of ``z`` between unrelated queries and pictures: the quantile that is exceeded with each of these probabilities.
LEVELS = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)
# Where the tail begins: beyond the last level, pairs that do belong together are no longer rare among those that chance
# has made, and would pass for chance.
_TAIL_BEGIN, _TAIL_SLOPE_FROM = len(LEVELS) - 1, LEVELS.index(0.1)


class TermKind(StrEnum):
    """What a vector was made of; unrelated texts and unrelated pictures are not equally similar to pictures."""

    TEXT = "text"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class ChanceDistribution:
    """The distribution of ``z`` for unrelated queries of one kind.

    Args:
        location: the highest ``q·m`` that unrelated queries have, but for one in forty.
        spread: the highest ``sqrt(q'Cq)`` of theirs, but for one in ten.
        quantiles: of ``z``, ascending, one for each of ``LEVELS``.
    """

    location: float
    spread: float
    quantiles: tuple[float, ...]

    def survival(self, z: float) -> float:
        """The fraction of pictures that are as near an unrelated query as this, or nearer.

        Between quantiles its logarithm is linear. The tail is exponential, that is a generalised Pareto distribution of
        shape 0 (Pickands 1975, https://doi.org/10.1214/aos/1176343003), whose slope is that between the levels 0.1 and
        0.02: a bounded tail would exclude what the sample has not seen.
        """
        quantiles = self.quantiles
        if z <= quantiles[0]:
            return 1.0
        for i in range(1, len(LEVELS)):
            if z <= quantiles[i]:
                width = quantiles[i] - quantiles[i - 1]
                part = (z - quantiles[i - 1]) / width if width > 0 else 1.0
                return float(LEVELS[i - 1] ** (1 - part) * LEVELS[i] ** part)
        rise = max(quantiles[_TAIL_BEGIN] - quantiles[_TAIL_SLOPE_FROM], 1e-6)
        slope = math.log(LEVELS[_TAIL_SLOPE_FROM] / LEVELS[_TAIL_BEGIN]) / rise
        return LEVELS[_TAIL_BEGIN] * math.exp(-(z - quantiles[_TAIL_BEGIN]) * slope)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The statistics of one model version, from a sample of pictures.

    Args:
        pictures: how many were sampled.
        mean: their mean, D numbers.
        axes: the directions in which they vary most, K of D numbers, each as long as its standard deviation.
        residual: the variance in each direction that is orthogonal to the axes.
        population: how many pictures they were sampled of; 0 if that is not known.
    """

    model: str
    pictures: int
    mean: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    residual: float
    text: ChanceDistribution
    picture: ChanceDistribution
    population: int = 0
    # The variance along each axis, which each search needs.
    _variances: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_variances", tuple(dot(axis, axis) for axis in self.axes))

    def of(self, kind: TermKind) -> ChanceDistribution:
        return self.text if kind is TermKind.TEXT else self.picture

    def location(self, vector: Sequence[float]) -> float:
        """The mean similarity of the pictures to a vector."""
        return dot(vector, self.mean)

    def spread(self, vector: Sequence[float]) -> float:
        """The standard deviation of the pictures' similarities to a vector of length one."""
        along = explained = 0.0
        for axis, variance in zip(self.axes, self._variances, strict=True):
            projected = dot(vector, axis) ** 2
            along += projected
            explained += projected / max(variance, 1e-30)
        return math.sqrt(max(along + self.residual * max(0.0, 1 - explained), 1e-12))

    def to_json(self) -> str:
        """For ``from_json``: numbers of the mean and the axes are float16, which keeps a similarity to 1e-4."""
        axes = [number for axis in self.axes for number in axis]
        return json.dumps(
            {
                "model": self.model,
                "pictures": self.pictures,
                "population": self.population,
                "mean": _packed(self.mean),
                "axes": _packed(axes),
                "residual": self.residual,
                **{kind.value: _distribution_json(self.of(kind)) for kind in TermKind},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, KeyError or TypeError unless ``to_json`` wrote it."""
        fields = json.loads(text)
        mean, axes = _unpacked(fields["mean"]), _unpacked(fields["axes"])
        dimension = len(mean)
        return cls(
            model=fields["model"],
            pictures=fields["pictures"],
            mean=mean,
            axes=tuple(axes[start : start + dimension] for start in range(0, len(axes), dimension)),
            residual=fields["residual"],
            text=_distribution(fields[TermKind.TEXT]),
            picture=_distribution(fields[TermKind.PICTURE]),
            population=fields.get("population", 0),
        )


@dataclass(frozen=True, slots=True)
class CalibrationAttempt:
    """A calibration of an account under one model version, whether or not there were enough pictures.

    Args:
        files: indexed ones that the account had.
        pictures: of the model version among them, as far as was read; estimated where a part was read.
    """

    files: int
    pictures: int
    at: datetime


# Python has it from 3.12 on, and a calibration's 33 products then take a tenth of the time.
_sumprod: Callable[[Sequence[float], Sequence[float]], float] | None = getattr(math, "sumprod", None)


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(_sumprod(one, other) if _sumprod is not None else sum(map(mul, one, other)))


def _distribution_json(distribution: ChanceDistribution) -> dict[str, Any]:
    return {
        "location": distribution.location,
        "spread": distribution.spread,
        "quantiles": list(distribution.quantiles),
    }


def _distribution(fields: dict[str, Any]) -> ChanceDistribution:
    quantiles = tuple(fields["quantiles"])
    if len(quantiles) != len(LEVELS):
        raise ValueError(f"A distribution has {len(LEVELS)} quantiles, not {len(quantiles)}.")
    return ChanceDistribution(fields["location"], fields["spread"], quantiles)


def _packed(numbers: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}e", *numbers)).decode()


def _unpacked(text: str) -> tuple[float, ...]:
    packed = b64decode(text)
    return struct.unpack(f"<{len(packed) // 2}e", packed)
