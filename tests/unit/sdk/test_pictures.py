"""What kinds of pictures are known by their first bytes."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image, ImageStat, features

from similarix_sdk.folders import is_picture
from similarix_sdk.pictures import UPLOAD_LIMIT, mime_type_of, picture_of
from tests.conftest import SAMPLES


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_picture_is_known_by_its_first_bytes(kind: str) -> None:
    if kind == "AVIF":
        assert features.check("avif")
    body = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(body, kind)
    expected = {"JPEG2000": "image/jp2"}.get(kind, f"image/{kind.lower()}")
    assert mime_type_of(body.getvalue()[:64]) == expected


def test_samples_are_pictures() -> None:
    for path in sorted((SAMPLES / "photos").iterdir()):
        assert picture_of(path).mime_type == "image/jpeg"
        assert is_picture(path.name)


def test_what_is_no_picture_is_left_to_the_api() -> None:
    assert picture_of(b"words").mime_type == "application/octet-stream"
    assert not is_picture(".hidden.jpg")
    assert not is_picture("words.txt")


def test_an_image_whose_png_is_too_large_for_a_request_becomes_a_jpeg() -> None:
    image = Image.effect_noise((2800, 2000), 100)
    picture = picture_of(image, "noise")
    assert picture.mime_type == "image/jpeg"
    assert picture.size < UPLOAD_LIMIT
    with picture.open() as file, Image.open(file) as again:
        assert again.size == image.size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"])
def test_an_image_of_any_mode_becomes_a_picture_of_the_same_colours(mode: str) -> None:
    image = Image.new(mode, (9, 9), 0 if mode == "1" else None)
    with picture_of(image).open() as file, Image.open(file) as again:
        assert again.format == "PNG"
        if mode != "La":  # which Pillow itself shows nowhere
            assert again.convert("RGB").getpixel((0, 0)) == image.convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize("mode", ["I", "I;16", "F", "LAB", "HSV"])
def test_an_image_of_a_rare_mode_becomes_a_picture(mode: str) -> None:
    with picture_of(Image.new(mode, (9, 9))).open() as file, Image.open(file) as again:
        assert again.size == (9, 9)


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("I", (0, 200), ("L", 0, 200)),
        ("I", (20_000, 65_535), ("I;16", 20_000, 65_535)),
        ("I;16B", (20_000, 65_535), ("I;16", 20_000, 65_535)),
        ("I", (-70_000, 70_000), ("L", 0, 255)),
        ("F", (0.25, 0.75), ("L", 0, 255)),
    ],
)
def test_a_deep_grey_becomes_a_picture_of_the_same_greys(
    mode: str, values: tuple[float, float], expected: tuple[str, int, int]
) -> None:
    image = Image.new(mode, (2, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    with picture_of(image).open() as file, Image.open(file) as again:
        assert (again.mode, again.getpixel((0, 0)), again.getpixel((1, 0))) == expected


def test_a_deep_grey_whose_png_is_too_large_for_a_request_becomes_a_jpeg_of_the_same_greys() -> None:
    image = Image.frombytes("I;16", (2400, 1200), random.Random(1).randbytes(2 * 2400 * 1200))
    picture = picture_of(image)
    assert picture.mime_type == "image/jpeg"
    with picture.open() as file, Image.open(file) as again:
        assert ImageStat.Stat(again.convert("L")).mean[0] == pytest.approx(127.5, abs=3)


def test_an_image_is_turned_as_its_exif_says() -> None:
    body, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # Orientation: turned by a quarter
    Image.new("RGB", (20, 10), "red").save(body, "JPEG", exif=exif)
    with picture_of(Image.open(body)).open() as file, Image.open(file) as again:
        assert (again.size, again.getexif().get(0x0112, 1)) == ((10, 20), 1)


def test_a_file_that_is_not_there_and_what_is_no_source_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        picture_of(tmp_path / "no.jpg")
    with pytest.raises(TypeError, match="a URL or a Pillow image, not int"):
        picture_of(5)  # type: ignore[arg-type]
