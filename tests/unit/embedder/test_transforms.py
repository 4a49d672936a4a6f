"""The tensor equals that of CLIP's own transform."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.transforms import to_pixels

CONFIG = load_description(SHIPPED_MODELS, "lite").image
SIZES = [(640, 427), (427, 640), (61, 700), (57, 33), (224, 224), (2401, 1603), (335, 333), (901, 97), (3, 200)]


def test_an_image_of_one_colour_has_that_colours_normalised_value() -> None:
    pixels = to_pixels(Image.new("RGB", (300, 500), (255, 0, 128)), CONFIG)
    assert pixels.shape == (1, 3, 224, 224)
    assert pixels.dtype == np.float32
    channels = zip((255, 0, 128), CONFIG.mean, CONFIG.std, strict=True)
    expected = [(value / 255 - mean) / std for value, mean, std in channels]
    np.testing.assert_allclose(pixels[0, :, 7, 9], expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_shortest_edge_is_resized_and_the_centre_kept(size: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    shortest = min(size)
    width, height = int(224 * size[0] / shortest), int(224 * size[1] / shortest)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    expected = to_pixels(resized.crop((left, top, left + 224, top + 224)), CONFIG)
    np.testing.assert_array_equal(to_pixels(image, CONFIG), expected)


def test_a_strip_of_one_pixel_by_a_million_is_resized_without_a_large_copy() -> None:
    assert to_pixels(Image.new("RGB", (1, 1_000_000), (255, 255, 255)), CONFIG).shape == (1, 3, 224, 224)


def test_a_model_may_take_the_whole_image_squashed() -> None:
    image = Image.new("RGB", (1000, 100), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 100, 100))
    corner_of_crop = to_pixels(image, CONFIG)[0, 0, 112, 0]
    corner_of_whole = to_pixels(image, replace(CONFIG, resize="squash"))[0, 0, 112, 0]
    assert corner_of_whole < 0 < corner_of_crop
