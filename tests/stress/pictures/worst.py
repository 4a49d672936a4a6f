"""The costliest pictures that the limits admit: nearly MAX_PIXELS in each format, depth and kind of colours."""

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from embedder_container.limits import MAX_FILE_BYTES
from tests.pictures.containers import PNG_SIGNATURE, chunk
from tests.pictures.declarations import DISPLAY_P3, chrm, cicp, gama

WIDTH, HEIGHT = 10_400, 10_500  # 109.2 megapixels
WEBP_SIZE = (16_383, 6_700)
# A lossless one with alpha takes more memory than a picture may from about 90 megapixels on.
LOSSLESS_WEBP_SIZE = (16_383, 5_400)
TILE = 100


def worst_pictures() -> Iterator[tuple[str, bytes]]:
    """Return each picture with its name; one that does not fit into MAX_FILE_BYTES is left out."""
    makers: dict[str, Callable[[], bytes]] = {
        "PNG RGB": lambda: _file(_colours(), "PNG", compress_level=1),
        "PNG RGBA": lambda: _file(_colours("RGBA"), "PNG", compress_level=1),
        "PNG palette with alpha": lambda: _file(_colours("P"), "PNG", compress_level=1, transparency=bytes(range(200))),
        "PNG grey of 16 bits": lambda: _file(_deep_grey(), "PNG", compress_level=1),
        "PNG grey of 16 bits, gamma": lambda: _declared(_file(_deep_grey(), "PNG", compress_level=1), gama(100_000)),
        "PNG gamma and primaries": lambda: _declared(
            _file(_colours(), "PNG", compress_level=1), gama(45_455), chrm(DISPLAY_P3)
        ),
        "PNG PQ": lambda: _declared(_file(_colours(), "PNG", compress_level=1), cicp(9, 16)),
        "PNG HLG": lambda: _declared(_file(_colours(), "PNG", compress_level=1), cicp(9, 18)),
        "PNG RGBA with a profile": lambda: _file(_colours("RGBA"), "PNG", compress_level=1, icc_profile=_profile()),
        "TIFF floating point": lambda: _file(_floats(), "TIFF", compression="tiff_adobe_deflate"),
        "TIFF CMYK": lambda: _file(_colours("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        "TIFF RGBA": lambda: _file(_colours("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
        "JPEG": lambda: _file(_colours(), "JPEG", quality=50),
        "JPEG progressive with a profile": lambda: _file(
            _colours(), "JPEG", quality=50, progressive=True, icc_profile=_profile()
        ),
        "JPEG CMYK": lambda: _file(_colours("CMYK"), "JPEG", quality=20),
        "JPEG without its end marker": lambda: _file(_colours(), "JPEG", quality=50)[:-2],
        "GIF": lambda: _file(_colours("P"), "GIF"),
        "WebP": lambda: _file(_colours(size=WEBP_SIZE), "WEBP", quality=20, method=0),
        "WebP lossless with alpha": lambda: _file(
            _colours("RGBA", size=LOSSLESS_WEBP_SIZE), "WEBP", lossless=True, quality=0, method=0
        ),
        "AVIF": lambda: _file(_colours(), "AVIF", quality=20, speed=10),
        "AVIF PQ": lambda: _file(_colours(), "AVIF", quality=20, speed=10).replace(
            b"nclx" + struct.pack(">HH", 1, 13), b"nclx" + struct.pack(">HH", 9, 16)
        ),
        "JPEG 2000": lambda: _file(
            _colours(), "JPEG2000", quality_mode="rates", quality_layers=[60], irreversible=True
        ),
    }
    for name, make in makers.items():
        data = make()
        if len(data) <= MAX_FILE_BYTES:
            yield name, data
        else:
            print(f"{name}: {len(data):,} bytes are more than a file may have")


def _colours(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    tile = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8))
    tile = tile.resize((TILE, TILE), Image.Resampling.BICUBIC)
    tile = tile.convert("RGB").quantize(200) if mode == "P" else tile if mode == "RGBA" else tile.convert(mode)
    return _tiled(tile, size)


def _tiled(tile: Image.Image, size: tuple[int, int]) -> Image.Image:
    image = Image.new(tile.mode, size)
    if tile.mode == "P":
        image.putpalette(tile.getpalette() or [])
    for left in range(0, size[0], TILE):
        image.paste(tile, (left, 0))
    row = image.crop((0, 0, size[0], TILE))
    for top in range(TILE, size[1], TILE):
        image.paste(row, (0, top))
    return image


def _deep_grey() -> Image.Image:
    tile = np.random.default_rng(0).integers(0, 65536, (TILE, TILE), dtype=np.uint16)
    return Image.fromarray(np.tile(tile, (HEIGHT // TILE, WIDTH // TILE)))


def _floats() -> Image.Image:
    tile = np.random.default_rng(0).random((TILE, TILE), dtype=np.float32)
    return Image.fromarray(np.tile(tile, (HEIGHT // TILE, WIDTH // TILE)))


def _profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"s\0R\0G\0B\0", b"t\0e\0s\0t\0").replace(b"\0s\0R\0G\0B", b"\0t\0e\0s\0t")


def _declared(png: bytes, *chunks: bytes) -> bytes:
    first = len(PNG_SIGNATURE) + len(chunk(b"IHDR", bytes(13)))
    return png[:first] + b"".join(chunks) + png[first:]


def _file(image: Image.Image, format_name: str, **options: Any) -> bytes:
    target = BytesIO()
    image.save(target, format_name, **options)
    return target.getvalue()
