"""A picture that is more work than its size says is refused before it is decoded; an honest one is not."""

import struct

import pytest
from PIL import Image

from embedder_container import limits
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode
from tests.embedder.samples import encode, two_halves
from tests.pictures.costly import (
    jpeg_of_scans,
    jpeg_of_separate_components,
    jpeg_with_end_markers_in_comments,
    segment,
    tiff_of_jpeg_strips,
    tiff_of_wide_tiles,
)

LARGEST = 10_480  # pixels a side, of a square within MAX_PIXELS
SLOWEST = limits.MAX_JPEG_SAMPLES // LARGEST**2


class Reached(BaseException):
    """The picture was about to be decoded."""


def stop(_: int) -> None:
    raise Reached


def grid(columns: int, canvas: int, tile: int) -> bytes:
    """Return an AVIF whose primary picture is a grid that names one tile again and again."""
    data = encode(two_halves(64, 64), "AVIF")
    count = columns * columns

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), name) + body

    def full(name: bytes, body: bytes, version: int = 0) -> bytes:
        return box(name, bytes([version, 0, 0, 0]) + body)

    items = b"".join(
        full(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", 2) for number, kind in ((1, b"grid"), (2, b"av01"))
    )
    sizes = full(b"ispe", struct.pack(">II", canvas, canvas)) + full(b"ispe", struct.pack(">II", tile, tile))
    ipma = full(b"ipma", struct.pack(">IHBBHBB", 2, 1, 1, 1, 2, 1, 2))
    parts = box(b"dimg", struct.pack(f">HH{count}H", 1, count, *[2] * count))
    meta = full(
        b"meta",
        full(b"pitm", struct.pack(">H", 1))
        + full(b"iinf", struct.pack(">H", 2) + items)
        + full(b"iref", parts)
        + box(b"iprp", box(b"ipco", sizes) + ipma),
    )
    return data[: int.from_bytes(data[:4], "big")] + meta


TOO_COSTLY = {
    "scans of a progressive JPEG": lambda: jpeg_of_scans(LARGEST, LARGEST, SLOWEST + 1),
    "scans behind end markers in comments": lambda: jpeg_with_end_markers_in_comments(
        jpeg_of_scans(LARGEST, LARGEST, SLOWEST + 1)
    ),
    "scans of a small JPEG": lambda: jpeg_of_scans(16, 16, limits.MAX_JPEG_SCANS + 1),
    "scans of a baseline JPEG": lambda: jpeg_of_separate_components(LARGEST, LARGEST, SLOWEST + 1),
    "tiles of a TIFF": lambda: tiff_of_wide_tiles(331, 40_000, (65_536, 16)),
    "scans in a strip of a TIFF": lambda: tiff_of_jpeg_strips(LARGEST, LARGEST, LARGEST, SLOWEST + 1),
    "scans in all strips of a TIFF": lambda: tiff_of_jpeg_strips(LARGEST, LARGEST, 16, SLOWEST + 1),
    "parts of an AVIF": lambda: grid(columns=8, canvas=4_000, tile=4_000),
    "segments of a JPEG": lambda: b"\xff\xd8" + segment(0xE1, b"") * (limits.MAX_PARTS + 1),
    "chunks of a PNG": lambda: b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"tEXt" + bytes(4)) * (limits.MAX_PARTS + 1),
    "chunks of a WebP": lambda: b"RIFF\0\0\0\0WEBP" + b"EXIF\0\0\0\0" * (limits.MAX_PARTS + 1),
    "runs of a large BMP": lambda: (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 1078, 40, 9_000, 9_000, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1026)
    ),
}


@pytest.mark.parametrize("kind", TOO_COSTLY)
def test_a_picture_that_is_more_work_than_its_size_says_is_refused_before_it_is_decoded(kind: str) -> None:
    with pytest.raises(ItemError) as caught:
        decode(TOO_COSTLY[kind](), wait_for_memory=stop)
    assert (caught.value.code, caught.value.transient) == (Code.TOO_COSTLY, False)


def test_a_jpeg_of_as_many_scans_as_the_largest_may_have_reaches_its_decoder() -> None:
    with pytest.raises(Reached):
        decode(jpeg_of_scans(LARGEST, LARGEST, SLOWEST - 2), wait_for_memory=stop)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_scans_that_encoders_write_are_within_the_limit_at_any_size(mode: str) -> None:
    picture = encode(two_halves(160, 160).convert(mode), "JPEG", progressive=True, subsampling=0)
    side = struct.pack(">HH", 160, 160)
    largest = picture.replace(side, struct.pack(">HH", LARGEST, LARGEST), 1)
    assert largest != picture
    with pytest.raises(Reached):
        decode(largest, wait_for_memory=stop)


def test_a_second_picture_behind_a_jpegs_end_counts_no_scan() -> None:
    follows = jpeg_of_scans(LARGEST, LARGEST, SLOWEST + 1)
    assert decode(encode(two_halves(), "JPEG", progressive=True) + follows).format == "JPEG"


@pytest.mark.parametrize(
    "options", [{"compression": "jpeg"}, {"compression": "tiff_lzw"}, {"compression": "raw", "tile": (256, 256)}]
)
def test_an_honest_tiff_is_decoded(options: dict[str, object]) -> None:
    assert decode(encode(Image.effect_noise((600, 500), 90).convert("RGB"), "TIFF", **options)).format == "TIFF"
