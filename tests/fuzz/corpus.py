"""Small images of every supported format, and some files that are refused: the fuzzer mutates them."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from tests.pictures.kinds import kinds

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000")
MAX_FILE_BYTES = 40_000
REFUSED_FILES = (
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    b"8BPS\0\1" + bytes(20),
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    b"FUJIFILMCCD-RAW 0201" + bytes(80),
    b"hello, world\n" * 20,
)


def build_corpus() -> list[bytes]:
    """Return about three hundred files of a few hundred bytes to some kilobytes, the same ones every time.

    The odd kinds of `tests.pictures` are a third of them by draw: they reach the code that mends containers.
    """
    pillow_heif.register_heif_opener()
    ordinary = [*_images(), *REFUSED_FILES]
    odd = [kind.data for kind in kinds() if len(kind.data) <= MAX_FILE_BYTES]
    return [*ordinary * max(1, 2 * len(odd) // len(ordinary)), *odd]


def _images() -> Iterator[bytes]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"IEC", b"XYZ")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    image, other_image = _noise(40, 30), _noise(40, 30, seed=2)
    for format_name in FORMATS:
        yield _file(image, format_name)
        if format_name not in ("BMP", "JPEG2000"):
            yield _file(image, format_name, exif=exif.tobytes(), icc_profile=profile)
    for format_name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        yield _file(image, format_name, save_all=True, append_images=[other_image, image], duration=40)
    for format_name in ("PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        yield _file(image.convert("RGBA"), format_name)
    yield _file(image, "MPO", save_all=True, append_images=[other_image])
    yield _file(image, "JPEG", progressive=True)
    yield _file(image.convert("CMYK"), "JPEG")
    yield _file(_noise(600, 450), "JPEG", quality=20)
    yield _file(image, "WEBP", lossless=True)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield _file(image, "TIFF", compression=compression)
    yield _file(image.convert("1"), "TIFF", compression="group4")
    for mode in ("1", "L", "LA", "P", "I;16", "I", "F", "CMYK", "YCbCr", "LAB"):
        converted = Image.new(mode, (20, 10)) if mode in ("I;16", "LA", "LAB") else image.convert(mode)
        yield _file(converted, "TIFF")
        if mode in ("1", "L", "LA", "P", "I;16"):
            yield _file(converted, "PNG")


def _noise(width: int, height: int, seed: int = 1) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _file(image: Image.Image, format_name: str, **options: object) -> bytes:
    target = BytesIO()
    image.save(target, format_name, **options)
    return target.getvalue()
