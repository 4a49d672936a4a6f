"""Patches of known colours under every declaration of a colour space: what Chromium shows is in `chromium.json`."""

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from tests.pictures.containers import chunk, encoded, png, with_code_points

GOLDEN_FILE = Path(__file__).parent / "chromium.json"
GREYS = [(value, value, value) for value in (0, 8, 32, 64, 96, 128, 160, 192, 224, 255)]
COLOURS = [
    *GREYS,
    *(
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (200, 40, 30),
        (30, 160, 60),
        (40, 60, 190),
        (250, 240, 90),
        (128, 0, 255),
    ),
    *((90, 70, 60), (230, 180, 150), (0, 128, 128), (128, 64, 0), (64, 64, 128), (180, 180, 40)),
    *((255, 128, 128), (128, 255, 200)),
]
PATCH = 16  # pixels: lossy codecs blur the edges
SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
DISPLAY_P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(values: tuple[int, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *values))


def light_level(nits: int) -> bytes:
    return chunk(b"cLLI", struct.pack(">II", nits * 10_000, 100 * 10_000))


def mastering_display(nits: int) -> bytes:
    numbers = (35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, nits * 10_000, 50)
    return chunk(b"mDCV", struct.pack(">8HII", *numbers))


_CICP = (
    *((12, 13), (9, 14), (9, 1), (1, 1), (1, 4), (6, 5), (5, 8), (7, 7), (12, 17), (22, 13), (8, 13)),
    *((9, 16), (12, 16), (9, 18), (12, 18), (2, 13), (1, 2)),
)
PNG_DECLARATIONS: dict[str, list[bytes]] = {
    **{f"cICP {primaries} {transfer}": [cicp(primaries, transfer)] for primaries, transfer in _CICP},
    "cICP 9 16, cLLI 4000": [cicp(9, 16), light_level(4000)],
    "cICP 9 16, cLLI 400": [cicp(9, 16), light_level(400)],
    "cICP 9 16, mDCV 600": [cicp(9, 16), mastering_display(600)],
    **{f"gAMA {value}": [gama(value)] for value in (100_000, 55_556, 45_455, 50_000, 30_000, 0)},
    "cHRM P3": [chrm(DISPLAY_P3)],
    "gAMA 45455, cHRM P3": [gama(45_455), chrm(DISPLAY_P3)],
    "gAMA 45455, cHRM sRGB": [gama(45_455), chrm(SRGB)],
    "gAMA 100000, cHRM zero": [gama(100_000), chrm((0,) * 8)],
    "sRGB, gAMA 100000": [chunk(b"sRGB", b"\0"), gama(100_000)],
    "cICP 1 13, gAMA 100000": [cicp(1, 13), gama(100_000)],
    "cICP 2 2, gAMA 100000": [cicp(2, 2), gama(100_000)],
}
AVIF_CODE_POINTS = (
    *((12, 13), (9, 14), (9, 1), (1, 1), (1, 6), (2, 2), (12, 2), (1, 4), (5, 8), (7, 7)),
    *((9, 16), (12, 16), (9, 18), (12, 17), (1, 13)),
)


def declared_files() -> dict[str, bytes]:
    """Return the patches as a PNG or an AVIF under each declaration, by its name."""
    patches = np.array(COLOURS, np.uint8)[None].repeat(PATCH, 0).repeat(PATCH, 1)
    avif = encoded(Image.fromarray(patches), "AVIF", quality=100, subsampling="4:4:4")
    files = {name: png(patches, *chunks) for name, chunks in PNG_DECLARATIONS.items()}
    return files | {f"nclx {p} {t}": with_code_points(avif, p, t) for p, t in AVIF_CODE_POINTS}


def shown_by_chromium() -> dict[str, list[list[int]]]:
    """Return the colours that Chromium shows, by the declaration's name."""
    shown: dict[str, list[list[int]]] = json.loads(GOLDEN_FILE.read_text())["shown"]
    return shown
