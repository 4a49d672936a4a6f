"""Copies of a picture have a hash near to its own, other pictures do not."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from embedder_container.perceptual_hash import perceptual_hash

SAMPLES = sorted((Path(__file__).parents[3] / "samples").rglob("*.jpg"))[:12]
SIDE = 224


def hash_of(image: Image.Image, side: int = SIDE) -> int:
    return int(perceptual_hash(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))), 16)


def bits_between(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in SAMPLES]


def test_copies_have_a_hash_near_to_the_pictures_own(pictures: list[Image.Image]) -> None:
    for picture in pictures:
        own, (width, height) = hash_of(picture), picture.size
        assert bits_between(own, hash_of(recompressed(picture))) <= 4
        assert bits_between(own, hash_of(picture.resize((width // 4, height // 4)))) <= 6
        assert bits_between(own, hash_of(ImageEnhance.Color(picture).enhance(0.5))) <= 4
        assert bits_between(own, hash_of(ImageEnhance.Contrast(picture).enhance(1.3))) <= 8


def test_other_pictures_have_a_hash_far_from_it(pictures: list[Image.Image]) -> None:
    hashes = [hash_of(picture) for picture in pictures]
    assert min(bits_between(one, other) for i, one in enumerate(hashes) for other in hashes[:i]) >= 16


def test_the_side_of_the_square_changes_few_bits(pictures: list[Image.Image]) -> None:
    for picture in pictures:
        assert bits_between(hash_of(picture, 224), hash_of(picture, 336)) <= 6


def test_plain_pictures_of_any_colour_have_the_same_hash() -> None:
    hashes = {perceptual_hash(np.full((SIDE, SIDE, 3), colour, np.uint8)) for colour in ((0, 0, 0), (255, 3, 77))}
    assert hashes == {"0" * 16}
