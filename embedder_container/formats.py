"""Recognises file formats by their first bytes, so that a file can be refused by name before a decoder opens it."""

import re

from embedder_container.errors import Code, ItemError
from embedder_container.readers import exif

# Pillow can open many more: fewer decoders mean fewer security holes.
SUPPORTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000")
_TIFF_SIGNATURES = tuple(order + magic for order in (b"II", b"MM") for magic in (b"*\0", b"\0*", b"+\0", b"\0+"))
# HEIF stands for AVIF too: the file's boxes tell them apart.
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),  # and line ends, which a copy of it as text has changed
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    *((signature, "TIFF") for signature in _TIFF_SIGNATURES),
)
# Brands of files that show a picture, or a sequence of them: https://mp4ra.org/registered-types/brands
_PICTURE_BRANDS = (
    b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1",
    b"miaf", b"jpeg", b"jpgs", b"j2ki", b"j2is", b"avci", b"avcs", b"vvic", b"vvis", b"evbi", b"evbs",
)  # fmt: skip
_MAX_FIRST_BOXES, _BOX_HEADER_BYTES = 16, 8
NOT_A_PICTURE_MESSAGE = "the file is not a picture"
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
UNSUPPORTED_SIGNATURES = {
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\x00\x00\x01\x00": "icon",
    b"icns": "icon",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x8aMNG\r\n\x1a\n": "MNG",
    b"\x8bJNG\r\n\x1a\n": "JNG",
    b"v/1\x01": "OpenEXR",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"FUJIFILMCCD-RAW": "camera raw (RAF)",
    b"IIRO": "camera raw (ORF)",
    b"IIRS": "camera raw (ORF)",
    b"MMOR": "camera raw (ORF)",
    b"IIU\0": "camera raw (RW2)",
    b"\0MRM": "camera raw (MRW)",
    b"FOVb": "camera raw (X3F)",
    b"II\x1a\0\0\0HEAPCCDR": "camera raw (CRW)",
}
# Tags of a TIFF's first directory: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and DNG's.
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 330, 50706
_MAKER_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)  # Sony, Epson, Samsung, Nikon, Kodak, Pentax
_CR2_DIRECTORY = b"\x10\0\0\0"
_COLOUR_FILTER_ARRAY = 32803
# What may precede the first element of XML: white space, declarations and instructions, comments, a document type.
_SVG_PROLOGUE = re.compile(
    rb"\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[[^\]]*+\])?+[^>]*+>", re.DOTALL | re.IGNORECASE
)
_SVG_ROOT = re.compile(rb"<(?:[\w.-]+:)?svg[\s/>]")
_MAX_SVG_PROLOGUE = 64 * 1024


def recognise(data: bytes) -> str | None:
    """Return the supported format that the first bytes are of; None if they are of none."""
    head = data[:18]
    name = next((name for signature, name in SIGNATURES if head.startswith(signature)), None)
    if name is not None:
        return name
    if head[4:8] == b"ftyp":
        return "HEIF"
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b""):
        return "WEBP"
    return "BMP" if _is_bmp(head) else None


def unsupported_format(data: bytes, format_name: str | None) -> str | None:
    """Return the name of a known format that is not supported; None for any other file.

    `format_name` is what `recognise` returned: camera raw files are formally TIFF or share HEIF's first box.
    """
    if format_name == "TIFF":
        return _raw_format(data)
    if format_name == "HEIF":
        return "camera raw (CR3)" if data[8:12] == b"crx " else None
    if format_name is not None:
        return None
    name = next((name for start, name in UNSUPPORTED_SIGNATURES.items() if data.startswith(start)), None)
    return name or ("SVG" if _is_svg(data) else None)


def refuse_start(start: bytes) -> None:
    """Refuse a file by its first bytes, before the rest is read.

    Raises:
        ItemError: it is a known format that is not supported, or none that is known.
    """
    format_name = recognise(start)
    if format_name == "HEIF" and _is_film(start):
        raise _unsupported("video")
    if format_name == "TIFF":  # what kind of one is said by its directory, which may lie at its end
        return
    if other_name := unsupported_format(start, format_name):
        raise _unsupported(other_name)
    if format_name is None and start:
        raise ItemError(Code.NOT_AN_IMAGE, NOT_A_PICTURE_MESSAGE)


def _unsupported(kind: str) -> ItemError:
    return ItemError(Code.UNSUPPORTED_FORMAT, unsupported_message(kind))


def unsupported_message(kind: str) -> str:
    """Return the refusal of a file that is not read, by the name of its kind."""
    supported = ", ".join(SUPPORTED_FORMATS)
    return f"files of the kind {kind} are not supported; these are: {supported}"


def _is_film(start: bytes) -> bool:
    """Return whether a file of boxes has a film's before any `meta`, and no brand of pictures."""
    position = int.from_bytes(start[:4])
    if any(brand in start[8:position] for brand in _PICTURE_BRANDS):
        return False
    for _ in range(_MAX_FIRST_BOXES):
        size, kind = int.from_bytes(start[position : position + 4]), start[position + 4 : position + 8]
        if kind in (b"moov", b"moof", b"mdat"):
            return True
        if kind == b"meta" or size < _BOX_HEADER_BYTES:
            return False
        position += size
    return False


def _is_bmp(head: bytes) -> bool:
    """Return whether these are a BMP's: two letters are too few, so the fields after them count too."""
    if head[:2] != b"BM" or len(head) < 6:
        return False
    return head[6:10] == bytes(len(head[6:10])) or int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _is_svg(data: bytes) -> bool:
    """Return whether the file is XML whose first element is svg."""
    head = data[:_MAX_SVG_PROLOGUE]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode()
    position = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    while part := _SVG_PROLOGUE.match(head, position):
        position = part.end()
    return _SVG_ROOT.match(head, position) is not None


def _raw_format(data: bytes) -> str | None:
    """Return the name of a camera's raw format based on TIFF: a decoder would open the preview in it."""
    header = exif.read_header(data)
    if header is None:
        return None
    if data[8:11] == b"CR\2" and data[4:8] == _CR2_DIRECTORY:
        return "camera raw (CR2)"
    tags: dict[int, int] = {}
    for entry in exif.entries(data, header):
        values = exif.integers(data, header, entry, most=1)
        tags.setdefault(entry.tag, values[0] if values else 0)
    if _DNG_VERSION in tags:
        return "camera raw (DNG)"
    if tags.get(_COMPRESSION) in _MAKER_COMPRESSIONS or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER_ARRAY:
        return "camera raw"
    # Nikon's and Sony's begin with a reduced copy, and keep the sensor's data in a directory below.
    return "camera raw" if tags.get(_SUBFILE, 0) & 1 and _SUB_IFDS in tags else None
