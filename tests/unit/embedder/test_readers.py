"""What readers take from containers, piece by piece."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from embedder_container.colour_spaces import ToneMapping, from_code_points, from_gamma
from embedder_container.readers import av1, boxes, exif
from embedder_container.readers.picture import JoinedFile
from tests.pictures.containers import drawing, encoded
from tests.pictures.containers import exif as exif_block


@pytest.mark.parametrize("start", [0, 3, 20])
@pytest.mark.parametrize("sizes", [(1, 2, 3, 40), (100,), (-1,), (5, 5, 5, 5)])
def test_a_joined_file_reads_as_the_joined_bytes(start: int, sizes: tuple[int, ...]) -> None:
    head, body = b"a head", bytes(range(20))
    joined, plain = JoinedFile(head, body, start), BytesIO(head + body[start:])
    for size in sizes:
        assert joined.read(size) == plain.read(size)
        assert joined.tell() == plain.tell()
    for offset, whence in ((2, 0), (-3, 2), (0, 1)):
        if len(plain.getvalue()) > 3:
            assert joined.seek(offset, whence) == plain.seek(offset, whence)
            assert joined.read(4) == plain.read(4)


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif_block(6)[:12], b"II+\0" + b"\xff" * 40]
)
def test_a_damaged_exif_block_turns_nothing(block: bytes) -> None:
    assert exif.orientation(block) == 1


def test_of_two_orientations_the_last_valid_one_counts() -> None:
    entries = b"".join(struct.pack("<HHIHH", exif.ORIENTATION, 3, 1, value, 0) for value in (3, 6, 9))
    assert exif.orientation(b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + entries + bytes(4)) == 6


def test_colours_of_an_av1_stream_are_read_from_its_sequence_header() -> None:
    avif = encoded(drawing(), "AVIF")
    file = boxes.read(avif)
    ((start, length),) = file.extents[file.primary]
    assert file.codec() == "av01"
    assert av1.code_points(avif[start : start + length]) == (1, 13)
    assert av1.code_points(avif[start : start + 3]) is None
    assert av1.code_points(b"") is None


def test_unknown_code_points_and_a_gamma_of_nothing_declare_nothing() -> None:
    assert from_code_points(3, 13) is None
    assert from_code_points(1, 10) is None
    assert from_code_points(2, 13) is None
    assert from_gamma(0.0, None) is None
    assert from_gamma(1.0, (0.0,) * 8) is None


@pytest.mark.parametrize(("primaries", "transfer"), [(9, 16), (12, 16), (9, 18), (1, 18)])
@pytest.mark.parametrize("peak", [100.0, 400.0, 1000.0, 4000.0])
def test_tone_mapping_by_tables_equals_the_formulas(primaries: int, transfer: int, peak: float) -> None:
    space = from_code_points(primaries, transfer, peak_nits=peak)
    assert space is not None
    assert space.is_hdr
    codes = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    by_tables = np.asarray(ToneMapping(space).convert(Image.fromarray(codes.copy()))).astype(float)
    assert np.abs(by_tables - 255 * space.to_srgb(codes / 255)).max() < 0.6
