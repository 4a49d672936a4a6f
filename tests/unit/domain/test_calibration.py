"""What chance gives: survival falls from 1 to 0, and a calibration survives its JSON."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.calibration import LEVELS, Calibration, ChanceDistribution
from tests.factories import a_calibration

NUMBERS = st.floats(-10, 10, allow_nan=False)
QUANTILES = st.lists(NUMBERS, min_size=len(LEVELS), max_size=len(LEVELS)).map(lambda z: tuple(sorted(z)))


@given(QUANTILES, st.lists(st.floats(-50, 50, allow_nan=False), min_size=2, max_size=20))
def test_survival_is_a_fraction_and_never_rises(quantiles: tuple[float, ...], z: list[float]) -> None:
    survivals = [ChanceDistribution(0.3, 0.1, quantiles).survival(value) for value in sorted(z)]
    assert all(0 <= survival <= 1 for survival in survivals)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(survivals))


def test_survival_at_a_quantile_is_its_level() -> None:
    distribution = a_calibration().text
    for level, quantile in list(zip(LEVELS, distribution.quantiles, strict=True))[1:]:
        assert math.isclose(distribution.survival(quantile), level, rel_tol=1e-9)


def test_the_tail_goes_on_with_the_slope_of_the_last_quantiles() -> None:
    distribution = a_calibration().text
    at_10, at_2 = distribution.quantiles[LEVELS.index(0.1)], distribution.quantiles[-1]
    assert math.isclose(distribution.survival(at_2 + (at_2 - at_10)), 0.02 / 5, rel_tol=1e-9)


def test_a_calibration_is_read_as_it_was_written_to_the_precision_of_float16() -> None:
    calibration = a_calibration()
    read = Calibration.from_json(calibration.to_json())
    assert (read.model, read.pictures, read.text, read.picture) == (
        calibration.model,
        calibration.pictures,
        calibration.text,
        calibration.picture,
    )
    vector = (0.6, 0.0, 0.8, *(0.0,) * 5)
    assert math.isclose(read.location(vector), calibration.location(vector), abs_tol=1e-3)
    assert math.isclose(read.spread(vector), calibration.spread(vector), abs_tol=1e-3)


def test_the_spread_is_that_of_the_axes_and_of_the_rest_beside_them() -> None:
    calibration = a_calibration()  # the first axis has the standard deviation 0.2, the rest has 0.1
    assert math.isclose(calibration.spread((1.0, *(0.0,) * 7)), 0.2)
    assert math.isclose(calibration.spread((0.0, 1.0, *(0.0,) * 6)), 0.1)
