"""The statistics of a model: what unrelated queries of a drawn space have, and what the lite model ships with."""

import math

import numpy as np
import pytest

from chalicelib.domain.calibration import Calibration, TermKind
from embedder_container.models import SHIPPED_MODELS, load_description
from infra.calibration.statistics import UNRELATED_TEXTS, Vectors, compute_calibration

DIMENSION = 64
LITE = load_description(SHIPPED_MODELS, "lite")


def drawn(count: int, shift: float, seed: int) -> Vectors:
    """Unit vectors around a common direction; some directions vary more than others."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, DIMENSION)) / np.sqrt(np.arange(1, DIMENSION + 1))
    numbers[:, 0] += shift
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


@pytest.mark.parametrize(("kind", "shift"), [(TermKind.TEXT, 1.0), (TermKind.PICTURE, 3.0)])
def test_held_out_queries_exceed_each_survival_as_often_as_it_says(kind: TermKind, shift: float) -> None:
    pictures = drawn(400, 3.0, seed=1)
    calibration = compute_calibration("a", pictures, drawn(300, 1.0, seed=2))
    chance, queries, others = calibration.of(kind), drawn(200, shift, seed=3), drawn(500, 3.0, seed=4)
    survivals = []
    for query in queries:
        location = min(calibration.location(query), chance.location)
        spread = min(calibration.spread(query), chance.spread)
        survivals += [chance.survival(float(z)) for z in (others @ query - location) / spread]
    for level in (0.5, 0.1, 0.02, 0.005):
        assert np.mean(np.array(survivals) <= level) == pytest.approx(level, rel=0.35)


def test_a_spread_is_the_standard_deviation_of_the_similarities() -> None:
    pictures = drawn(400, 3.0, seed=1)
    calibration = compute_calibration("a", pictures, drawn(50, 1.0, seed=2))
    for query in drawn(20, 1.0, seed=5):
        similarities = pictures @ query
        assert calibration.location(query) == pytest.approx(similarities.mean())
        assert calibration.spread(query) == pytest.approx(similarities.std(), rel=0.05)


def test_few_pictures_say_nothing() -> None:
    with pytest.raises(ValueError, match="at least 10 pictures"):
        compute_calibration("a", drawn(9, 3.0, seed=1), drawn(50, 1.0, seed=2))


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
