"""Calibrating accounts from their own pictures."""

from collections.abc import Sequence

import pytest

from chalicelib.domain.calibration import Calibration
from chalicelib.services.maintenance.calibration import MIN_PICTURES, SAMPLED_PICTURES
from tests.factories import a_calibration
from tests.unit.services.harness import Harness


class Recording:
    """Stands for the computation, and keeps the vectors it was given."""

    def __init__(self) -> None:
        self.pictures: Sequence[bytes] = ()
        self.texts: Sequence[bytes] = ()

    def __call__(self, model: str, pictures: Sequence[bytes], texts: Sequence[bytes]) -> Calibration:
        self.pictures, self.texts = pictures, texts
        return a_calibration(model)


def calibrate(world: Harness, compute: Recording) -> int:
    model, texts = world.app.calibration.embed_texts(["an owl", "a pig"])
    return world.app.calibration.calibrate(world.collection.account, model, texts, compute)


@pytest.mark.parametrize("count", [MIN_PICTURES - 1, MIN_PICTURES])
def test_an_account_with_enough_pictures_is_calibrated_by_its_own(world: Harness, count: int) -> None:
    world.put(*(f"{number}.jpg" for number in range(count)))
    world.sync()
    compute = Recording()
    assert calibrate(world, compute) == count
    stored = world.ports.calibrations.read(world.collection.account, "fake-1+d1")
    if count < MIN_PICTURES:
        assert stored is None
    else:
        assert stored == a_calibration()
        assert len(set(compute.pictures)) == count
        assert len(compute.texts) == 2


def test_of_many_pictures_a_sample_is_taken(world: Harness) -> None:
    world.put(*(f"{number}.jpg" for number in range(SAMPLED_PICTURES + 20)))
    world.sync()
    compute = Recording()
    assert calibrate(world, compute) == SAMPLED_PICTURES + 20
    assert len(compute.pictures) == SAMPLED_PICTURES


def test_pictures_of_another_model_do_not_count(world: Harness) -> None:
    world.put(*(f"{number}.jpg" for number in range(MIN_PICTURES)))
    world.sync()
    world.embedder.model = "fake-2+d1"
    assert calibrate(world, Recording()) == 0
