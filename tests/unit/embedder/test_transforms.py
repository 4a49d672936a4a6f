"""The tensor equals that of CLIP's own transform."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.transforms import RESAMPLING_FILTERS, to_pixels, to_square

CONFIG = load_description(SHIPPED_MODELS, "lite").image
SIZES = [(640, 427), (427, 640), (61, 700), (57, 33), (224, 224), (2401, 1603), (335, 333), (901, 97), (3, 200)]


def test_an_image_of_one_colour_has_that_colours_normalised_value() -> None:
    pixels = to_pixels(Image.new("RGB", (300, 500), (255, 0, 128)), CONFIG)
    assert pixels.shape == (1, 3, 224, 224)
    assert pixels.dtype == np.float32
    channels = zip((255, 0, 128), CONFIG.mean, CONFIG.std, strict=True)
    expected = [(value / 255 - mean) / std for value, mean, std in channels]
    np.testing.assert_allclose(pixels[0, :, 7, 9], expected, atol=1e-6)


def resized_whole_and_cropped(image: Image.Image, resampling: Image.Resampling) -> Image.Image:
    """CLIP's own transform: the whole image is resized, then its centre cropped."""
    shortest = min(image.size)
    width, height = int(224 * image.width / shortest), int(224 * image.height / shortest)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    return image.resize((width, height), resampling).crop((left, top, left + 224, top + 224))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_the_shortest_edge_is_resized_and_the_centre_kept(size: tuple[int, int]) -> None:
    image = noise(*size)
    expected = to_pixels(resized_whole_and_cropped(image, Image.Resampling.BICUBIC), CONFIG)
    np.testing.assert_array_equal(to_pixels(image, CONFIG), expected)


@settings(max_examples=60)
@given(
    ratio=st.one_of(st.sampled_from([(3, 2), (4, 3), (16, 9), (2, 1), (5, 4)]), st.tuples(*[st.integers(3, 30)] * 2)),
    unit=st.integers(1, 60),
    turned=st.booleans(),
    resample=st.sampled_from(["bicubic", "bilinear", "lanczos"]),
)
def test_whatever_its_shape_an_image_is_to_the_last_bit_as_if_it_were_resized_whole(
    ratio: tuple[int, int], unit: int, turned: bool, resample: str
) -> None:
    width, height = (max(3, length * unit) for length in (reversed(ratio) if turned else ratio))
    image = noise(width, height)
    expected = resized_whole_and_cropped(image, RESAMPLING_FILTERS[resample])
    assert to_square(image, replace(CONFIG, resample=resample)).tobytes() == expected.tobytes()


def test_a_strip_of_one_pixel_by_a_million_is_resized_without_a_large_copy() -> None:
    assert to_pixels(Image.new("RGB", (1, 1_000_000), (255, 255, 255)), CONFIG).shape == (1, 3, 224, 224)


def test_a_model_may_take_the_whole_image_squashed() -> None:
    image = Image.new("RGB", (1000, 100), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 100, 100))
    corner_of_crop = to_pixels(image, CONFIG)[0, 0, 112, 0]
    corner_of_whole = to_pixels(image, replace(CONFIG, resize="squash"))[0, 0, 112, 0]
    assert corner_of_whole < 0 < corner_of_crop
