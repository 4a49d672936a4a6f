"""What the comparison of pictures calls another picture."""

import numpy as np

from tests.stress.pictures.reference import SIDE, difference, likeness

GRADIENT = np.broadcast_to(np.linspace(0, 255, SIDE)[None, :, None], (SIDE, SIDE, 3)) * 0.7
PICTURE = GRADIENT + np.linspace(0, 70, SIDE)[:, None, None]


def test_equal_pictures_do_not_differ_and_noise_hardly_does() -> None:
    noise = np.random.default_rng(0).normal(0, 10, PICTURE.shape)
    assert difference(PICTURE, PICTURE) == 0
    assert difference(PICTURE, PICTURE + noise) < 2
    assert difference(PICTURE, 255 - PICTURE) > 6


def test_a_turned_picture_is_named_by_its_turn() -> None:
    assert likeness(PICTURE, PICTURE) == ""
    assert likeness(PICTURE, np.rot90(PICTURE, 2)) == "upside down"
    assert likeness(PICTURE, np.flip(PICTURE, 1)) == "mirrored"
    assert likeness(PICTURE, np.rot90(PICTURE)) == "turned right"
    assert likeness(PICTURE, 255 - GRADIENT[:, ::-1] * 0) == ""
