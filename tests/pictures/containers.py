"""Writes small files byte by byte: what no encoder writes, but people have."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]


def drawing(mode: str = "RGB") -> Image.Image:
    """Return a drawing of 96 by 64 pixels that differs from each of its turns."""
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    image = Image.fromarray(np.stack([2 * x + 20, 3 * y + 30, 230 - x - y], axis=-1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 6, 40, 24), fill=(230, 40, 30))
    draw.ellipse((52, 30, 88, 60), fill=(30, 160, 60))
    draw.line((4, 60, 44, 34), fill=(250, 240, 90), width=4)
    return image.convert(mode)


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    target = BytesIO()
    image.save(target, format_name, **options)
    return target.getvalue()


def chunk(name: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """Return a PNG chunk, with its right checksum or another."""
    right = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right if checksum is None else checksum)


def png(pixels: NDArray[Any], *chunks: bytes, bits: int = 8, kind: int | None = None) -> bytes:
    """Return a PNG of values [rows, columns] or [rows, columns, 3] with these chunks before the pixels."""
    height, width = pixels.shape[:2]
    header = struct.pack(
        ">IIBBBBB", width, height, bits, kind if kind is not None else {2: 0, 3: 2}[pixels.ndim], 0, 0, 0
    )
    if bits < 8:
        per_byte = 8 // bits
        padded = np.pad(pixels, ((0, 0), (0, -width % per_byte))).reshape(height, -1, per_byte).astype(np.uint16)
        rows = (padded << np.arange(8 - bits, -1, -bits)).sum(axis=-1).astype(np.uint8)
    else:
        rows = pixels.astype(">u2" if bits == 16 else "u1")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return PNG_SIGNATURE + b"".join(
        [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    )


def segment(marker: int, body: bytes) -> bytes:
    """Return a JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return the JPEG with these segments after its first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def xmp(orientation: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def exif(orientation: int, value_type: int = 3, order: str = "<") -> bytes:
    """Return an EXIF block with an orientation of this type (1: BYTE, 3: SHORT, 4: LONG)."""
    code = {1: "B", 3: "H", 4: "I"}[value_type]
    value = struct.pack(order + code, orientation).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", 0x0112, value_type, 1) + value
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


Values = int | Sequence[int] | bytes


def tiff(
    size: tuple[int, int], pixels: Sequence[bytes], tags: Mapping[int, Values], *, order: str = "<", big: bool = False
) -> bytes:
    """Return a TIFF whose strips are `pixels`, at offset 8 or 16; `tags` are added to its own.

    A tag of several numbers is written as SHORT; bytes as BYTE.
    """
    width, height = size
    data = bytes(16 if big else 8) + b"".join(pixels)
    offsets = [len(data) - sum(map(len, pixels[number:])) for number in range(len(pixels))]
    own: dict[int, Values] = {256: width, 257: height, 259: 1, 273: offsets, 278: height, 279: [len(p) for p in pixels]}
    entries = []
    inline = 8 if big else 4
    for tag, values in sorted({**own, **tags}.items()):
        if isinstance(values, bytes):
            value_type, count, raw = 1, len(values), values
        else:
            numbers = [values] if isinstance(values, int) else list(values)
            value_type, count = (4 if tag in (273, 279) else 3), len(numbers)
            raw = struct.pack(f"{order}{count}{'I' if value_type == 4 else 'H'}", *numbers)
        if len(raw) > inline:
            data += bytes(len(data) % 2)
            place, data = len(data), data + raw
            raw = struct.pack(order + ("Q" if big else "I"), place)
        entries.append(
            struct.pack(order + ("HHQ" if big else "HHI"), tag, value_type, count) + raw.ljust(inline, b"\0")
        )
    start = len(data)
    data += struct.pack(order + ("Q" if big else "H"), len(entries)) + b"".join(entries) + bytes(inline)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start)
    return head + data[len(head) :]


def bmp(values: NDArray[Any], masks: Sequence[int], *, header: int = 40) -> bytes:
    """Return a BMP of bit fields: values [rows, columns] of 16 or 32 bits, masks of red, green, blue and alpha."""
    height, width = values.shape
    bits = values.dtype.itemsize * 8
    rows = b"".join(row.tobytes().ljust((width * bits + 31) // 32 * 4, b"\0") for row in values[::-1])
    fields = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, 3, len(rows), 2835, 2835, 0, 0)
    fields += struct.pack(f"<{len(masks)}I", *masks)
    fields = fields.ljust(header, b"\0")
    start = 14 + len(fields)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + fields + rows


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def with_brand(data: bytes, brand: bytes) -> bytes:
    """Return the AVIF or HEIF with another major brand."""
    return data[:8] + brand + data[12:]


def with_code_points(avif: bytes, primaries: int, transfer: int) -> bytes:
    """Return the AVIF with other code points in its nclx."""
    at = avif.index(b"nclx") + 4
    return avif[:at] + struct.pack(">HH", primaries, transfer) + avif[at + 4 :]
