"""Small files that are much work: within the limits on bytes and pixels, each was made by hand for its codec."""

import struct
import zlib

EMPTY_RUN = 14  # of the classes of runs of blocks without coefficients: up to 32,767 blocks


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """Return a progressive grey JPEG whose refinements each go over all blocks and find no coefficient."""
    blocks = -(-width // 8) * -(-height // 8)
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    # One code of one bit in each table: no difference, and the longest run.
    tables = segment(0xC4, b"\x00\x01" + bytes(15) + b"\x00") + segment(0xC4, b"\x10\x01" + bytes(15) + b"\xe0")
    runs = _packed(("0" + "1" * EMPTY_RUN) * (blocks // 32_767 + 1))
    return b"".join(
        [
            b"\xff\xd8" + segment(0xDB, b"\x00" + b"\x01" * 64) + segment(0xC2, frame) + tables,
            _scan(1, 0, 0, 0, 0) + _packed("0" * blocks),
            _scan(1, 1, 63, 0, 1) + runs,
            *[_scan(1, 1, 63, 1, 0) + runs] * scans,
            b"\xff\xd9",
        ]
    )


def jpeg_of_separate_components(width: int, height: int, scans: int) -> bytes:
    """Return a baseline JPEG of three components, each sent alone again and again, without data."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    tables = segment(0xC4, b"\x00\x01" + bytes(15) + b"\x00") + segment(0xC4, b"\x10\x01" + bytes(15) + b"\x00")
    head = b"\xff\xd8" + segment(0xDB, b"\x00" + b"\x01" * 64) + segment(0xC0, frame) + tables
    return head + b"".join(_scan(1 + number % 3, 0, 63, 0, 0) for number in range(scans)) + b"\xff\xd9"


def jpeg_with_end_markers_in_comments(data: bytes) -> bytes:
    """Return a JPEG with a comment before each scan that holds an end marker, which ends nothing."""
    return data.replace(b"\xff\xda", segment(0xFE, b"\xff\xd9") + b"\xff\xda")


def tiff_of_wide_tiles(width: int, height: int, tile: tuple[int, int]) -> bytes:
    """Return a grey TIFF whose tiles are far wider than it, and all the same bytes."""
    across, down = tile
    data = zlib.compress(bytes(across * down))
    count = -(-width // across) * -(-height // down)
    fields = {322: [across], 323: [down], 324: [8] * count, 325: [len(data)] * count}
    return _tiff(width, height, 8, data, fields)


def tiff_of_jpeg_strips(width: int, height: int, rows: int, scans: int) -> bytes:
    """Return a grey TIFF whose strips are all the same costly JPEG."""
    data = jpeg_of_scans(width, rows, scans)
    count = -(-height // rows)
    return _tiff(width, height, 7, data, {278: [rows], 273: [8] * count, 279: [len(data)] * count})


def segment(marker: int, body: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _scan(component: int, first: int, last: int, high: int, low: int) -> bytes:
    return segment(0xDA, bytes([1, component, 0, first, last, high << 4 | low]))


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def _tiff(width: int, height: int, compression: int, data: bytes, fields: dict[int, list[int]]) -> bytes:
    tags = {256: [width], 257: [height], 258: [8], 259: [compression], 262: [1], 277: [1]} | fields
    body = data + bytes(len(data) % 2)
    entries = b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(packed) > 4:
            packed, body = struct.pack("<I", 8 + len(body)), body + packed
        entries += struct.pack("<HHI", tag, 4, len(values)) + packed
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory
