"""The tensor is the one that CLIP's own transform makes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from embedder_container.inference import Model
from embedder_container.transforms import to_pixels


def test_one_colour_becomes_its_normalised_value(lite: Model) -> None:
    pixels = to_pixels(Image.new("RGB", (300, 500), (255, 0, 128)), lite.card.image)
    assert pixels.shape == (1, 3, 224, 224)
    assert pixels.dtype == np.float32
    channels = zip((255, 0, 128), lite.card.image.mean, lite.card.image.std, strict=True)
    wanted = [(value / 255 - mean) / std for value, mean, std in channels]
    np.testing.assert_allclose(pixels[0, :, 7, 9], wanted, atol=1e-6)


SIZES = [(640, 427), (427, 640), (61, 700), (57, 33), (224, 224), (2401, 1603), (335, 333), (901, 97), (3, 200)]


@pytest.mark.parametrize("size", SIZES)
def test_the_shortest_edge_is_resized_and_the_centre_kept(lite: Model, size: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    short = min(size)
    width, height = int(224 * size[0] / short), int(224 * size[1] / short)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    by_the_book = to_pixels(resized.crop((left, top, left + 224, top + 224)), lite.card.image)
    np.testing.assert_array_equal(to_pixels(image, lite.card.image), by_the_book)


def test_a_strip_of_one_pixel_by_a_million_takes_no_memory_to_speak_of(lite: Model) -> None:
    assert to_pixels(Image.new("RGB", (1, 1_000_000), (255, 255, 255)), lite.card.image).shape == (1, 3, 224, 224)


def test_a_model_may_want_the_whole_picture_squashed(lite: Model) -> None:
    image = Image.new("RGB", (1000, 100), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 100, 100))
    corner_of_crop = to_pixels(image, lite.card.image)[0, 0, 112, 0]
    corner_of_whole = to_pixels(image, replace(lite.card.image, resize="squash"))[0, 0, 112, 0]
    assert corner_of_whole < 0 < corner_of_crop
