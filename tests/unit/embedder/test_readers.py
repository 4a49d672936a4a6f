"""What readers take from containers, piece by piece."""

import struct
from datetime import datetime
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


TAKEN, OFFSET = 0x9003, 0x9011


def taken_block(texts: dict[int, bytes], order: str = "<") -> bytes:
    """Return an EXIF block whose EXIF directory has these tags as text."""
    values, entries = b"", b""
    start = 26 + 2 + 12 * len(texts) + 4
    for tag, text in texts.items():
        entries += struct.pack(order + "HHII", tag, 2, len(text) + 1, start + len(values))
        values += text + b"\0"
    head = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(order + "IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    return head + first + struct.pack(order + "H", len(texts)) + entries + bytes(4) + values


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("time", "offset", "expected"),
    [
        (b"2024:05:06 07:08:09", None, "2024-05-06T07:08:09"),
        (b"2024:05:06 07:08:09", b"+05:30", "2024-05-06T07:08:09+05:30"),
        (b"2024:05:06 07:08:09", b"-03:00", "2024-05-06T07:08:09-03:00"),
        (b"2024:05:06 07:08:09", b"+99:00", "2024-05-06T07:08:09"),
        (b"2024:05:06 07:08:09", b"      ", "2024-05-06T07:08:09"),
        (b"0000:00:00 00:00:00", None, None),
        (b"2023:02:29 07:08:09", b"+05:30", None),
        (b"    :  :     :  :  ", None, None),
        (b"2024-05-06 07:08:09", None, None),
        (b"2024:05:06", None, None),
    ],
)
def test_the_time_of_taking_has_the_offset_that_the_camera_wrote(
    order: str, time: bytes, offset: bytes | None, expected: str | None
) -> None:
    texts = {TAKEN: time} | ({OFFSET: offset} if offset is not None else {})
    assert exif.taken(taken_block(texts, order)) == expected


@given(cut=st.integers(0, 120), changes=st.lists(st.tuples(st.integers(0, 119), st.integers(0, 255)), max_size=8))
def test_no_damage_to_exif_does_more_than_to_lose_the_time(cut: int, changes: list[tuple[int, int]]) -> None:
    block = bytearray(taken_block({TAKEN: b"2024:05:06 07:08:09", OFFSET: b"+05:30"}))
    for place, value in changes:
        if place < len(block):
            block[place] = value
    taken = exif.taken(bytes(block[:cut]))
    assert taken is None or datetime.fromisoformat(taken)


def test_an_exif_directory_that_points_at_itself_ends() -> None:
    block = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 0)
    assert exif.taken(block) is None


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
