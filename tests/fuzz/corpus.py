"""Small pictures of every kind that is opened, and some that are refused: where mutation begins."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
REFUSED = (
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    b"8BPS\0\1" + bytes(20),
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    b"FUJIFILMCCD-RAW 0201" + bytes(80),
    b"hello, world\n" * 20,
)


def corpus() -> list[bytes]:
    """About sixty files, each a few hundred bytes to some kilobytes, the same ones every time."""
    pillow_heif.register_heif_opener()
    return [*_pictures(), *REFUSED]


def _pictures() -> Iterator[bytes]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"IEC", b"XYZ")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    plain, other = _noise(40, 30), _noise(40, 30, seed=2)
    for kind in KINDS:
        yield _file(plain, kind)
        if kind != "BMP":
            yield _file(plain, kind, exif=exif.tobytes(), icc_profile=profile)
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        yield _file(plain, kind, save_all=True, append_images=[other, plain], duration=40)
    for kind in ("PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        yield _file(plain.convert("RGBA"), kind)
    yield _file(plain, "MPO", save_all=True, append_images=[other])
    yield _file(plain, "JPEG", progressive=True)
    yield _file(plain.convert("CMYK"), "JPEG")
    yield _file(_noise(600, 450), "JPEG", quality=20)
    yield _file(plain, "WEBP", lossless=True)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield _file(plain, "TIFF", compression=compression)
    yield _file(plain.convert("1"), "TIFF", compression="group4")
    for mode in ("1", "L", "LA", "P", "I;16", "I", "F", "CMYK", "YCbCr", "LAB"):
        image = Image.new(mode, (20, 10)) if mode in ("I;16", "LA", "LAB") else plain.convert(mode)
        yield _file(image, "TIFF")
        if mode in ("1", "L", "LA", "P", "I;16"):
            yield _file(image, "PNG")


def _noise(width: int, height: int, seed: int = 1) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _file(image: Image.Image, kind: str, **options: object) -> bytes:
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()
