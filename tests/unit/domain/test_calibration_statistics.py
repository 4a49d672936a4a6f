"""The statistics of a model: what unrelated queries of a drawn space have, beside numpy, and what lite ships with."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.calibration import Calibration, TermKind
from chalicelib.domain.calibration_statistics import compute_calibration, principal_axes, quantile
from chalicelib.domain.unrelated_texts import UNRELATED_TEXTS
from embedder_container.models import SHIPPED_MODELS, load_description

Vectors = NDArray[np.float64]
DIMENSION = 48
LITE = load_description(SHIPPED_MODELS, "lite")


def drawn(count: int, shift: float, seed: int) -> Vectors:
    """Unit vectors around a common direction; some directions vary more than others."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, DIMENSION)) / np.sqrt(np.arange(1, DIMENSION + 1))
    numbers[:, 0] += shift
    unit: Vectors = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    return unit


def calibrated(pictures: Vectors, texts: Vectors) -> Calibration:
    return compute_calibration("a", pictures.tolist(), texts.tolist())


@pytest.fixture(scope="module")
def pictures() -> Vectors:
    return drawn(300, 3.0, seed=1)


@pytest.fixture(scope="module")
def calibration(pictures: Vectors) -> Calibration:
    return calibrated(pictures, drawn(250, 1.0, seed=2))


@pytest.mark.parametrize(("kind", "shift"), [(TermKind.TEXT, 1.0), (TermKind.PICTURE, 3.0)])
def test_held_out_queries_exceed_each_survival_as_often_as_it_says(
    calibration: Calibration, kind: TermKind, shift: float
) -> None:
    chance, queries, others = calibration.of(kind), drawn(200, shift, seed=3), drawn(500, 3.0, seed=4)
    survivals = []
    for query in queries:
        location = min(calibration.location(query), chance.location)
        spread = min(calibration.spread(query), chance.spread)
        survivals += [chance.survival(float(z)) for z in (others @ query - location) / spread]
    for level in (0.5, 0.1, 0.02, 0.005):
        assert np.mean(np.array(survivals) <= level) == pytest.approx(level, rel=0.35)


def test_a_spread_is_the_standard_deviation_of_the_similarities(calibration: Calibration, pictures: Vectors) -> None:
    for query in drawn(20, 1.0, seed=5):
        similarities = pictures @ query
        assert calibration.location(query.tolist()) == pytest.approx(similarities.mean())
        assert calibration.spread(query.tolist()) == pytest.approx(similarities.std(), rel=0.05)


def test_the_axes_have_the_variances_of_the_singular_value_decomposition(pictures: Vectors) -> None:
    centred = pictures - pictures.mean(axis=0)
    expected = np.linalg.svd(centred / math.sqrt(len(centred)), compute_uv=False)[:8] ** 2
    axes = np.array(principal_axes(centred.tolist(), 8))
    lengths = np.linalg.norm(axes, axis=1)
    assert lengths**2 == pytest.approx(expected, rel=0.02)
    directions = axes / lengths[:, None]
    assert directions @ directions.T == pytest.approx(np.eye(8), abs=0.02)


def test_pictures_that_vary_in_few_directions_have_few_axes() -> None:
    flat = drawn(30, 3.0, seed=6)
    flat[:, 3:] = 0
    assert len(principal_axes((flat - flat.mean(axis=0)).tolist(), 16)) == 3


def test_copies_of_one_picture_have_no_axis_and_statistics_all_the_same() -> None:
    one = drawn(1, 3.0, seed=7).repeat(20, axis=0)
    calibration = calibrated(one, drawn(50, 1.0, seed=2))
    assert calibration.axes == ()
    assert all(map(math.isfinite, calibration.text.quantiles))


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.5, 0.975, 1.0])
def test_a_quantile_is_that_of_numpy(fraction: float) -> None:
    values = np.random.default_rng(8).normal(size=101)
    assert quantile(sorted(values.tolist()), fraction) == pytest.approx(np.quantile(values, fraction))


def test_few_pictures_say_nothing() -> None:
    with pytest.raises(ValueError, match="at least 10 pictures"):
        calibrated(drawn(9, 3.0, seed=1), drawn(50, 1.0, seed=2))


def test_the_lite_model_ships_with_statistics_of_its_present_version() -> None:
    shipped = LITE.calibration()
    assert shipped is not None
    calibration = Calibration.from_json(shipped)
    renew = "python -m infra.calibration lite samples/photos"
    assert calibration.model == LITE.model_version, renew
    assert calibration.pictures == 50
    assert math.isclose(len(calibration.mean), LITE.dimension)


def test_the_unrelated_texts_are_many_and_each_stands_once() -> None:
    assert len(UNRELATED_TEXTS) == len(set(UNRELATED_TEXTS)) > 200
    assert all(text == text.strip() and text for text in UNRELATED_TEXTS)
