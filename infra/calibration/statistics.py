"""Computes a calibration from the vectors of sampled pictures and of texts that have nothing to do with them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.calibration import LEVELS, Calibration, ChanceDistribution

# Texts as people search with, of many subjects. Some of them will fit some of the pictures, as some of any queries do.
UNRELATED_TEXTS = tuple((Path(__file__).parent / "unrelated_texts.txt").read_text("utf-8").splitlines())
# Directions of the covariance that are kept: of 213 photographs under `lite` they explain 60 % of the variance, and
# twice or three times as many changed no figure of `make bench SUITE=quality` by more than a picture.
AXES = 16
LOCATION_QUANTILE, SPREAD_QUANTILE = 0.975, 0.9
MIN_PICTURES = 10  # below it, a covariance says nothing

Vectors = NDArray[np.float64]


def compute_calibration(model: str, pictures: Vectors, texts: Vectors) -> Calibration:
    """The calibration of a model version from (n, D) pictures and (m, D) texts, all of length one.

    Raises:
        ValueError: there are fewer than ten pictures.
    """
    if len(pictures) < MIN_PICTURES:
        raise ValueError(f"A calibration takes at least {MIN_PICTURES} pictures, not {len(pictures)}.")
    mean = pictures.mean(axis=0)
    _, singular, directions = np.linalg.svd((pictures - mean) / np.sqrt(len(pictures)), full_matrices=False)
    kept = min(AXES, len(pictures) - 1)
    variances = singular**2
    residual = float(variances[kept:].sum() / max(1, pictures.shape[1] - kept))
    axes = directions[:kept] * singular[:kept, None]

    def chance(queries: Vectors, *, themselves: bool) -> ChanceDistribution:
        projections = (queries @ axes.T) ** 2
        explained = (projections / np.maximum((axes * axes).sum(axis=1), 1e-30)).sum(axis=1)
        spreads = np.sqrt(projections.sum(axis=1) + residual * np.maximum(0.0, 1 - explained))
        locations = queries @ mean
        location, spread = np.quantile(locations, LOCATION_QUANTILE), np.quantile(spreads, SPREAD_QUANTILE)
        scaled = queries @ pictures.T - np.minimum(locations, location)[:, None]
        scaled /= np.minimum(spreads, spread)[:, None]
        z = scaled[~np.eye(len(scaled), dtype=bool)] if themselves else scaled.ravel()
        quantiles = tuple(float(value) for value in np.quantile(z, [1 - level for level in LEVELS]))
        return ChanceDistribution(float(location), float(spread), quantiles)

    return Calibration(
        model=model,
        pictures=len(pictures),
        mean=tuple(mean.tolist()),
        axes=tuple(map(tuple, axes.tolist())),
        residual=residual,
        text=chance(texts, themselves=False),
        picture=chance(pictures, themselves=True),
    )
